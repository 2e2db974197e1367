"""One LSTM per modality, with the memory cells of every step.

Axis legend: B samples, T steps, N frames of all samples together, d_m features of a frame, H_m width of a state,
H the sum of the H_m.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import ModalitySequence

__all__ = ["LSTMSystem", "Packing", "SampleDropout", "pack"]


class Packing(NamedTuple):
    """The layout of the frames of a batch without padding: by step, and within a step the longest sample first.

    Attributes:
        sizes: number of samples that have each step, in falling order; their sum is N.
        sample: ``(N,)`` the sample of each frame.
        step: ``(N,)`` the step of each frame.
        order: ``(B,)`` the samples, longest first: the first ``sizes[t]`` of them have step t.
        last: ``(B,)`` the position of the last frame of each sample.
    """

    sizes: list[int]
    sample: Tensor
    step: Tensor
    order: Tensor
    last: Tensor

    def frames(self, values: Tensor) -> Tensor:
        """Return values ``(B, T, d)`` as frames ``(N, d)``."""
        return values.squeeze(1) if values.shape[1] == 1 else values[self.sample, self.step]

    def spread(self, values: Tensor) -> Tensor:
        """Return values ``(B, d)`` repeated for the frames of each sample, ``(N, d)``."""
        return values if len(self.sizes) == 1 else values.index_select(0, self.sample)

    def ends(self, states: list[Tensor]) -> Tensor:
        """Return the last state ``(B, d)`` of each sample from the states ``(sizes[t], d)`` of every step."""
        return states[0] if len(states) == 1 else torch.cat(states).index_select(0, self.last)


def pack(steps: Tensor) -> Packing:
    """Return the layout of the frames of a batch without padding.

    A sample without any step keeps its first, so that it has a state. Under ``torch.compile`` the layout cannot depend
    on the lengths, so padding is kept after the last frame, where it has no effect. A single step keeps the order of
    the batch.

    Args:
        steps: ``(B, T)`` bool, real steps first.

    Example:
        >>> packing = pack(torch.tensor([[True, False], [True, True]]))
        >>> packing.sizes, packing.sample.tolist(), packing.step.tolist(), packing.last.tolist()
        ([2, 1], [1, 0, 1], [0, 0, 1], [1, 2])
    """
    rows, longest = steps.shape
    lengths = steps.sum(dim=1).clamp_min(1)
    position = torch.arange(longest, device=steps.device)
    if longest == 1 or torch.compiler.is_compiling():
        order = torch.arange(rows, device=steps.device)
        sizes = [rows] * longest
        sample, step = order.repeat(longest), position.repeat_interleave(rows)
        return Packing(sizes, sample, step, order, (lengths - 1) * rows + order)
    order = lengths.argsort(descending=True, stable=True)
    there = position.unsqueeze(1) < lengths[order]
    counts = there.sum(dim=1)
    step, rank = there.nonzero(as_tuple=True)
    last = (counts.cumsum(0) - counts)[lengths - 1] + order.argsort()
    return Packing([size for size in counts.tolist() if size], order[rank], step, order, last)


class SampleDropout(nn.Module):
    """Dropout that drops the same units at every step of a sample.

    A recurrent network cannot average out a mask that changes at every step; and one draw per sample is cheaper than
    one per frame.

    Args:
        rate: probability of dropping a unit.

    Source: Gal and Ghahramani, *A Theoretically Grounded Application of Dropout in Recurrent Neural Networks*, NeurIPS
    2016, section 4.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> packing = pack(torch.ones(2, 3, dtype=torch.bool))
        >>> dropped = SampleDropout(0.5)(torch.ones(6, 4), packing)
        >>> bool((dropped[0] == dropped[2]).all() and (dropped[0] == dropped[4]).all())
        True
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropout = rate

    def scales(self, like: Tensor, *shape: int) -> Tensor:
        """Return factors of this shape for training: 0, or the inverse of the share kept."""
        return functional.dropout(like.new_ones(shape), self.dropout)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """Drop units of ``(N, d)`` frames; the identity in evaluation."""
        if not self.training or self.dropout == 0.0:
            return frames
        return frames * packing.spread(self.scales(frames, len(packing.order), frames.shape[1]))


