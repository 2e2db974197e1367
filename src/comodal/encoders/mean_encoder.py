"""A feed-forward encoder of one modality."""

from __future__ import annotations

from torch import Tensor, nn

from comodal.contracts import ModalitySequence
from comodal.encoders.pooling import masked_mean

__all__ = ["MeanEncoder"]


class MeanEncoder(nn.Module):
    """Masked mean over time, then two layers and a layer norm.

    The layer norm keeps a model from satisfying a dependency penalty by the scale of its representations.

    Args:
        dim: features of a frame, d.
        hidden: width of the hidden layer.
        out: width of the representation, D.
        input_dropout: probability of dropping an input feature.
        dropout: probability of dropping a hidden unit.

    Example:
        >>> import torch
        >>> encoder = MeanEncoder(5, hidden=8, out=4, input_dropout=0.0, dropout=0.1)
        >>> encoder(ModalitySequence(torch.zeros(2, 3, 5), torch.ones(2, 3, dtype=torch.bool))).shape
        torch.Size([2, 4])
    """

    def __init__(self, dim: int, *, hidden: int, out: int, input_dropout: float, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(input_dropout),
            nn.Linear(dim, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, out),
            nn.LayerNorm(out),
        )

    def forward(self, sequence: ModalitySequence) -> Tensor:
        """Encode ``(B, T, d)`` frames into ``(B, D)``."""
        representation: Tensor = self.layers(masked_mean(sequence))
        return representation
