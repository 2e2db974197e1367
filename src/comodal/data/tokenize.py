"""Transcripts as the word pieces of a language model, and word-level frames brought to those pieces.

Axis legend: N utterances, P pieces of all utterances (special tokens among them), T_i frames of utterance i, d features
of a frame.

Nothing here is padded, and nothing needs a network: the tokenizer is an object that the caller has loaded. A model
whose `InputSpec` asks for ``tokens`` gets a batch of it thus: tokenize once, before training; for the rows of a batch
take ``tokens.take(rows)`` and ``align_to_pieces(array.take(rows), tokens.take(rows))``; then pad pieces, type ids and
frames to the longest on ``tokens.padding_side`` with ``pad_id``, ``pad_type_id`` and zeros. The attention mask is true
on the pieces, those that are special included; a modality's mask is the same, or all false where it is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.ragged import RaggedArray, frame_index

__all__ = ["FastTokenizer", "TokenizedText", "align_to_pieces", "tokenize_words"]

_AT_ONCE = 1024
_PROBE = ("the", "sun")
_OPTIONS = {
    "padding": False,
    "truncation": False,
    "return_token_type_ids": True,
    "return_attention_mask": False,
    "verbose": False,
}


class FastTokenizer(Protocol):
    """What is used of a fast tokenizer of Hugging Face."""

    @property
    def is_fast(self) -> bool:
        """Whether it can tell the word of a piece."""

    @property
    def padding_side(self) -> str:
        """``"left"`` or ``"right"``."""

    @property
    def pad_token_id(self) -> Any:
        """Id that fills a row, ``None`` where it has none."""

    @property
    def pad_token_type_id(self) -> int:
        """Type id that fills a row."""

    @property
    def mask_token_id(self) -> Any:
        """Id of a hidden piece, ``None`` where it has none."""

    @property
    def unk_token_id(self) -> Any:
        """Id of a piece that it does not know, ``None`` where it has none."""

    @property
    def name_or_path(self) -> str:
        """Where it was loaded from, empty where it was made."""

    def __len__(self) -> int:
        """Ids it can give, those of added tokens included."""

    def __call__(self, text: Any, **options: Any) -> Any:
        """Pieces of sentences or of lists of words, as ``BatchEncoding``."""


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """Pieces of all utterances below each other, special tokens where the tokenizer puts them.

    Attributes:
        id: ``(N,)`` utterance ids, for messages.
        input_ids: ``(P,)`` int64.
        type_ids: ``(P,)`` int64 token type (segment) ids.
        word: ``(P,)`` int64 position of a piece's word in the transcript, -1 for special tokens.
        offsets: ``(N + 1,)`` int64; utterance i owns the pieces ``offsets[i]`` to ``offsets[i + 1]``.
        n_words: ``(N,)`` int64 words of each transcript, those that were cut off included.
        n_cut: ``(N,)`` int64 pieces that were cut off.
        max_length: most pieces of an utterance, special tokens included.
        pad_id: fills input ids; 0 where the tokenizer has none.
        pad_type_id: fills type ids.
        padding_side: ``"left"`` or ``"right"``.
    """

    id: NDArray[Any]
    input_ids: NDArray[np.int64]
    type_ids: NDArray[np.int64]
    word: NDArray[np.int64]
    offsets: NDArray[np.int64]
    n_words: NDArray[np.int64]
    n_cut: NDArray[np.int64]
    max_length: int
    pad_id: int
    pad_type_id: int
    padding_side: str

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` pieces of each utterance."""
        return np.diff(self.offsets)

    @property
    def special(self) -> NDArray[np.bool_]:
        """``(P,)`` which pieces are special tokens."""
        return np.asarray(self.word < 0)

    @property
    def truncation(self) -> str:
        """How many utterances were cut and the first of them; empty when none was."""
        cut = self.id[self.n_cut > 0].tolist()
        if not cut:
            return ""
        first = ", ".join(repr(str(each)) for each in cut[:3])
        return f"{len(cut)} of {len(self)} utterances were cut to {self.max_length} pieces (first: {first})"

    def take(self, index: NDArray[np.int64]) -> TokenizedText:
        """The utterances of ``index``, in its order."""
        lengths = self.lengths[index]
        pieces = frame_index(self.offsets[:-1][index], lengths)
        return TokenizedText(
            id=self.id[index],
            input_ids=self.input_ids[pieces],
            type_ids=self.type_ids[pieces],
            word=self.word[pieces],
            offsets=_ends(lengths),
            n_words=self.n_words[index],
            n_cut=self.n_cut[index],
            max_length=self.max_length,
            pad_id=self.pad_id,
            pad_type_id=self.pad_type_id,
            padding_side=self.padding_side,
        )