class LSTMSystem(nn.Module):
    r"""One LSTM per modality, independent of each other and computed step by step together.

    .. math::
        [i; f; g; o] &= \epsilon W_m x^m_t + U_m h^m_{t-1} + b_m \\
        c^m_t &= \sigma(f) \odot c^m_{t-1} + \sigma(i) \odot \tanh(g), \qquad h^m_t = \sigma(o) \odot \tanh(c^m_t)

    ``nn.LSTM`` does not return :math:`c_t`. One product per modality projects the inputs of all steps; each step then
    takes one small product per modality, and one computation of all gates. Padding is not computed.

    Args:
        dims: features of a frame of each modality.
        hidden: width of the state of each.
        input_dropout: probability of dropping an input feature of a sample.
        input_scale: factor of the features, :math:`\epsilon`.

    Source: Hochreiter and Schmidhuber, *Long Short-Term Memory*, Neural Computation 1997; the System of LSTMs of Zadeh
    et al., *Memory Fusion Network for Multi-view Sequential Learning*, AAAI 2018.

    Example:
        >>> steps = torch.ones(2, 3, dtype=torch.bool)
        >>> system = LSTMSystem({"text": 5, "audio": 4}, {"text": 8, "audio": 2})
        >>> frames = {"text": ModalitySequence(torch.randn(2, 3, 5), steps),
        ...           "audio": ModalitySequence(torch.randn(2, 3, 4), steps)}
        >>> cells, hidden = system(frames, pack(steps))
        >>> [tuple(cell.shape) for cell in cells], tuple(hidden.shape)
        ([(2, 10), (2, 10), (2, 10)], (2, 10))
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        hidden: Mapping[str, int],
        *,
        input_dropout: float = 0.0,
        input_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.widths = [hidden[name] for name in dims]
        self.input_scale = input_scale
        self.input_dropout = SampleDropout(input_dropout)
        # The cells only hold the weights, under PyTorch's names; they are never called.
        self.encoders = nn.ModuleDict({name: nn.LSTMCell(dim, hidden[name]) for name, dim in dims.items()})
        for name, dim in dims.items():
            # PyTorch's scale depends on the state alone, so hundreds of features would saturate a narrow one.
            nn.init.uniform_(self._cell(name).weight_ih, -(dim**-0.5), dim**-0.5)

    def forward(self, sequences: Mapping[str, ModalitySequence], packing: Packing) -> tuple[list[Tensor], Tensor]:
        """Return the cells of all steps and the last hidden states.

        Args:
            sequences: name to aligned frames, real frames first.
            packing: the layout of those frames.

        Returns:
            The cells ``(sizes[t], H)`` of every step, modalities side by side; and ``(B, H)`` the hidden state of every
            sample after its last step.
        """
        driven = [self._driven(name, sequence, packing) for name, sequence in sequences.items()]
        recurrent = [self._cell(name).weight_hh.t() for name in sequences]
        hidden = cell = driven[0][0].new_zeros(packing.sizes[0], sum(self.widths))
        cells, hiddens = [], []
        for inputs in zip(*driven, strict=True):
            rows = len(inputs[0])
            states = torch.split_with_sizes(hidden[:rows], self.widths, dim=1)
            hidden, cell = _step(list(zip(inputs, states, recurrent, strict=True)), cell[:rows])
            cells.append(cell)
            hiddens.append(hidden)
        return cells, packing.ends(hiddens)

    def _cell(self, name: str) -> Any:
        return self.encoders[name]

    def _driven(self, name: str, sequence: ModalitySequence, packing: Packing) -> tuple[Tensor, ...]:
        """Return the part of the gates that depends on the inputs, by step."""
        cell = self._cell(name)
        frames = self.input_dropout(packing.frames(sequence.values), packing)
        driven = torch.addmm(cell.bias_ih + cell.bias_hh, frames, cell.weight_ih.t(), alpha=self.input_scale)
        return tuple(torch.split_with_sizes(driven, packing.sizes))


def _step(parts: list[tuple[Tensor, Tensor, Tensor]], cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hidden state and the cells after one step.

    The four gates of all modalities are joined, so that one operation computes each gate for all of them.
    """
    gates = [torch.addmm(inputs, state, weight).view(len(state), 4, -1) for inputs, state, weight in parts]
    write, keep, content, read = torch.cat(gates, dim=2).unbind(1)
    cell = torch.addcmul(write.sigmoid() * content.tanh(), keep.sigmoid(), cell)
    return read.sigmoid() * cell.tanh(), cell
