"""Cut transcripts into the word pieces of a language model.

Axis legend: N samples, P pieces of all samples, special tokens included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, TokenSpec
from comodal.data.dataset import Dataset, describe
from comodal.data.ragged import RaggedArray, run_offsets

__all__ = [
    "FastTokenizer",
    "TokenizedText",
    "align_to_pieces",
    "all_capitals",
    "lowered",
    "tokenize_words",
    "with_tokens",
]

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

    is_fast: bool
    pad_token_id: Any
    mask_token_id: Any
    unk_token_id: Any
    name_or_path: str

    def __len__(self) -> int: ...

    def __call__(self, text: Any, **options: Any) -> Any:
        """Return the pieces of sentences or of lists of words, as ``BatchEncoding``."""


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """Pieces of all samples, special tokens where the tokenizer puts them.

    Attributes:
        id: ``(N,)`` sample ids, for messages.
        pieces: N samples with the id and the type id of each piece, int32.
        word: ``(P,)`` int64 position of a piece's word in the transcript, -1 for special tokens.
        n_words: ``(N,)`` int64 words per transcript, those cut off included.
        n_cut: ``(N,)`` int64 pieces cut off.
    """

    id: NDArray[Any]
    pieces: RaggedArray
    word: NDArray[np.int64]
    n_words: NDArray[np.int64]
    n_cut: NDArray[np.int64]


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
        reason = f"{len(names)} ids for {len(transcripts)} transcripts; give one id per transcript"
        raise InputError(reason, code="mismatch")
    if not tokenizer.is_fast:
        raise InputError(
            f"tokenizer {type(tokenizer).__name__} is slow and does not know the word of each piece; "
            "give a fast one: AutoTokenizer.from_pretrained(..., use_fast=True)",
            code="unsupported",
        )
    words = [_words(text, name) for text, name in zip(transcripts, names.tolist(), strict=True)]
    whole = _encoded(tokenizer, words)
    found = [each[:, _fitting(each[2] < 0, max_length)] for each in whole]
    pieces = np.concatenate([np.empty((3, 0), dtype=np.int64), *found], axis=1)
    lengths = np.array([each.shape[1] for each in found], dtype=np.int64)
    return TokenizedText(
        id=names,
        pieces=RaggedArray(np.ascontiguousarray(pieces[:2].T, dtype=np.int32), run_offsets(lengths)),
        word=pieces[2],
        n_words=np.array([len(each) for each in words], dtype=np.int64),
        n_cut=np.array([each.shape[1] for each in whole], dtype=np.int64) - lengths,
    )


def with_tokens(dataset: Dataset, tokenizer: FastTokenizer, *, max_length: int = 50) -> Dataset:
    """Return a data set whose text is the word pieces of a language model and whose other frames are aligned to them.

    The text modality comes first and holds ``(P_i, 2)`` integers per sample, the id and the type id of each piece;
    every other modality gets one frame per piece (:func:`align_to_pieces`). Transcripts that are all in capitals are
    lower-cased, since a cased tokenizer would cut them into letters.

    The note of the spec counts the samples cut to ``max_length`` pieces, special tokens included.

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
    others = {name: align_to_pieces(each, tokens) for name, each in dataset.modalities.items() if name != "text"}
    modalities = {"text": tokens.pieces, **others}
    spec = describe(
        dataset.spec.name,
        modalities,
        task=dataset.spec.task,
        note="; ".join(filter(None, (dataset.spec.note, _truncation(tokens, max_length)))),
        tokens=_token_spec(tokenizer, tokens, max_length),
    )
    return replace(dataset, spec=spec, modalities=modalities)