def tokenize_words(
    transcripts: Sequence[str] | NDArray[Any],
    tokenizer: FastTokenizer,
    *,
    ids: Sequence[str] | NDArray[Any] | None = None,
    max_length: int = 50,
) -> TokenizedText:
    """Word pieces of every transcript, each with the position of its word.

    Which special tokens there are, where they stand and their type ids come from the tokenizer, so that BERT's
    ``[CLS] a b [SEP]`` and XLNet's ``a b <sep> <cls>`` need no case of their own. Words are parted by white space. A
    tokenizer of which the space before a word is part (RoBERTa, ModernBERT) gets that space. A word of which the
    tokenizer makes no piece (control characters, for example) leaves the positions of the others as they are.

    Args:
        transcripts: ``(N,)`` words; an empty one becomes special tokens alone.
        tokenizer: a fast tokenizer of Hugging Face.
        ids: ``(N,)`` utterance ids for messages; row numbers when ``None``.
        max_length: most pieces of an utterance, special tokens included. The last pieces of a longer one are cut off,
            piece by piece and not word by word, and its special tokens stay.

    Raises:
        InputError: a slow tokenizer, a transcript that is no text, ``max_length`` without room for one piece, or ids
            that are more or fewer than the transcripts.
    """
    names = np.asarray([str(i) for i in range(len(transcripts))] if ids is None else ids)
    if len(names) != len(transcripts):
        raise InputError(f"{len(names)} ids for {len(transcripts)} transcripts; give one id a transcript")
    if not tokenizer.is_fast:
        raise InputError(
            f"tokenizer {type(tokenizer).__name__}: it cannot tell the word of a piece; "
            "give a fast one: AutoTokenizer.from_pretrained(..., use_fast=True)"
        )
    words = [_words(text, name) for text, name in zip(transcripts, names.tolist(), strict=True)]
    lengths, pieces = _encode(tokenizer, words)
    keep = _fitting(pieces[2] < 0, lengths, max_length)
    kept = np.bincount(np.repeat(np.arange(len(words)), lengths)[keep], minlength=len(words))
    input_ids, type_ids, word = pieces[:, keep]
    return TokenizedText(
        id=names,
        input_ids=input_ids,
        type_ids=type_ids,
        word=word,
        offsets=_ends(kept),
        n_words=np.array([len(each) for each in words], dtype=np.int64),
        n_cut=lengths - kept,
        max_length=max_length,
        pad_id=int(tokenizer.pad_token_id or 0),
        pad_type_id=int(tokenizer.pad_token_type_id),
        padding_side=str(tokenizer.padding_side),
    )


def align_to_pieces(array: RaggedArray, tokens: TokenizedText) -> RaggedArray:
    """One modality with a frame for every piece.

    A word's frame is repeated for each of its pieces. Where an utterance has one frame and not one word, the frame is
    the whole utterance's and every piece of a word gets it. Special tokens get zero frames in both cases, so that one
    word with one frame is the same under either reading. An absent modality (no frame) stays absent, which a batch
    shows by a mask that is false: zero frames would claim that it was observed and zero.

    Args:
        array: N utterances of as many frames as the transcript has words, of one frame, or of none.
        tokens: the pieces of the same N utterances; frames of words that were cut off are left out.

    Returns:
        N utterances, each with as many frames as pieces, or none.

    Raises:
        InputError: another number of frames, naming the first such utterance, or of utterances.

    Example:
        >>> import numpy as np
        >>> tokens = TokenizedText(
        ...     id=np.array(["v_1"]), input_ids=np.array([2, 7, 8, 9, 3]), type_ids=np.zeros(5, dtype=np.int64),
        ...     word=np.array([-1, 0, 1, 1, -1]), offsets=np.array([0, 5]), n_words=np.array([2]),
        ...     n_cut=np.array([0]), max_length=50, pad_id=0, pad_type_id=0, padding_side="right")
        >>> align_to_pieces(RaggedArray.from_rows([[[5.0], [6.0]]]), tokens).values.ravel().tolist()
        [0.0, 5.0, 6.0, 6.0, 0.0]
        >>> align_to_pieces(RaggedArray.from_vectors([[4.0]]), tokens).values.ravel().tolist()
        [0.0, 4.0, 4.0, 4.0, 0.0]
    """
    _require_frames(array.lengths, tokens)
    owner = np.repeat(np.arange(len(tokens)), tokens.lengths)
    present = (array.lengths > 0)[owner]
    owner, word = owner[present], tokens.word[present]
    position = np.where((array.lengths == 1)[owner], 0, word)
    values = np.zeros((len(owner), array.dim), dtype=np.float32)
    spoken = word >= 0
    values[spoken] = array.values[(array.offsets[:-1][owner] + position)[spoken]]
    return RaggedArray(values, _ends(np.where(array.lengths > 0, tokens.lengths, 0)))


