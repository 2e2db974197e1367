"""Cut transcripts into the word pieces of a language model.

Axis legend: N samples, P pieces of all samples, special tokens included.

The caller loads the tokenizer, so nothing here needs a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, TokenSpec
from comodal.data.dataset import Dataset, describe
from comodal.data.ragged import RaggedArray, run_offsets
from comodal.data.tokenized_text import TokenizedText, align_to_pieces

__all__ = ["FastTokenizer", "all_capitals", "lowered", "tokenize_words", "with_tokens"]

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
    """The part of a fast tokenizer of Hugging Face that is used here."""

    @property
    def is_fast(self) -> bool:
        """Whether it knows the word of each piece."""

    @property
    def padding_side(self) -> str:
        """``"left"`` or ``"right"``."""

    @property
    def pad_token_id(self) -> Any:
        """Id of padding, ``None`` without one."""

    @property
    def pad_token_type_id(self) -> int:
        """Type id of padding."""

    @property
    def mask_token_id(self) -> Any:
        """Id of a masked piece, ``None`` without one."""

    @property
    def unk_token_id(self) -> Any:
        """Id of an unknown piece, ``None`` without one."""

    @property
    def name_or_path(self) -> str:
        """Source that it was loaded from, empty for one made in memory."""

    def __len__(self) -> int:
        """Return the number of ids, added tokens included."""

    def __call__(self, text: Any, **options: Any) -> Any:
        """Return the pieces of sentences or of lists of words, as ``BatchEncoding``."""


def tokenize_words(
    transcripts: Sequence[str] | NDArray[Any],
    tokenizer: FastTokenizer,
    *,
    ids: Sequence[str] | NDArray[Any] | None = None,
    max_length: int = 50,
) -> TokenizedText:
    """Return the word pieces of every transcript, each with the position of its word.

    Special tokens, their places and their type ids come from the tokenizer, so BERT's ``[CLS] a b [SEP]`` and XLNet's
    ``a b <sep> <cls>`` are handled alike. Words are separated by white space. A tokenizer whose pieces include the
    space before a word (RoBERTa, ModernBERT) gets that space. A word without pieces (control characters, for example)
    does not change the positions of other words.

    Args:
        transcripts: ``(N,)`` words; an empty one becomes special tokens alone.
        tokenizer: a fast tokenizer of Hugging Face.
        ids: ``(N,)`` sample ids for messages; row numbers when ``None``.
        max_length: most pieces per sample, special tokens included. The last pieces of a longer one are cut off, piece
            by piece and not word by word; its special tokens stay.

    Raises:
        InputError: a slow tokenizer, a transcript that is not text, ``max_length`` without room for one piece, or
            another number of ids than transcripts.
    """
    names = np.asarray([str(i) for i in range(len(transcripts))] if ids is None else ids)
    if len(names) != len(transcripts):
        raise InputError(
            f"{len(names)} ids for {len(transcripts)} transcripts; give one id per transcript", code="mismatch"
        )
    if not tokenizer.is_fast:
        raise InputError(
            f"tokenizer {type(tokenizer).__name__} is slow and does not know the word of each piece; "
            "give a fast one: AutoTokenizer.from_pretrained(..., use_fast=True)",
            code="unsupported",
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


def with_tokens(dataset: Dataset, tokenizer: FastTokenizer, *, max_length: int = 50) -> Dataset:
    """Return a data set whose text is the word pieces of a language model and whose other frames are aligned to them.

    The text modality comes first and holds ``(P_i, 2)`` integers per sample, the id and the type id of each piece;
    every other modality gets one frame per piece (:func:`~comodal.data.tokenized_text.align_to_pieces`). Transcripts
    that are all in capitals are lower-cased, since a cased tokenizer would cut them into letters.

    Args:
        dataset: samples with transcripts; text features are left out.
        tokenizer: a fast tokenizer of Hugging Face.
        max_length: most pieces per sample, special tokens included; the note of the spec counts the samples cut.

    Raises:
        InputError: no transcripts, or frames that are neither one per word nor one per sample.
    """
    if dataset.transcript is None:
        raise InputError(
            f"{dataset.spec.name}: has no transcripts for the language model; "
            "give a source with transcripts, or a fusion that takes text features",
            code="missing",
        )
    transcripts = dataset.transcript.tolist()
    read = lowered(transcripts) if all_capitals(transcripts) else transcripts
    tokens = tokenize_words(read, tokenizer, ids=dataset.id, max_length=max_length)
    pieces = np.stack([tokens.input_ids, tokens.type_ids], axis=1).astype(np.int32)
    modalities = {"text": RaggedArray(pieces, tokens.offsets)}
    for name, array in dataset.modalities.items():
        if name != "text":
            modalities[name] = align_to_pieces(array, tokens)
    spec = describe(
        dataset.spec.name,
        modalities,
        label_range=dataset.spec.label_range,
        note="; ".join(part for part in (dataset.spec.note, tokens.truncation) if part),
        tokens=_token_spec(tokenizer, tokens),
    )
    return replace(dataset, spec=spec, modalities=modalities)


def all_capitals(transcripts: Iterable[Any]) -> bool:
    """Return whether no transcript has a small letter, so that capitals mean nothing; values that are not text pass."""
    return all(each == each.upper() for each in transcripts if isinstance(each, str))


def lowered(transcripts: Iterable[Any]) -> list[Any]:
    """Return the transcripts in small letters; values that are not text stay as they are."""
    return [each.lower() if isinstance(each, str) else each for each in transcripts]


def _words(text: object, name: object) -> list[str]:
    if not isinstance(text, str):
        raise InputError(
            f"{str(name)!r}: transcript is {type(text).__name__}, not text; give a string", code="wrong_type"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{str(name)!r}: transcript is not valid Unicode ({error.reason}); repair it", code="damaged"
        ) from error
    return text.split()


def _spaced(words: Sequence[str]) -> list[str]:
    return [f" {word}" if k else word for k, word in enumerate(words)]


def _wants_spaces(tokenizer: FastTokenizer) -> bool:
    """Return whether words need the space before them to give the sentence's pieces (byte-level tokenizers)."""

    def pieces(text: Any, *, split: bool) -> list[int]:
        found: list[int] = tokenizer([text], is_split_into_words=split, **_OPTIONS)["input_ids"][0]
        return found

    sentence = pieces(" ".join(_PROBE), split=False)
    return pieces(list(_PROBE), split=True) != sentence and pieces(_spaced(_PROBE), split=True) == sentence


