"""Batches of samples, the input of every fusion model.

Axis legend: B samples of a batch, T time steps, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # `comodal --help` imports this room, and must not wait for torch
    from torch import Tensor

__all__ = [
    "ModalitySequence",
    "MultimodalBatch",
]


class ModalitySequence(NamedTuple):
    """One modality of a batch.

    One feature vector per sample is a sequence of length 1; an absent modality is a row whose mask is all false.

    Attributes:
        values: ``(B, T, d)`` float frames, zero where the mask is false; for a text of word pieces ``(B, T, 2)``
            integers: id and type id of each piece.
        mask: ``(B, T)`` bool, true on real frames.
    """

    values: Tensor
    mask: Tensor

    @property
    def present(self) -> Tensor:
        """Return ``(B,)`` bool, true for samples that have this modality.

        >>> import torch
        >>> ModalitySequence(torch.zeros(2, 1, 3), torch.tensor([[True], [False]])).present
        tensor([ True, False])
        """
        return self.mask.any(dim=1)

    def to(self, *args: Any, **kwargs: Any) -> ModalitySequence:
        """Move both tensors; a dtype applies to float values only, not to the mask or ids of word pieces."""
        values = self.values.to(*args, **kwargs)
        if not self.values.is_floating_point():
            values = self.values.to(values.device)
        return ModalitySequence(values, self.mask.to(values.device))


@dataclass(frozen=True)
class MultimodalBatch:
    """A batch of samples with all their modalities.

    Attributes:
        id: sample ids, the same from the data file to the report.
        modalities: name to sequence, in the order of the data set's spec.
        target: ``(B,)`` float.
    """

    id: tuple[str, ...]
    modalities: Mapping[str, ModalitySequence]
    target: Tensor

    def __len__(self) -> int:
        return len(self.id)

    def to(self, *args: Any, **kwargs: Any) -> MultimodalBatch:
        """Move every tensor to a device."""
        moved = {name: sequence.to(*args, **kwargs) for name, sequence in self.modalities.items()}
        return MultimodalBatch(self.id, moved, self.target.to(*args, **kwargs))

    def pin_memory(self) -> MultimodalBatch:
        """Return a copy in page-locked memory, for PyTorch's data loader."""
        pinned = {n: ModalitySequence(s.values.pin_memory(), s.mask.pin_memory()) for n, s in self.modalities.items()}
        return MultimodalBatch(self.id, pinned, self.target.pin_memory())
