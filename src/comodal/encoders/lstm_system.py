"""One LSTM a modality, side by side, with the memory cells of every step.

Axis legend: B utterances, T steps, N frames of all utterances together, d_m features of a frame, H_m width of a state,
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
    """The frames of a batch without its padding: step by step, and in a step the longest utterance first.

    Attributes:
        sizes: how many utterances have each step, a number that never grows; their sum is N.
        utterance: ``(N,)`` which utterance a frame is of.
        step: ``(N,)`` which of its steps it is.
        order: ``(B,)`` the utterances, longest first: the first ``sizes[t]`` of them have step t.
        last: ``(B,)`` where the last frame of each utterance is.
    """

    sizes: list[int]
    utterance: Tensor
    step: Tensor
    order: Tensor
    last: Tensor

    def frames(self, values: Tensor) -> Tensor:
        """``(B, T, d)`` as ``(N, d)``."""
        return values.squeeze(1) if values.shape[1] == 1 else values[self.utterance, self.step]

    def spread(self, values: Tensor) -> Tensor:
        """``(B, d)`` to the frames of each utterance, ``(N, d)``."""
        return values if len(self.sizes) == 1 else values.index_select(0, self.utterance)

    def ends(self, states: list[Tensor]) -> Tensor:
        """``(sizes[t], d)`` of every step to the last of each utterance, ``(B, d)``."""
        return states[0] if len(states) == 1 else torch.cat(states).index_select(0, self.last)


def pack(steps: Tensor) -> Packing:
    """How to lay the frames of a batch out without its padding.

    An utterance with no step at all keeps its first, so that it has a state. What ``torch.compile`` traces cannot
    depend on the lengths: there the padding is kept, behind the last frame where nothing reads it. A single step is
    laid out in the order of the batch.

    Args:
        steps: ``(B, T)`` bool, every run of steps at the left.

    Example:
        >>> packing = pack(torch.tensor([[True, False], [True, True]]))
        >>> packing.sizes, packing.utterance.tolist(), packing.step.tolist(), packing.last.tolist()
        ([2, 1], [1, 0, 1], [0, 0, 1], [1, 2])
    """
    rows, longest = steps.shape
    lengths = steps.sum(dim=1).clamp_min(1)
    position = torch.arange(longest, device=steps.device)
    if longest == 1 or torch.compiler.is_compiling():
        order = torch.arange(rows, device=steps.device)
        sizes = [rows] * longest
        utterance, step = order.repeat(longest), position.repeat_interleave(rows)
        return Packing(sizes, utterance, step, order, (lengths - 1) * rows + order)
    order = lengths.argsort(descending=True, stable=True)
    there = position.unsqueeze(1) < lengths[order]
    counts = there.sum(dim=1)
    step, rank = there.nonzero(as_tuple=True)
    last = (counts.cumsum(0) - counts)[lengths - 1] + order.argsort()
    return Packing([size for size in counts.tolist() if size], order[rank], step, order, last)


class SampleDropout(nn.Module):
    """Dropout that drops the same units at every step of an utterance.

    A recurrent network cannot average a unit that comes and goes with the steps back in, and drawing once an utterance
    rather than once a frame is cheaper.

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
        """What to multiply units with in training, of this shape: 0, or the inverse of the share kept."""
        return functional.dropout(like.new_ones(shape), self.dropout)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """Drop units of ``(N, d)`` frames; the identity in evaluation."""
        if not self.training or self.dropout == 0.0:
            return frames
        return frames * packing.spread(self.scales(frames, len(packing.order), frames.shape[1]))


class LSTMSystem(nn.Module):
    r"""Parallel LSTMs that never see each other, computed in step.

    .. math::
        [i; f; g; o] &= \epsilon W_m x^m_t + U_m h^m_{t-1} + b_m \\
        c^m_t &= \sigma(f) \odot c^m_{t-1} + \sigma(i) \odot \tanh(g), \qquad h^m_t = \sigma(o) \odot \tanh(c^m_t)

    ``nn.LSTM`` does not hand out :math:`c_t`. The inputs of all steps are projected in one product a modality; of a
    step remain one small product a modality and the gates, which all modalities share. Padding is not computed.

    Args:
        dims: features of a frame of each modality.
        hidden: width of the state of each.
        input_dropout: probability of dropping an input feature of an utterance.
        input_scale: what the features are multiplied with, :math:`\epsilon`.

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
        # The cells hold the weights under the names that PyTorch gives them; they are never called.
        self.encoders = nn.ModuleDict({name: nn.LSTMCell(dim, hidden[name]) for name, dim in dims.items()})
        for name, dim in dims.items():
            # PyTorch draws them at a scale that knows of the state alone: hundreds of features saturate a narrow one.
            nn.init.uniform_(self._cell(name).weight_ih, -(dim**-0.5), dim**-0.5)

    def forward(self, sequences: Mapping[str, ModalitySequence], packing: Packing) -> tuple[list[Tensor], Tensor]:
        """Run all LSTMs.

        Args:
            sequences: name to aligned frames, every run of frames at the left.
            packing: where those frames are.

        Returns:
            The cells ``(sizes[t], H)`` of every step, modalities side by side; and ``(B, H)`` the hidden state of every
            utterance after its last step.
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
        """What the inputs alone add to the gates, step by step."""
        cell = self._cell(name)
        frames = self.input_dropout(packing.frames(sequence.values), packing)
        driven = torch.addmm(cell.bias_ih + cell.bias_hh, frames, cell.weight_ih.t(), alpha=self.input_scale)
        return tuple(torch.split_with_sizes(driven, packing.sizes))


def _step(parts: list[tuple[Tensor, Tensor, Tensor]], cell: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden state and cells after one step.

    The gates of each modality are four blocks of columns: joined block by block, one operation does for all modalities.
    """
    gates = [torch.addmm(inputs, state, weight).view(len(state), 4, -1) for inputs, state, weight in parts]
    write, keep, content, read = torch.cat(gates, dim=2).unbind(1)
    cell = torch.addcmul(write.sigmoid() * content.tanh(), keep.sigmoid(), cell)
    return read.sigmoid() * cell.tanh(), cell
