"""The Multimodal Adaptation Gate: shift the hidden states of a text by frames of the other modalities.

Axis legend: B samples, T steps, H width of a hidden state, d_m features of a frame of modality m.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from comodal.contracts import InputError, ModalitySequence

__all__ = ["AdaptationGate"]

_TINY = 1e-12


class AdaptationGate(nn.Module):
    r"""Displace hidden states by gated frames of other modalities, no further than their own length allows.

    .. math::
        g^m_t = \mathrm{ReLU}(W_{gm} [x_t; v^m_t] + b_{gm}), \qquad
        h_t = \sum_m g^m_t \odot (W_m v^m_t) + b_h

        \alpha_t = \min\Big(\frac{\lVert x_t \rVert}{\lVert h_t \rVert} \beta, 1\Big), \qquad
        y_t = \mathrm{dropout}(\mathrm{LayerNorm}(x_t + \alpha_t h_t))

    A modality without a frame at a step adds exactly zero to :math:`h_t`; where no modality has one, :math:`h_t` is
    zero, without :math:`b_h`. With :math:`\beta = 0` the gate is off and returns the hidden states unchanged: even the
    layer norm alone is new, and would change the input of a pretrained layer.

    Args:
        width: of a hidden state, H.
        dims: modality to features of a frame; at least one.
        beta: largest length of a displacement relative to the hidden state; 0 switches the gate off.
        dropout: probability of dropping a unit behind the gate.

    Raises:
        InputError: ``beta`` is negative.

    Source: Rahman et al., *Integrating Multimodal Information in Large Pretrained Transformers*, ACL 2020, equations 1
    to 5 and the layer norm and dropout of their section 4. The authors' code has a bias in each :math:`W_m` in place of
    the one :math:`b_h`, and adds 1e-6 to the length of the displacement; here it is the paper's equation.

    Example:
        >>> gate = AdaptationGate(4, {"audio": 2}, beta=1.0, dropout=0.0)
        >>> frames = ModalitySequence(torch.ones(1, 3, 2), torch.ones(1, 3, dtype=torch.bool))
        >>> gate(torch.ones(1, 3, 4), {"audio": frames}).shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, width: int, dims: Mapping[str, int], *, beta: float, dropout: float) -> None:
        super().__init__()
        if beta < 0.0:
            raise InputError(
                f"beta of the gate is {beta}: give a positive number, or 0 for no gate", code="out_of_range"
            )
        self.beta = beta
        self.gates = nn.ModuleDict({name: nn.Linear(width + dim, width) for name, dim in dims.items()})
        self.projections = nn.ModuleDict({name: nn.Linear(dim, width, bias=False) for name, dim in dims.items()})
        self.bias = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        if beta == 0.0:  # then only the projections are used, as representations for a penalty
            for parameter in (*self.gates.parameters(), *self.norm.parameters(), self.bias):
                parameter.requires_grad_(False)

    def forward(self, hidden: Tensor, frames: Mapping[str, ModalitySequence]) -> Tensor:
        """Return gated hidden states.

        Args:
            hidden: ``(B, T, H)``.
            frames: modality to values ``(B, T, d_m)``, zero where the mask ``(B, T)`` is false.

        Returns:
            ``(B, T, H)`` in the type of ``hidden``.
        """
        if self.beta == 0.0:
            return hidden
        displacement = self.displacement(hidden, frames)
        kind = torch.promote_types(hidden.dtype, torch.float32)
        reach = self.beta * torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=kind)
        length = torch.linalg.vector_norm(displacement, dim=-1, keepdim=True, dtype=kind)
        # A displacement of length zero stays as it is, and so does its gradient.
        share = (reach / length.clamp_min(_TINY)).clamp_max(1.0)
        gated: Tensor = self.dropout(self.norm(hidden + share * displacement))
        return gated.to(hidden.dtype)

    def displacement(self, hidden: Tensor, frames: Mapping[str, ModalitySequence]) -> Tensor:
        """Return the displacement ``(B, T, H)`` before its length is limited."""
        heard = torch.stack([sequence.mask for sequence in frames.values()]).any(dim=0)
        total = torch.where(heard.unsqueeze(-1), self.bias, 0.0)
        for name, sequence in frames.items():
            opening = torch.relu(self.gates[name](torch.cat([hidden, sequence.values], dim=-1)))
            total = total + opening * self.projections[name](sequence.values)
        return total
