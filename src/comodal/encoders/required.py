"""Whether a batch has the modalities that a model was built for."""

from __future__ import annotations

from collections.abc import Iterable

from comodal.contracts import InputError, MultimodalBatch

__all__ = ["require_modalities"]


def require_modalities(batch: MultimodalBatch, names: Iterable[str]) -> None:
    """Refuse a batch that lacks a modality altogether.

    Args:
        batch: aligned utterances.
        names: modalities of the data set that the model was built for.

    Raises:
        InputError: one of them is not in the batch; an absent one is a mask that is all false.

    Example:
        >>> import torch
        >>> require_modalities(MultimodalBatch(("a",), {}, torch.zeros(1)), ["text"])
        Traceback (most recent call last):
        comodal.contracts.InputError: batch has no modality 'text': give it with a mask that is all false to leave ...
    """
    for name in names:
        if name not in batch.modalities:
            raise InputError(f"batch has no modality {name!r}: give it with a mask that is all false to leave it out")
