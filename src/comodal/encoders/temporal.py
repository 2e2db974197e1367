"""Inputs of transformers: temporal convolutions and sinusoidal positions.

Axis legend: B samples, T frames, d features of a frame, D width of a convolved frame, k taps of a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch
from comodal.encoders.encoding_cache import ModalityEncoders
from comodal.encoders.pooling import zero_padding
from comodal.encoders.widths import sizes_per_modality

__all__ = ["TemporalConvolution", "TemporalEncoders", "sinusoidal_positions"]


def sinusoidal_positions(length: int, width: int) -> Tensor:
    r"""Return sinusoidal encodings ``(T, D)`` of the positions of frames.

    .. math:: P_{t,2j} = \sin(t / 10000^{2j/D}), \qquad P_{t,2j+1} = \cos(t / 10000^{2j/D})

    Source: Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, section 3.5.
    """
    even = torch.arange(0, width, 2, dtype=torch.float64)
    angle = torch.arange(length, dtype=torch.float64).unsqueeze(1) * 10000.0 ** (-even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width].float()


class TemporalConvolution(nn.Module):
    r"""A convolution over time, for one modality.

    .. math:: \hat x_t = \sum_{i=1}^{k} W_i\, x_{t + i - (k+1)/2}

    Frames before the first and after the last real one count as zero, so that the number of frames does not change and
    padding has no effect. There is no bias: zeros stay zeros.

    Args:
        dim: features of a frame, d.
        width: features of a convolved frame, D.
        kernel_size: taps, k, an odd number.
        dropout: probability of dropping an input feature.

    Example:
        >>> encoder = TemporalConvolution(5, 8, kernel_size=3)
        >>> encoder(ModalitySequence(torch.zeros(2, 7, 5), torch.ones(2, 7, dtype=torch.bool))).values.shape
        torch.Size([2, 7, 8])
    """

    def __init__(self, dim: int, width: int, *, kernel_size: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.kernel_size = kernel_size
        # Windows and one matrix product take a third of the time of a convolution on a CPU.
        self.taps = nn.Linear(dim * kernel_size, width, bias=False)

    def forward(self, sequence: ModalitySequence) -> ModalitySequence:
        """Convolve ``(B, T, d)`` frames into ``(B, T, D)``; padding of the result is undefined."""
        frames = self.dropout(zero_padding(sequence))
        reach = self.kernel_size // 2
        windows = functional.pad(frames, (0, 0, reach, reach)).unfold(1, self.kernel_size, 1) if reach else frames
        return ModalitySequence(self.taps(windows.flatten(2)), sequence.mask)


class TemporalEncoders(nn.Module):
    """One :class:`TemporalConvolution` per modality.

    Args:
        dims: features of a frame of each modality, in order.
        width: features of a convolved frame.
        kernel_size: taps of a kernel, an odd number: one for all modalities, or one for each.
        dropout: probability of dropping an input feature.

    Raises:
        InputError: a modality has no kernel size, or one that is not positive or not odd.

    Example:
        >>> encoders = TemporalEncoders({"text": 4, "audio": 2}, 8, kernel_size={"text": 1, "audio": 3}, dropout=0.1)
        >>> list(encoders.encoders)
        ['text', 'audio']
    """

    def __init__(
        self, dims: Mapping[str, int], width: int, *, kernel_size: int | Mapping[str, int], dropout: float
    ) -> None:
        super().__init__()
        taps = sizes_per_modality(kernel_size, dims, option="kernel_size")
        for name, size in taps.items():
            if size % 2 == 0:  # frames would not keep their places
                raise InputError(f"kernel_size of modality {name!r} is {size}: give an odd number", code="out_of_range")
        self.encoders = ModalityEncoders(
            {
                name: TemporalConvolution(dim, width, kernel_size=taps[name], dropout=dropout)
                for name, dim in dims.items()
            }
        )

    def forward(self, batch: MultimodalBatch) -> dict[str, ModalitySequence]:
        """Return the convolved frames ``(B, T_m, D)`` by modality.

        Raises:
            InputError: the batch lacks a modality; an absent one is a mask that is all false.
        """
        convolved: dict[str, ModalitySequence] = self.encoders(batch)
        return convolved
