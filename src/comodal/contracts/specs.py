"""Specifications of data sets and of the inputs that models need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comodal.contracts.errors import InputError

if TYPE_CHECKING:
    from comodal.contracts.tasks import Task

__all__ = [
    "DatasetSpec",
    "InputSpec",
    "TokenSpec",
]


@dataclass(frozen=True)
class TokenSpec:
    """Tokenizer facts of a text modality made of word pieces.

    Attributes:
        tokenizer: name of the tokenizer.
        vocabulary: number of ids, added tokens included.
        pad_id: id of padding.
        unknown_id: id of an unknown word; a masked text consists of it.
        max_length: most word pieces per sample, special tokens included.
        special_ids: ids of the special tokens around a text.
    """

    tokenizer: str
    vocabulary: int
    pad_id: int
    unknown_id: int
    max_length: int
    special_ids: tuple[int, ...] = ()


def _sentiment() -> Task:
    from comodal.contracts.tasks import Sentiment  # noqa: PLC0415 - numpy, which `comodal --help` need not wait for

    return Sentiment()


@dataclass(frozen=True)
class DatasetSpec:
    """Facts of a data set that a model is built from.

    Attributes:
        name: name of the data set, for example ``"mosi:clean"``.
        dims: features per frame of each modality, in the canonical order of the modalities.
        max_lengths: longest sequence of each modality; 1 means one vector per sample.
        task: what is predicted.
        note: caveats of numbers on it (licence, leakage).
        aligned: whether all modalities of each sample have the same number of frames; absent ones, and those of a
            single frame for the whole sample, do not count.
        tokens: tokenizer facts of a ``text`` modality of word pieces, ``None`` for feature vectors.
    """

    name: str
    dims: Mapping[str, int]
    max_lengths: Mapping[str, int]
    task: Task = field(default_factory=_sentiment)
    note: str = ""
    aligned: bool = True
    tokens: TokenSpec | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the names of the modalities, in order.

        >>> DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}).modalities
        ('text', 'audio')
        """
        return tuple(self.dims)

    @property
    def feature_dims(self) -> dict[str, int]:
        """Return the dims of the modalities that are feature vectors: all but a text of word pieces.

        >>> tokens = TokenSpec("toy", 9, pad_id=0, unknown_id=1, max_length=8)
        >>> DatasetSpec("toy", {"text": 2, "audio": 5}, {"text": 8, "audio": 8}, tokens=tokens).feature_dims
        {'audio': 5}
        """
        return {name: dim for name, dim in self.dims.items() if name != "text" or self.tokens is None}


@dataclass(frozen=True)
class InputSpec:
    """Requirements of a fusion model on its input.

    Attributes:
        aligned: all modalities of a sample must have the same number of frames, word by word; absent ones and those of
            a single frame are accepted.
        tokens: the text modality must be word pieces rather than feature vectors.
        min_modalities: smallest number of modalities.
        max_modalities: largest number; ``None`` for any.
    """

    aligned: bool = False
    tokens: bool = False
    min_modalities: int = 1
    max_modalities: int | None = None

    def require(self, spec: DatasetSpec, *, fusion: str) -> None:
        """Raise an error when a data set does not meet the requirements.

        Args:
            spec: of the data set.
            fusion: name of the model, for the message.

        Raises:
            InputError: too few or too many modalities, frames that are not aligned, or a text of the wrong kind.

        >>> InputSpec(aligned=True).require(
        ...     DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 9, "audio": 50}, aligned=False), fusion="ef_lstm")
        Traceback (most recent call last):
        comodal.contracts.InputError: toy: text (up to 9 frames), audio (up to 50 frames) are not aligned ...
        """
        count = len(spec.dims)
        if count < self.min_modalities or count > (self.max_modalities or count):
            most = "any number" if self.max_modalities is None else str(self.max_modalities)
            raise InputError(
                f"{spec.name}: {count} modalities, and {fusion} fusion takes {self.min_modalities} to {most}; "
                "choose modalities (features=..., --features)",
                code="unsupported",
            )
        if self.aligned and not spec.aligned:
            frames = ", ".join(f"{name} (up to {longest} frames)" for name, longest in spec.max_lengths.items())
            raise InputError(
                f"{spec.name}: {frames} are not aligned word by word, which {fusion} fusion needs; "
                "give aligned features, or use a fusion for unaligned ones, such as mult",
                code="unsupported",
            )
        if self.tokens and spec.tokens is None:
            raise InputError(
                f"{spec.name}: its text is feature vectors, and {fusion} fusion reads word pieces; "
                "tokenize its transcripts (comodal.data.tokenize.with_tokens)",
                code="wrong_type",
            )
        if spec.tokens is not None and not self.tokens:
            raise InputError(
                f"{spec.name}: its text is word pieces, and {fusion} fusion reads feature vectors; "
                "give the data set before tokenization",
                code="wrong_type",
            )
