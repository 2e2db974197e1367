"""Transcripts as frames a word: the hidden states of a pretrained encoder.

Axis legend: N utterances, B of them at once, P pieces, W words of all N, H width of a hidden state.

Nothing here loads a language model: the encoder is an object that the caller has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence
from comodal.data.casing import all_capitals, lowered
from comodal.data.collate import pad
from comodal.data.formats.interface import Block, Source
from comodal.data.ragged import RaggedArray, run_offsets
from comodal.data.tokenize import FastTokenizer, tokenize_words
from comodal.data.tokenized_text import TokenizedText

__all__ = ["WORD_STATES", "ReadingEncoder", "with_word_states", "word_states"]

WORD_STATES = "text_words"
"""Name of the features."""

_AT_ONCE = 64
_ENDLESS = 512
"""Most pieces of an encoder that has no end of its own."""


class ReadingEncoder(Protocol):
    """What is used of a pretrained encoder; :class:`comodal.encoders.text_encoder.TextEncoder` is one."""

    @property
    def name(self) -> str:
        """Which one it is."""

    @property
    def tokenizer(self) -> FastTokenizer:
        """Makes the pieces that it reads."""

    @property
    def width(self) -> int:
        """Of a hidden state, H."""

    @property
    def longest(self) -> int | None:
        """Most pieces that it takes, ``None`` for no end."""

    def states(self, pieces: ModalitySequence) -> Tensor:
        """From ``(B, P, 2)`` ids and type ids, padded with zeros, to ``(B, P, H)``."""


def with_word_states(source: Source, encoder: ReadingEncoder) -> Source:
    """The same source with one more feature, ``text_words``: a frame for every word of the transcript.

    Transcripts that are all in capitals, in the whole source, are lower-cased first. The features are there to be
    chosen and are no modality unless they are.

    Args:
        source: one with transcripts.
        encoder: reads them.

    Returns:
        A source that reads its transcripts when these features are asked for.

    Raises:
        InputError: the source has such features already; on reading, it has no transcripts.
    """
    if WORD_STATES in source.dims:
        raise InputError(f"{source.path}: has features {WORD_STATES!r} already; take the source that it was made from")
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
        raise InputError(f"{source.path}: has no transcripts, which an encoder reads; give a source with transcripts")
    return list(block.transcript.tolist())


def word_states(
    transcripts: list[Any], encoder: ReadingEncoder, *, ids: NDArray[Any] | None = None
) -> tuple[RaggedArray, int]:
    """A frame a word: the mean of the hidden states of its pieces.

    A word has a zero frame where the tokenizer makes nothing of it, or where the transcript is longer than the encoder
    takes and the word is behind the end. An empty transcript has no frame: that text is absent.

    Args:
        transcripts: N texts; words are parted by white space.
        encoder: reads them, some at a time, those of like length together.
        ids: ``(N,)`` utterance ids for messages.

    Returns:
        N utterances of as many frames as words; and how many transcripts were cut.

    Raises:
        InputError: a transcript that is no text.
    """
    tokens = tokenize_words(transcripts, encoder.tokenizer, ids=ids, max_length=encoder.longest or _ENDLESS)
    offsets = run_offsets(tokens.n_words)
    total = np.zeros((offsets[-1], encoder.width), dtype=np.float32)
    pieces = np.zeros(offsets[-1], dtype=np.int64)
    order = np.argsort(tokens.lengths, kind="stable")
    for start in range(0, len(order), _AT_ONCE):
        rows = order[start : start + _AT_ONCE]
        some = tokens.take(rows)
        owner = np.repeat(rows, some.lengths)[~some.special]
        word = offsets[:-1][owner] + some.word[~some.special]
        np.add.at(total, word, _states(some, encoder)[~some.special])
        np.add.at(pieces, word, 1)
    total /= np.maximum(pieces, 1)[:, None]
    return RaggedArray(total, offsets), int((tokens.n_cut > 0).sum())


def _states(tokens: TokenizedText, encoder: ReadingEncoder) -> NDArray[np.float32]:
    """``(P, H)`` the hidden states of all pieces."""
    pieces = RaggedArray(np.stack([tokens.input_ids, tokens.type_ids], axis=1), tokens.offsets)
    padded = pad(pieces, np.arange(len(tokens)))
    found: NDArray[np.float32] = encoder.states(padded)[padded.mask].numpy()
    return found