def _encode(tokenizer: FastTokenizer, words: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pieces per sample ``(N,)``; and ids, type ids and words of all pieces, ``(3, P)``."""
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
    """Return ``(P,)`` which pieces stay: all special ones, and the first of the others that there is room for."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    n_special = np.bincount(owner[special], minlength=len(lengths))
    most = int(n_special.max(initial=0))
    if max_length <= most:
        remedy = f"{most} special tokens leave no room; give at least {most + 1}"
        raise InputError(f"max_length={max_length}: {remedy}", code="out_of_range")
    spoken = np.cumsum(~special)
    before = np.concatenate([np.zeros(1, dtype=np.int64), spoken])[run_offsets(lengths)[:-1]]
    return np.asarray(special | (spoken - before[owner] <= (max_length - n_special)[owner]))


def _token_spec(tokenizer: FastTokenizer, tokens: TokenizedText) -> TokenSpec:
    pad = tokenizer.pad_token_id or 0
    unknown = next((each for each in (tokenizer.mask_token_id, tokenizer.unk_token_id) if each is not None), pad)
    return TokenSpec(
        tokenizer=str(tokenizer.name_or_path) or type(tokenizer).__name__,
        vocabulary=len(tokenizer),
        pad_id=int(pad),
        unknown_id=int(unknown),
        max_length=tokens.max_length,
        special_ids=tuple(np.unique(tokens.input_ids[tokens.special]).tolist()),
    )
