"""Transcripts as the word pieces of a language model.

Axis legend: N utterances, P pieces of all utterances (special tokens among them).

Nothing here needs a network: the tokenizer is an object that the caller has loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.ragged import run_offsets
from comodal.data.tokenized_text import TokenizedText

__all__ = ["FastTokenizer", "tokenize_words"]

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
        offsets=run_offsets(kept),
        n_words=np.array([len(each) for each in words], dtype=np.int64),
        n_cut=lengths - kept,
        max_length=max_length,
        pad_id=int(tokenizer.pad_token_id or 0),
        pad_type_id=int(tokenizer.pad_token_type_id),
        padding_side=str(tokenizer.padding_side),
    )


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
    before = np.concatenate([np.zeros(1, dtype=np.int64), spoken])[run_offsets(lengths)[:-1]]
    return np.asarray(special | (spoken - before[owner] <= (max_length - n_special)[owner]))
