"""Words that are not known.

Axis legend: B utterances, T word pieces or frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.data.corruptions.chance import chosen
from comodal.data.corruptions.modality import sequence_of, with_sequence

__all__ = ["TEXT", "replace_words"]

TEXT = "text"


def replace_words(
    batch: MultimodalBatch, *, probability: float, generator: torch.Generator, tokens: TokenSpec | None = None
) -> MultimodalBatch:
    """Replace words of the text by an unknown one; where they stood is still known.

    A word piece becomes the tokenizer's piece for what is not known; special tokens stay. A frame of features becomes
    the mean of the training part, which is 0 after standardisation. Where an utterance has one vector, that is the
    whole text.

    Args:
        batch: B utterances with a ``text`` modality, of word pieces or of standardised features.
        probability: chance of each piece or frame to be replaced, in [0, 1].
        generator: where chance comes from.
        tokens: how to read word pieces, from the spec of the data set; not needed for features.

    Raises:
        InputError: no text, a probability outside [0, 1], or word pieces without ``tokens``.

    Example:
        >>> tokens = TokenSpec("toy", 9, pad_id=0, unknown_id=1, max_length=4, special_ids=(2, 3))
        >>> pieces = torch.tensor([[[2, 0], [7, 0], [8, 0], [3, 0]]])
        >>> text = ModalitySequence(pieces, torch.ones(1, 4, dtype=torch.bool))
        >>> said = MultimodalBatch(("u",), {"text": text}, torch.zeros(1))
        >>> muffled = replace_words(said, probability=1.0, generator=torch.Generator(), tokens=tokens)
        >>> muffled.modalities["text"].values[0, :, 0].tolist()
        [2, 1, 1, 3]
    """
    text = sequence_of(batch, TEXT)
    lost = chosen(*text.mask.shape, probability=probability, like=text.mask, generator=generator) & text.mask
    if text.values.is_floating_point():
        values = text.values.masked_fill(lost.unsqueeze(-1), 0)
    elif tokens is not None:
        values = _unknown_pieces(text.values, lost, tokens)
    else:
        raise InputError("text is word pieces, and which is the unknown one is not said; give tokens=spec.tokens")
    return with_sequence(batch, TEXT, ModalitySequence(values, text.mask))


def _unknown_pieces(pieces: Tensor, lost: Tensor, tokens: TokenSpec) -> Tensor:
    ids, types = pieces.unbind(-1)
    special = torch.isin(ids, torch.tensor(tokens.special_ids, dtype=ids.dtype, device=ids.device))
    return torch.stack([ids.masked_fill(lost & ~special, tokens.unknown_id), types], dim=-1)