def _require_frames(lengths: NDArray[np.int64], tokens: TokenizedText) -> None:
    if len(lengths) != len(tokens):
        raise InputError(f"{len(lengths)} utterances of frames for {len(tokens)} transcripts; give the same utterances")
    wrong = np.flatnonzero((lengths > 1) & (lengths != tokens.n_words))
    if len(wrong):
        i = int(wrong[0])
        raise InputError(
            f"utterance {str(tokens.id[i])!r}: {lengths[i]} frames for {tokens.n_words[i]} words "
            f"({len(wrong)} such utterances); give word-aligned features, or one vector an utterance"
        )


def _ends(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _words(text: object, name: object) -> list[str]:
    if not isinstance(text, str):
        raise InputError(f"utterance {str(name)!r}: its transcript is {type(text).__name__}, not text; give a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"utterance {str(name)!r}: its transcript is no valid Unicode ({error.reason}); repair it"
        ) from error
    return text.split()


def _spaced(words: Sequence[str]) -> list[str]:
    return [f" {word}" if k else word for k, word in enumerate(words)]


def _wants_spaces(tokenizer: FastTokenizer) -> bool:
    """Whether words give the sentence's pieces only with the space before them (byte-level tokenizers)."""

    def pieces(text: Any, *, split: bool) -> list[int]:
        found: list[int] = tokenizer([text], is_split_into_words=split, **_OPTIONS)["input_ids"][0]
        return found

    sentence = pieces(" ".join(_PROBE), split=False)
    return pieces(list(_PROBE), split=True) != sentence and pieces(_spaced(_PROBE), split=True) == sentence


def _encode(tokenizer: FastTokenizer, words: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pieces of each utterance ``(N,)``; and ids, type ids and words of all pieces, ``(3, P)``."""
    spaced = _wants_spaces(tokenizer)
    found: list[NDArray[np.int64]] = [np.empty((3, 0), dtype=np.int64)]
    for start in range(0, len(words), _AT_ONCE):
        some = [_spaced(each) if spaced else list(each) for each in words[start : start + _AT_ONCE]]
        encoded = tokenizer(some, is_split_into_words=True, **_OPTIONS)
        for i, ids in enumerate(encoded["input_ids"]):
            types = encoded["token_type_ids"][i] if "token_type_ids" in encoded else [0] * len(ids)
            word = [-1 if each is None else each for each in encoded.word_ids(i)]
            found.append(np.array([ids, types, word], dtype=np.int64))
    return np.array([each.shape[1] for each in found[1:]], dtype=np.int64), np.concatenate(found, axis=1)


def _fitting(special: NDArray[np.bool_], lengths: NDArray[np.int64], max_length: int) -> NDArray[np.bool_]:
    """``(P,)`` which pieces stay: all special ones, and of the others as many as there is room for, from the first."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    n_special = np.bincount(owner[special], minlength=len(lengths))
    most = int(n_special.max(initial=0))
    if max_length <= most:
        raise InputError(f"max_length={max_length}: {most} special tokens leave no room; give at least {most + 1}")
    spoken = np.cumsum(~special)
    before = np.concatenate([np.zeros(1, dtype=np.int64), spoken])[_ends(lengths)[:-1]]
    return np.asarray(special | (spoken - before[owner] <= (max_length - n_special)[owner]))
