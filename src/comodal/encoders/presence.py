"""Which modalities are present, and modality dropout.

Axis legend: B samples, M modalities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comodal.contracts import InputError, MultimodalBatch

__all__ = ["ModalityDropout", "mask_absent", "presence", "require_modalities"]


class ModalityDropout(nn.Module):
    """Hide whole modalities from the fusion network at random during training.

    The encoders still run on every present modality, so a dependency penalty sees complete tuples; only the input of
    the fusion network is masked. A sample always keeps at least one of its present modalities: where all of them would
    be hidden, one drawn at random stays.

    Args:
        rate: probability of hiding each modality of each sample, in [0, 1).

    Raises:
        InputError: the rate is outside [0, 1).

    Example:
        >>> _ = torch.manual_seed(0)
        >>> kept = ModalityDropout(0.9)(torch.ones(1000, 3, dtype=torch.bool))
        >>> bool(kept.any(dim=1).all())
        True
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise InputError(f"modality_dropout is {rate}: give a probability in [0, 1)", code="out_of_range")
        self.rate = rate

    def forward(self, present: Tensor) -> Tensor:
        """Map ``(B, M)`` bool presence to ``(B, M)`` bool presence; the identity in evaluation."""
        if not self.training or self.rate == 0.0 or present.shape[1] == 1:
            return present
        draw = torch.rand(present.shape, device=present.device)
        luckiest = draw.masked_fill(~present, -1.0).argmax(dim=1, keepdim=True)
        spared = (draw >= self.rate).scatter(1, luckiest, True)
        return spared & present


def presence(batch: MultimodalBatch, names: Iterable[str]) -> Tensor:
    """Return which modalities each sample has, ``(B, M)`` bool, in the order of ``names``.

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> there, absent = (ModalitySequence(torch.zeros(1, 1, 2), torch.tensor([[known]])) for known in (True, False))
        >>> presence(MultimodalBatch(("a",), {"audio": absent, "text": there}, torch.zeros(1)), ["text", "audio"])
        tensor([[ True, False]])
    """
    return torch.stack([batch.modalities[name].present for name in names], dim=1)


def mask_absent(representations: Mapping[str, Tensor], present: Tensor) -> list[Tensor]:
    """Return the representations ``(B, D_m)``, zero where ``present`` ``(B, M)`` is false.

    Example:
        >>> mask_absent({"text": torch.ones(2, 2)}, torch.tensor([[True], [False]]))
        [tensor([[1., 1.],
                [0., 0.]])]
    """
    return [torch.where(present[:, m : m + 1], value, 0.0) for m, value in enumerate(representations.values())]


def require_modalities(batch: MultimodalBatch, names: Iterable[str]) -> None:
    """Check that a batch has all modalities of a model.

    Args:
        batch: samples; a modality that is absent from all of them has a mask that is all false.
        names: modalities of the data set that the model was built for.

    Raises:
        InputError: one of them is not in the batch.

    Example:
        >>> require_modalities(MultimodalBatch(("a",), {}, torch.zeros(1)), ["text"])
        Traceback (most recent call last):
        comodal.contracts.InputError: batch has no modality 'text': give it with a mask that is all false to leave ...
    """
    for name in names:
        if name not in batch.modalities:
            raise InputError(
                f"batch has no modality {name!r}: give it with a mask that is all false to leave it out", code="missing"
            )
