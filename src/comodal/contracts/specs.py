"""What a data set holds and what a model needs, before either is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from comodal.contracts.errors import InputError

__all__ = [
    "DatasetSpec",
    "InputSpec",
    "TokenSpec",
]


@dataclass(frozen=True)
class TokenSpec:
    """How the word pieces of a text modality are to be read.

    Attributes:
        tokenizer: whose pieces they are.
        vocabulary: number of different ids, those of added tokens included.
        pad_id: id that stands for nothing.
        unknown_id: id that stands for a word that is not known; a text that is masked out is made of it.
        max_length: most pieces of an utterance, special tokens included.
        special_ids: ids of the special tokens that the tokenizer puts around a text.
    """

    tokenizer: str
    vocabulary: int
    pad_id: int
    unknown_id: int
    max_length: int
    special_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class DatasetSpec:
    """What a model may know of a data set without reading it.

    Attributes:
        name: how it was asked for, for example ``"mosi:clean"``.
        dims: features per frame of each modality, in the canonical order of the modalities.
        max_lengths: longest sequence of each modality; 1 means utterance-level vectors.
        label_range: smallest and largest legal label.
        note: what a reader of its numbers must know (licence, leakage), empty when there is nothing.
        aligned: whether the modalities of every utterance have the same number of frames, but for those that are
            absent or have a single frame, which stands for the whole utterance.
        tokens: how to read a ``text`` modality of word pieces, ``None`` where it is of feature vectors.
    """

    name: str
    dims: Mapping[str, int]
    max_lengths: Mapping[str, int]
    label_range: tuple[float, float] = (-3.0, 3.0)
    note: str = ""
    aligned: bool = True
    tokens: TokenSpec | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order.

        >>> DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}).modalities
        ('text', 'audio')
        """
        return tuple(self.dims)

    @property
    def feature_dims(self) -> dict[str, int]:
        """Dims of the modalities that are feature vectors: all but a text of word pieces.

        >>> tokens = TokenSpec("toy", 9, pad_id=0, unknown_id=1, max_length=8)
        >>> DatasetSpec("toy", {"text": 2, "audio": 5}, {"text": 8, "audio": 8}, tokens=tokens).feature_dims
        {'audio': 5}
        """
        return {name: dim for name, dim in self.dims.items() if name != "text" or self.tokens is None}


@dataclass(frozen=True)
class InputSpec:
    """What a fusion model needs of its input.

    Attributes:
        aligned: the modalities of an utterance must have the same number of frames, word by word; one that is absent
            or has a single frame is no obstacle.
        tokens: the text modality must be word pieces rather than feature vectors.
        min_modalities: fewest modalities it can fuse.
        max_modalities: most it can fuse; ``None`` for any number.
    """

    aligned: bool = False
    tokens: bool = False
    min_modalities: int = 1
    max_modalities: int | None = None

    def require(self, spec: DatasetSpec, *, fusion: str) -> None:
        """Refuse a data set that a model cannot take.

        Args:
            spec: what the data set holds.
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
                "choose modalities (features=..., --features)"
            )
        if self.aligned and not spec.aligned:
            frames = ", ".join(f"{name} (up to {longest} frames)" for name, longest in spec.max_lengths.items())
            raise InputError(
                f"{spec.name}: {frames} are not aligned word by word, which {fusion} fusion needs; "
                "give aligned features, or a fusion that takes them as they are, such as mult"
            )
        if self.tokens and spec.tokens is None:
            raise InputError(
                f"{spec.name}: its text is feature vectors, and {fusion} fusion reads word pieces; "
                "tokenize its transcripts (comodal.data.word_pieces.with_tokens)"
            )
        if spec.tokens is not None and not self.tokens:
            raise InputError(
                f"{spec.name}: its text is word pieces, and {fusion} fusion reads feature vectors; "
                "give the data set before tokenization"
            )
