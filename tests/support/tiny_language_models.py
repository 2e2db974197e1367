"""Language models of a few thousand random weights, saved as pretrained ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VOCABULARY = 30
POSITIONS = 24
WIDTH = 16
LAYERS = 2

_SPECIAL = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
_OPTIONS: dict[str, dict[str, Any]] = {
    "modernbert": {**_SPECIAL, "local_attention": 4},
    "deberta-v2": {  # as the third version has it
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_buckets": 8,
        "max_relative_positions": -1,
    },
    "electra": {"embedding_size": 8},
}


def tiny_config(kind: str = "bert", **options: Any) -> Any:
    """A config of a known kind at the smallest sizes."""
    from transformers import AutoConfig

    if kind == "xlnet":
        sizes = {"d_model": WIDTH, "n_layer": LAYERS, "n_head": 2, "d_inner": 32, "vocab_size": VOCABULARY}
        return AutoConfig.for_model("xlnet", **sizes | options)
    sizes = {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
    }
    return AutoConfig.for_model(kind, **sizes | _OPTIONS.get(kind, {}) | options)


def save_tiny(folder: Path, kind: str = "bert", *, tokenizer: Any = None, **options: Any) -> str:
    """Save a model with random weights of a common size, and a tokenizer if one is given."""
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    config = tiny_config(kind, **options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = AutoModel.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:  # the usual 0.02 makes all texts alike at this width
                torch.nn.init.normal_(parameter, std=0.3)
    # Quietly: it draws a bar for the one file that it writes.
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return str(folder)


class TinyBackbones:
    """Folders of tiny models by kind, each saved when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, kind: str = "bert") -> str:
        folder = self.root / kind
        return str(folder) if folder.is_dir() else save_tiny(folder, kind)
