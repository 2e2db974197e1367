"""Word pieces of all samples, and word-level frames aligned to them.

Axis legend: N samples, P pieces of all samples (special tokens included), T_i frames of sample i, d features per frame.

Nothing here is padded. For a model whose `InputSpec` asks for ``tokens``: tokenise once, before training; for the rows
of a batch take ``tokens.take(rows)`` and ``align_to_pieces(array.take(rows), tokens.take(rows))``; then pad pieces,
type ids and frames to the longest on ``tokens.padding_side`` with ``pad_id``, ``pad_type_id`` and zeros. The attention
mask is true on all pieces, special ones included; a modality's mask is the same, or all false where it is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.ragged import RaggedArray, frame_index, run_offsets

__all__ = ["TokenizedText", "align_to_pieces"]


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """Pieces of all samples one after another, special tokens where the tokenizer puts them.

    Attributes:
        id: ``(N,)`` sample ids, for messages.
        input_ids: ``(P,)`` int64.
        type_ids: ``(P,)`` int64 token type (segment) ids.
        word: ``(P,)`` int64 position of a piece's word in the transcript, -1 for special tokens.
        offsets: ``(N + 1,)`` int64; sample i owns the pieces ``offsets[i]`` to ``offsets[i + 1]``.
        n_words: ``(N,)`` int64 words per transcript, those cut off included.
        n_cut: ``(N,)`` int64 pieces cut off.
        max_length: most pieces per sample, special tokens included.
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
        """``(N,)`` pieces per sample."""
        return np.diff(self.offsets)

    @property
    def special(self) -> NDArray[np.bool_]:
        """``(P,)`` which pieces are special tokens."""
        return np.asarray(self.word < 0)

    @property
    def truncation(self) -> str:
        """How many samples were cut and the first of them; empty when none was."""
        cut = self.id[self.n_cut > 0].tolist()
        if not cut:
            return ""
        first = ", ".join(repr(str(each)) for each in cut[:3])
        return f"{len(cut)} of {len(self)} utterances were cut to {self.max_length} pieces (first: {first})"

    def take(self, index: NDArray[np.int64]) -> TokenizedText:
        """Return the samples of ``index``, in its order."""
        lengths = self.lengths[index]
        pieces = frame_index(self.offsets[:-1][index], lengths)
        return TokenizedText(
            id=self.id[index],
            input_ids=self.input_ids[pieces],
            type_ids=self.type_ids[pieces],
            word=self.word[pieces],
            offsets=run_offsets(lengths),
            n_words=self.n_words[index],
            n_cut=self.n_cut[index],
            max_length=self.max_length,
            pad_id=self.pad_id,
            pad_type_id=self.pad_type_id,
            padding_side=self.padding_side,
        )


def align_to_pieces(array: RaggedArray, tokens: TokenizedText) -> RaggedArray:
    """Return one modality with one frame per piece.

    A word's frame is repeated for each of its pieces. The single frame of a sample with several words belongs to the
    whole sample, and every piece of a word gets it. Special tokens get zero frames in both cases, so one word with one
    frame means the same under either reading. An absent modality (no frame) stays absent, with a false mask in a
    batch: zero frames would claim that it was observed and zero.

    Args:
        array: N samples with as many frames as the transcript has words, with one frame, or with none.
        tokens: the pieces of the same N samples; frames of words that were cut off are left out.

    Returns:
        N samples, each with as many frames as pieces, or none.

    Raises:
        InputError: another number of samples, or of frames; the first such sample is named.

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
    return RaggedArray(values, run_offsets(np.where(array.lengths > 0, tokens.lengths, 0)))


def _require_frames(lengths: NDArray[np.int64], tokens: TokenizedText) -> None:
    if len(lengths) != len(tokens):
        raise InputError(
            f"{len(lengths)} samples of frames for {len(tokens)} transcripts; give the same samples", code="mismatch"
        )
    wrong = np.flatnonzero((lengths > 1) & (lengths != tokens.n_words))
    if len(wrong):
        i = int(wrong[0])
        raise InputError(
            f"{str(tokens.id[i])!r}: {lengths[i]} frames for {tokens.n_words[i]} words ({len(wrong)} such samples); "
            "give word-aligned features, or one vector per sample",
            code="mismatch",
        )
