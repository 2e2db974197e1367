"""The multi-view gated memory: a recurrent state of all modalities.

Axis legend: B samples, N frames of all of them together (see :class:`~comodal.encoders.lstm_system.Packing`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.encoders.lstm_system import Packing, SampleDropout

__all__ = ["GatedMemory", "TwoLayers"]


class TwoLayers(nn.Module):
    """A network with one hidden layer of rectified units, applied to each frame.

    Args:
        dim: width of its input.
        hidden: width of the hidden layer.
        out: width of its output.
        dropout: probability of dropping a hidden unit of a sample.

    Example:
        >>> from comodal.encoders.lstm_system import pack
        >>> TwoLayers(5, hidden=8, out=3, dropout=0.1)(torch.zeros(6, 5), pack(torch.ones(2, 3).bool())).shape
        torch.Size([6, 3])
    """

    def __init__(self, dim: int, *, hidden: int, out: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(dim, hidden)
        self.dropout = SampleDropout(dropout)
        self.second = nn.Linear(hidden, out)

    def forward(self, frames: Tensor, packing: Packing) -> Tensor:
        """Map ``(N, dim)`` to ``(N, out)``."""
        result: Tensor = self.second(self.dropout(self.first(frames).relu(), packing))
        return result


class GatedMemory(nn.Module):
    r"""A memory with a gate that retains and a gate that updates it.

    .. math::
        \gamma_k = \sigma(\mathcal{D}_{\gamma_k}([v_t; u_{t-1}])), \qquad
        u_t = \gamma_1 \odot u_{t-1} + \gamma_2 \odot \hat u_t, \qquad u_0 = 0

    :math:`v_t` is the input at a step, :math:`\hat u_t` in (-1, 1) the proposal for the memory, and
    each :math:`\mathcal{D}` a network of one hidden layer. The part of the hidden layers that depends on :math:`v_t` is
    computed for all steps at once; the loop over steps adds the part of the memory and the gates.

    Args:
        dim: width of :math:`v_t`.
        memory: width of the memory.
        retain: width of the hidden layer of the gate that keeps, and its probability of dropping a unit.
        update: the same of the gate that writes.

    Source: Zadeh et al., AAAI 2018, section *Multi-view Gated Memory*.

    Example:
        >>> from comodal.encoders.lstm_system import pack
        >>> memory = GatedMemory(5, memory=3, retain=(8, 0.0), update=(8, 0.0))
        >>> packing = pack(torch.ones(2, 4, dtype=torch.bool))
        >>> memory(torch.zeros(8, 5), torch.zeros(8, 3), packing).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __init__(self, dim: int, *, memory: int, retain: tuple[int, float], update: tuple[int, float]) -> None:
        super().__init__()
        self.width, self.widths = memory, [retain[0], update[0]]
        # One matrix on [input; memory], in two parts and at the scale of the whole.
        whole = nn.Linear(dim + memory, sum(self.widths))
        self.said = nn.Parameter(whole.weight.detach()[:, :dim].clone())
        self.remembered = nn.Parameter(whole.weight.detach()[:, dim:].clone())
        self.bias = nn.Parameter(whole.bias.detach())
        self.retain_dropout, self.update_dropout = SampleDropout(retain[1]), SampleDropout(update[1])
        self.retain = nn.Linear(retain[0], memory)
        self.update = nn.Linear(update[0], memory)

    def forward(self, said: Tensor, proposal: Tensor, packing: Packing) -> Tensor:
        """Return the memory ``(B, width)`` after the last step of each sample.

        Args:
            said: ``(N, dim)``.
            proposal: ``(N, width)``.
            packing: the layout of the frames.
        """
        driven = functional.linear(said, self.said, self.bias)
        kept = self._kept(said, len(packing.order))
        memory = proposal.new_zeros(packing.sizes[0], self.width)
        memories = []
        parts = (torch.split_with_sizes(each, packing.sizes) for each in (driven, proposal))
        for drive, proposed in zip(*parts, strict=True):
            rows = len(drive)
            hidden = torch.addmm(drive, memory[:rows], self.remembered.t()).relu()
            if kept is not None:
                hidden = hidden * kept[:rows]
            retain, update = torch.split_with_sizes(hidden, self.widths, dim=1)
            written = self.update(update).sigmoid() * proposed
            memory = torch.addcmul(written, self.retain(retain).sigmoid(), memory[:rows])
            memories.append(memory)
        return packing.ends(memories)

    def _kept(self, like: Tensor, rows: int) -> Tensor | None:
        """Return the dropout factors of the hidden units of each sample; ``None`` without dropout."""
        dropouts = (self.retain_dropout, self.update_dropout)
        if not self.training or not any(each.dropout for each in dropouts):
            return None
        pairs = zip(dropouts, self.widths, strict=True)
        return torch.cat([each.scales(like, rows, width) for each, width in pairs], dim=1)
