"""Pretrained encoders of Hugging Face: which are known, and how they are loaded."""

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
    """Where the parts of a kind of encoder are.

    Attributes:
        layers: path of the list of its layers.
        adapted: names of the linear maps that low-rank adapters are put beside.
        pooler: whether it has a pooler, a layer on its summary that was trained with it.
        reads_last: whether the special token that sums the text up is the last piece rather than the first.
        time_first: whether its layers take ``(T, B, H)`` rather than ``(B, T, H)``.
        gate_layer: the layer in front of which a gate was published.
        idle: parameters that reading a whole text never uses.
        options: what its forward pass must be told.
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
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "data2vec-text", "ernie"),
        Layout(pooler=True),
    ),
    "mpnet": Layout(adapted=("q", "v"), pooler=True),
    "electra": Layout(),
    "distilbert": Layout(layers="transformer.layer", adapted=("q_lin", "v_lin")),
    "deberta": Layout(adapted=("in_proj",)),
    "deberta-v2": Layout(adapted=("query_proj", "value_proj")),
    "modernbert": Layout(layers="layers", adapted=("Wqkv",)),
    # Its attention has bare tensors and no linear maps, so adapters go to the feed-forward networks.
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
"""The kinds of encoder that are known: Hugging Face's ``model_type`` to layout."""

_REFUSED = {
    "albert": "its layers are one layer used again and again, so nothing can be put in front of one of them",
    "funnel": "its layers shorten the text, so frames do not fit the pieces any more",
}


def layout_of(model_type: str, *, where: str) -> Layout:
    """The layout of a kind of encoder.

    Args:
        model_type: as its ``config.json`` says.
        where: whose it is, for the message.

    Raises:
        InputError: a kind that is not known, or of which it is known that it cannot be used.

    Example:
        >>> layout_of("xlnet", where="xlnet-base-cased").gate_layer
        1
        >>> layout_of("albert", where="albert-base-v2")
        Traceback (most recent call last):
        comodal.contracts.InputError: albert-base-v2: an encoder of type 'albert' cannot be used: its layers are one ...
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
    """A pretrained encoder with weights in float32.

    Args:
        name: a folder that ``save_pretrained`` wrote, which needs no network, or a name on the Hugging Face hub.
        pooler: keep its pooler; left out otherwise, since a layer that nothing uses is never trained.

    Raises:
        InputError: none of the two, an encoder of an unknown kind, weights that are damaged or lack a part of the
            network, or no pretrained pooler where one is wanted.
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
    """The fast tokenizer of a pretrained encoder.

    Args:
        name: as for :func:`load_backbone`.

    Raises:
        InputError: none is there, it is not fast, it gives ids that the encoder has no embedding for, or the encoder is
            of an unknown kind.
    """
    transformers = _transformers()
    config = _load(transformers.AutoConfig.from_pretrained, name)
    layout_of(config.model_type, where=name)
    tokenizer = _load(transformers.AutoTokenizer.from_pretrained, name)
    if not tokenizer.is_fast:
        raise InputError(
            f"{name}: its tokenizer has no fast form, which alone tells the word of a piece; give another",
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
    """Most pieces that an encoder can take; ``None`` where positions are relative and there is no end to them.

    Example:
        >>> model = nn.Module()
        >>> model.position_embeddings = nn.Embedding(514, 4, padding_idx=1)  # as RoBERTa has it: two are set apart
        >>> longest_input(model)
        512
    """
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
    except Exception as error:  # of a damaged file, errors of every library that reads a part of it come through
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
    """No report of weights that are not used, such as those of a pretraining head, and no bar for what takes a second.

    Weights that are missing are an error here and no warning.
    """
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
