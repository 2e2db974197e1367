"""Which modalities a fusion network may use: those that are there, less those dropped in training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comodal.contracts import InputError, MultimodalBatch

__all__ = ["ModalityDropout", "mask_absent", "presence"]


class ModalityDropout(nn.Module):
    """Hide whole modalities from the fusion network at random while training.

    The encoders still run on every modality that is there, so a dependency penalty sees complete tuples; only what is
    fused is masked. An utterance always keeps one of its present modalities (the last one that chance spared, or, when
    none was, one drawn at random).

    Args:
        rate: probability of hiding each modality of each utterance, in [0, 1).

    Raises:
        InputError: the rate is outside [0, 1).

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> kept = ModalityDropout(0.9)(torch.ones(1000, 3, dtype=torch.bool))
        >>> bool(kept.any(dim=1).all())
        True
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise InputError(f"modality_dropout is {rate}: give a probability in [0, 1)")
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
    """``(B, M)`` bool: which modalities of each utterance are there at all, in the order of ``names``.

    Example:
        >>> import torch
        >>> from comodal.contracts import ModalitySequence
        >>> there, absent = (ModalitySequence(torch.zeros(1, 1, 2), torch.tensor([[known]])) for known in (True, False))
        >>> presence(MultimodalBatch(("a",), {"audio": absent, "text": there}, torch.zeros(1)), ["text", "audio"])
        tensor([[ True, False]])
    """
    return torch.stack([batch.modalities[name].present for name in names], dim=1)


def mask_absent(representations: Mapping[str, Tensor], present: Tensor) -> list[Tensor]:
    """Zero the representations ``(B, D_m)`` of modalities that ``present`` ``(B, M)`` says are not there.

    Example:
        >>> import torch
        >>> mask_absent({"text": torch.ones(2, 2)}, torch.tensor([[True], [False]]))
        [tensor([[1., 1.],
                [0., 0.]])]
    """
    return [torch.where(present[:, m : m + 1], value, 0.0) for m, value in enumerate(representations.values())]
