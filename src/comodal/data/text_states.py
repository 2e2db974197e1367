"""Encode transcripts with a pretrained encoder: one frame of hidden states per word.

Axis legend: N samples, B of them at once, P pieces, W words of all N, H width of a hidden state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence
from comodal.data.collate import pad
from comodal.data.formats.interface import Block, Source
from comodal.data.ragged import RaggedArray, frame_index, run_offsets
from comodal.data.tokenize import FastTokenizer, all_capitals, lowered, tokenize_words

__all__ = ["WORD_STATES", "ReadingEncoder", "with_word_states", "word_states"]

WORD_STATES = "text_words"
"""Name of the features."""

_AT_ONCE = 64
_ENDLESS = 512
"""Most pieces for an encoder without a limit of its own."""


class ReadingEncoder(Protocol):
    """The part of a :class:`comodal.encoders.language_model.TextEncoder` that is used here."""

    name: str
    tokenizer: FastTokenizer
    width: int
    longest: int | None

    def states(self, pieces: ModalitySequence) -> Tensor:
        """Map ``(B, P, 2)`` ids and type ids, padded with zeros, to ``(B, P, H)`` hidden states."""


def with_word_states(source: Source, encoder: ReadingEncoder) -> Source:
    """Return the source with one more feature set, ``text_words``: one frame per word of the transcript.

    When all transcripts of the source are in capitals, they are lower-cased first. The features become a modality only
    when chosen; transcripts are encoded then.

    Raises:
        InputError: the source already has such features; on reading, it has no transcripts.
    """
    if WORD_STATES in source.dims:
        remedy = "take the source that it was made from"
        raise InputError(f"{source.path}: already has features {WORD_STATES!r}; {remedy}", code="duplicate")
    made = f"mean of the last hidden states of a word's pieces, {encoder.name}"

    def blocks(features: Collection[str]) -> Iterator[Block]:
        if WORD_STATES not in features:
            yield from source.blocks(features)
            return
        capitals = all(all_capitals(_transcripts(block, source)) for block in source.blocks([]))
        for block in source.blocks([each for each in features if each != WORD_STATES]):
            texts = _transcripts(block, source)
            states, cut = word_states(lowered(texts) if capitals else texts, encoder, ids=block.id)
            counted = {f"transcripts longer than {encoder.name} takes, whose last words are zero frames": cut}
            yield replace(
                block,
                modalities={name: states if name == WORD_STATES else block.modalities[name] for name in features},
                normalised={**block.normalised, **(counted if cut else {})},
            )

    return replace(
        source,
        dims={**source.dims, WORD_STATES: encoder.width},
        defaults=source.defaults or tuple(source.dims),
        blocks=blocks,
        facts={**source.facts, WORD_STATES: made},
    )


def _transcripts(block: Block, source: Source) -> list[Any]:
    if block.transcript is None:
        raise InputError(f"{source.path}: has no transcripts to encode; give a source with transcripts", code="missing")
    return list(block.transcript.tolist())


def word_states(
    transcripts: list[Any], encoder: ReadingEncoder, *, ids: NDArray[Any] | None = None
) -> tuple[RaggedArray, int]:
    """Return one frame per word, the mean of the hidden states of its pieces.

    A word has a zero frame when it has no pieces, or when the transcript is cut before it because it is longer than the
    encoder's limit. An empty transcript has no frame: that text is absent. The ``(N,)`` ids are for messages.

    Returns:
        N samples with as many frames as words; and the number of transcripts that were cut.

    Raises:
        InputError: a transcript that is not text.
    """
    tokens = tokenize_words(transcripts, encoder.tokenizer, ids=ids, max_length=encoder.longest or _ENDLESS)
    offsets = run_offsets(tokens.n_words)
    total = np.zeros((offsets[-1], encoder.width), dtype=np.float32)
    counts = np.zeros(offsets[-1], dtype=np.int64)
    starts, lengths = tokens.pieces.offsets[:-1], tokens.pieces.lengths
    order = np.argsort(lengths, kind="stable")
    for first in range(0, len(order), _AT_ONCE):
        rows = order[first : first + _AT_ONCE]
        padded = pad(tokens.pieces, rows)
        states = encoder.states(padded)[padded.mask].numpy()
        word = tokens.word[frame_index(starts[rows], lengths[rows])]
        position = (np.repeat(offsets[rows], lengths[rows]) + word)[word >= 0]
        np.add.at(total, position, states[word >= 0])
        np.add.at(counts, position, 1)
    total /= np.maximum(counts, 1)[:, None]
    return RaggedArray(total, offsets), int((tokens.n_cut > 0).sum())
