"""Encoders of one modality: a feed-forward network on the mean of its frames, or a recurrent network."""

from __future__ import annotations

from torch import Tensor, nn

from comodal.contracts import ModalitySequence
from comodal.encoders.pooling import last_frame, masked_mean, zero_padding

__all__ = ["LSTMEncoder", "MeanEncoder"]


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


class LSTMEncoder(nn.Module):
    """The state of an LSTM after the last real frame, projected and layer-normalised.

    Sequences are not packed: padding follows the last real frame and does not change its state.

    Args:
        dim: features of a frame, d.
        hidden: width of the LSTM's state.
        out: width of the representation, D.
        input_dropout: probability of dropping an input feature.
        dropout: probability of dropping a unit of the state.

    Source: Hochreiter and Schmidhuber, *Long Short-Term Memory*, Neural Computation 1997; the unimodal subnetworks of
    Zadeh et al., *Tensor Fusion Network*, EMNLP 2017, section 3.1, and Liu et al., ACL 2018.

    Example:
        >>> import torch
        >>> encoder = LSTMEncoder(5, hidden=8, out=4, input_dropout=0.0, dropout=0.1)
        >>> encoder(ModalitySequence(torch.zeros(2, 3, 5), torch.ones(2, 3, dtype=torch.bool))).shape
        torch.Size([2, 4])
    """

    def __init__(self, dim: int, *, hidden: int, out: int, input_dropout: float, dropout: float) -> None:
        super().__init__()
        self.input_dropout = nn.Dropout(input_dropout)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, out), nn.LayerNorm(out))

    def forward(self, sequence: ModalitySequence) -> Tensor:
        """Encode ``(B, T, d)`` frames into ``(B, D)``."""
        states, _ = self.lstm(self.input_dropout(zero_padding(sequence)))
        representation: Tensor = self.layers(last_frame(ModalitySequence(states, sequence.mask)))
        return representation
