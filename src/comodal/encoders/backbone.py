"""Load pretrained encoders and tokenizers of Hugging Face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from comodal.contracts import InputError

__all__ = ["LAYOUTS", "Layout", "layout_of", "load_backbone", "load_tokenizer", "longest_input"]

_NOT_WHOLE = "save the whole encoder with save_pretrained, or give another"


@dataclass(frozen=True)
class Layout:
    """The names of the parts of a type of encoder.

    Attributes:
        layers: path of the list of its layers.
        adapted: names of the linear maps that get low-rank adapters.
        pooler: whether it has a pretrained pooler.
        reads_last: whether the summary token is the last piece rather than the first.
        time_first: whether its layers take ``(T, B, H)`` rather than ``(B, T, H)``.
        gate_layer: the published place of a gate, before this layer.
        idle: parameters that are never used when a whole text is read.
        options: arguments of its forward pass.
    """

    layers: str = "encoder.layer"
    adapted: tuple[str, ...] = ("query", "value")
    pooler: bool = False
    reads_last: bool = False
    time_first: bool = False
    gate_layer: int = 0
    idle: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


LAYOUTS: dict[str, Layout] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "data2vec-text", "ernie"), Layout(pooler=True)),
    "mpnet": Layout(adapted=("q", "v"), pooler=True),
    "electra": Layout(),
    "distilbert": Layout(layers="transformer.layer", adapted=("q_lin", "v_lin")),
    "deberta": Layout(adapted=("in_proj",)),
    "deberta-v2": Layout(adapted=("query_proj", "value_proj")),
    "modernbert": Layout(layers="layers", adapted=("Wqkv",)),
    # Its attention has no linear modules, so adapters go to the feed-forward networks.
    "xlnet": Layout(
        layers="layer",
        adapted=("layer_1", "layer_2"),
        reads_last=True,
        time_first=True,
        gate_layer=1,
        idle=("mask_emb",),
        options={"use_mems": False},
    ),
}
"""Known types of encoder: Hugging Face's ``model_type`` to layout."""

_REFUSED = {
    "albert": "all its layers share one module, so a gate cannot be put before one of them",
    "funnel": "its layers shorten the text, so frames no longer match the pieces",
}


def layout_of(model_type: str, *, where: str) -> Layout:
    """Return the layout of a type of encoder, the ``model_type`` of its ``config.json``.

    Raises:
        InputError: the type is unknown or cannot be used.
    """
    if model_type in _REFUSED:
        raise InputError(
            f"{where}: an encoder of type {model_type!r} cannot be used: {_REFUSED[model_type]}; "
            f"give one of type: {', '.join(LAYOUTS)}",
            code="unsupported",
        )
    if model_type not in LAYOUTS:
        raise InputError.unknown("type of encoder", model_type, LAYOUTS, where=where)
    return LAYOUTS[model_type]


def load_backbone(name: str, *, pooler: bool = False) -> Any:
    """Return a pretrained encoder with weights in float32.

    Args:
        name: a folder that ``save_pretrained`` wrote, which needs no network, or a name on the Hugging Face hub.
        pooler: whether to load its pooler.

    Raises:
        InputError: no such folder or name, an unknown type, weights that are damaged or incomplete, or no pretrained
            pooler although ``pooler`` is set.
    """
    transformers = _transformers()
    kind = _load(transformers.AutoConfig.from_pretrained, name).model_type
    layout = layout_of(kind, where=name)
    if pooler and not layout.pooler:
        raise InputError(
            f"{name}: an encoder of type {kind!r} has no pooler; give pooling=mean or pooling=cls", code="unsupported"
        )
    options = {"add_pooling_layer": pooler} if layout.pooler else {}
    model, found = _load(transformers.AutoModel.from_pretrained, name, output_loading_info=True, **options)
    missing = sorted(found["missing_keys"])
    if missing and all(key.startswith("pooler.") for key in missing):
        raise InputError(
            f"{name}: its pooler was not trained with it; give pooling=mean or pooling=cls", code="missing"
        )
    if missing:
        raise InputError(
            f"{name}: {len(missing)} weights are missing (first: {missing[0]}); {_NOT_WHOLE}", code="damaged"
        )
    for path in layout.idle:
        model.get_parameter(path).requires_grad_(requires_grad=False)
    return model.float().train()  # transformers loads it in evaluation mode


def load_tokenizer(name: str) -> Any:
    """Return the fast tokenizer of a pretrained encoder; its name is as for :func:`load_backbone`.

    Raises:
        InputError: there is none, it is not fast, it has ids without an embedding in the encoder, or the encoder is
            of an unknown type.
    """
    transformers = _transformers()
    config = _load(transformers.AutoConfig.from_pretrained, name)
    layout_of(config.model_type, where=name)
    tokenizer = _load(transformers.AutoTokenizer.from_pretrained, name)
    if not tokenizer.is_fast:
        raise InputError(
            f"{name}: its tokenizer has no fast version, which maps pieces to words; give another encoder",
            code="unsupported",
        )
    ids = 1 + max(tokenizer.get_vocab().values(), default=-1)
    if ids > config.vocab_size:
        raise InputError(
            f"{name}: its tokenizer gives {ids} ids and the encoder embeds {config.vocab_size}; "
            "give the tokenizer of this encoder",
            code="mismatch",
        )
    return tokenizer


def longest_input(model: nn.Module) -> int | None:
    """Return the largest number of pieces that an encoder takes; ``None`` where it has no limit."""
    for path, module in model.named_modules():
        if path.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    return None


def _load(load: Callable[..., Any], name: str, **options: Any) -> Any:
    if not name:
        raise InputError(
            "no backbone is given: give fusion_config.backbone, a folder with a pretrained encoder or its name on the "
            "Hugging Face hub, such as bert-base-uncased",
            code="missing",
        )
    folder = Path(name).expanduser()
    local = folder.is_dir()
    if not local and (name.startswith((".", "~")) or folder.is_absolute() or len(folder.parts) > 2):
        raise InputError(
            f"{name}: no such folder; give one that save_pretrained wrote, or a name on the hub", code="missing"
        )
    try:
        with _quiet():
            return load(str(folder) if local else name, local_files_only=local, **options)
    except Exception as error:  # damaged files raise errors of many libraries
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        tried = "the folder cannot be loaded" if local else "no such folder here, and no such model on the hub"
        raise InputError(
            f"{name}: {tried} ({reason}); give the path of a folder with config.json, weights and tokenizer files",
            code="damaged" if local else "unavailable",
        ) from error


def _transformers() -> Any:
    try:
        import transformers  # noqa: PLC0415 - keeps `import comodal` light
    except ImportError as error:
        raise InputError.needs_extra("hf", "pretrained encoders") from error
    return transformers


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence progress bars and the report of unused weights; missing weights are an error elsewhere."""
    logging = _transformers().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