def align_to_pieces(array: RaggedArray, tokens: TokenizedText) -> RaggedArray:
    """Return one modality with one frame per piece.

    A word's frame is repeated for each of its pieces. The single frame of a sample with several words belongs to the
    whole sample, and every piece of a word gets it. Special tokens get zero frames in both cases, so one word with one
    frame means the same under either reading. An absent modality (no frame) stays absent, with a false mask in a
    batch: zero frames would claim that it was observed and zero.

    Each of the N samples of ``array`` has as many frames as its transcript has words, one frame, or none; frames of
    words that were cut off are left out.

    Raises:
        InputError: another number of samples, or of frames; the first such sample is named.

    Example:
        >>> pieces = RaggedArray(np.array([[2, 0], [7, 0], [8, 0], [9, 0], [3, 0]]), np.array([0, 5]))
        >>> word = np.array([-1, 0, 1, 1, -1])
        >>> tokens = TokenizedText(np.array(["v_1"]), pieces, word, n_words=np.array([2]), n_cut=np.array([0]))
        >>> align_to_pieces(RaggedArray.from_rows([[[5.0], [6.0]]]), tokens).values.ravel().tolist()
        [0.0, 5.0, 6.0, 6.0, 0.0]
        >>> align_to_pieces(RaggedArray.from_vectors([[4.0]]), tokens).values.ravel().tolist()
        [0.0, 4.0, 4.0, 4.0, 0.0]
    """
    lengths = array.lengths
    if len(array) != len(tokens.id):
        reason = f"{len(array)} samples of frames for {len(tokens.id)} transcripts; give the same samples"
        raise InputError(reason, code="mismatch")
    wrong = np.flatnonzero((lengths > 1) & (lengths != tokens.n_words))
    if len(wrong):
        i = int(wrong[0])
        found = f"{lengths[i]} frames for {tokens.n_words[i]} words ({len(wrong)} such samples)"
        remedy = "give word-aligned features, or one vector per sample"
        raise InputError(f"{str(tokens.id[i])!r}: {found}; {remedy}", code="mismatch")
    owner = np.repeat(np.arange(len(array)), tokens.pieces.lengths)
    present = (lengths > 0)[owner]
    owner, word = owner[present], tokens.word[present]
    position = np.where((lengths == 1)[owner], 0, word)
    values = np.zeros((len(owner), array.dim), dtype=np.float32)
    spoken = word >= 0
    values[spoken] = array.values[(array.offsets[:-1][owner] + position)[spoken]]
    return RaggedArray(values, run_offsets(np.where(lengths > 0, tokens.pieces.lengths, 0)))


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


def _truncation(tokens: TokenizedText, max_length: int) -> str:
    """How many samples were cut and the first of them; empty when none was."""
    cut = tokens.id[tokens.n_cut > 0].tolist()
    first = ", ".join(repr(str(each)) for each in cut[:3])
    report = f"{len(cut)} of {len(tokens.id)} samples were cut to {max_length} pieces (first: {first})"
    return report if cut else ""


def _spaced(words: Sequence[str]) -> list[str]:
    return [f" {word}" if k else word for k, word in enumerate(words)]


def _wants_spaces(tokenizer: FastTokenizer) -> bool:
    """Return whether words need the space before them to give the sentence's pieces (byte-level tokenizers)."""

    def pieces(text: Any, *, split: bool) -> list[int]:
        found: list[int] = tokenizer([text], is_split_into_words=split, **_OPTIONS)["input_ids"][0]
        return found

    sentence = pieces(" ".join(_PROBE), split=False)
    return pieces(list(_PROBE), split=True) != sentence and pieces(_spaced(_PROBE), split=True) == sentence


def _encoded(tokenizer: FastTokenizer, words: Sequence[list[str]]) -> list[NDArray[np.int64]]:
    """Return ids, type ids and words of the pieces of each sample, ``(3, P_i)``."""
    spaced = _wants_spaces(tokenizer)
    found = []
    for start in range(0, len(words), _AT_ONCE):
        some = [_spaced(each) if spaced else each for each in words[start : start + _AT_ONCE]]
        encoded = tokenizer(some, is_split_into_words=True, **_OPTIONS)
        for i, ids in enumerate(encoded["input_ids"]):
            types = encoded["token_type_ids"][i] if "token_type_ids" in encoded else [0] * len(ids)
            word = [-1 if each is None else each for each in encoded.word_ids(i)]
            found.append(np.array([ids, types, word], dtype=np.int64))
    return found


def _fitting(special: NDArray[np.bool_], max_length: int) -> NDArray[np.bool_]:
    """Return ``(P_i,)`` which pieces stay: all special ones, and the first of the others that there is room for."""
    most = int(special.sum())
    if max_length <= most:
        remedy = f"{most} special tokens leave no room; give at least {most + 1}"
        raise InputError(f"max_length={max_length}: {remedy}", code="out_of_range")
    return np.asarray(special | (np.cumsum(~special) <= max_length - most))


def _token_spec(tokenizer: FastTokenizer, tokens: TokenizedText, max_length: int) -> TokenSpec:
    pad = tokenizer.pad_token_id or 0
    unknown = next((each for each in (tokenizer.mask_token_id, tokenizer.unk_token_id) if each is not None), pad)
    return TokenSpec(
        tokenizer=str(tokenizer.name_or_path) or type(tokenizer).__name__,
        vocabulary=len(tokenizer),
        pad_id=int(pad),
        unknown_id=int(unknown),
        max_length=max_length,
        special_ids=tuple(np.unique(tokens.pieces.values[tokens.word < 0, 0]).tolist()),
    )
