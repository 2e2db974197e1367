"""Memory Fusion Network: one LSTM per modality, attention to their cells, and a gated memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import DatasetSpec, FusionOutput, InputSpec, MultimodalBatch
from comodal.fusion.gated_memory import TwoLayers
from comodal.fusion.memory_fusion import CellWindows, MemoryFusion, MemoryFusionConfig

__all__ = ["MFN", "DeltaMemoryAttention", "MFNConfig"]


@dataclass(frozen=True)
class MFNConfig(MemoryFusionConfig):
    """Options of :class:`MFN`, beside those of all memory fusion networks.

    Attributes:
        attention: hidden width of the network that attends to the cells.
        attention_dropout: probability of dropping a hidden unit of it.
    """

    architecture: ClassVar[str] = "MFN"

    attention: int = 64
    attention_dropout: float = 0.0


class DeltaMemoryAttention(nn.Module):
    r"""Attention to the cells of two successive steps.

    .. math::
        a_t = \mathrm{softmax}(\mathcal{D}_a([c_{t-1}; c_t])), \qquad v_t = 2H\, a_t \odot [c_{t-1}; c_t]

    Args:
        widths: of the cells of each modality; H is their sum.
        hidden: width of the hidden layer of :math:`\mathcal{D}_a`.
        dropout: probability of dropping a unit of it.

    Source: Zadeh et al., AAAI 2018, section *Delta-memory Attention Network*. Different on purpose: coefficients have a
    mean of 1, not a sum of 1, or the attended cells would start 2H times too small. The functions are the same, since
    the weights that follow can learn the scale.
    """

    def __init__(self, widths: Mapping[str, int], *, hidden: int, dropout: float) -> None:
        super().__init__()
        self.width = 2 * sum(widths.values())
        self.attention = TwoLayers(self.width, hidden=hidden, out=self.width, dropout=dropout)

    def forward(self, windows: CellWindows) -> Tensor:
        """Return the cells before and after each step, times their attention, ``(N, 2 H)``."""
        window = torch.cat([windows.before, windows.after], dim=1)
        attention = functional.softmax(self.attention(window, windows.packing), dim=1)
        return attention * window * self.width


class MFN(nn.Module):
    r"""Memory fusion: one LSTM per modality, attention to the change of all cells, and a gated memory of it.

    .. math::
        c_t &= [c^1_t; \dots; c^M_t], \qquad
        a_t = \mathrm{softmax}(\mathcal{D}_a([c_{t-1}; c_t])), \qquad
        v_t = 2H\, a_t \odot [c_{t-1}; c_t]

    and the memory of :math:`v_t` is that of :class:`~comodal.fusion.memory_fusion.MemoryFusion`; H is the width of all
    cells (:class:`DeltaMemoryAttention`).

    The text, audio and vision representations that a penalty sees are the last hidden states :math:`h^m_T`: an LSTM
    reads its own modality alone, while everything after the cells depends on all of them.

    Args:
        spec: what the data set holds; any number of aligned modalities, one included.
        config: sizes and dropout rates.

    Raises:
        InputError: ``hidden`` does not fit the modalities.

    Source: Zadeh et al., *Memory Fusion Network for Multi-view Sequential Learning*, AAAI 2018 (arXiv 1802.00927).
    Different on purpose, beside what the two parts state: dropout draws once per sample; padding is no input, while
    popular ports run over it; and every frame of audio and vision is read, while one port averages them.

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> model = MFN(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 6, "audio": 6}), MFNConfig(hidden=8))
        >>> sequences = {n: ModalitySequence(torch.randn(3, 6, d), torch.ones(3, 6).bool()) for n, d in
        ...              {"text": 4, "audio": 2}.items()}
        >>> out = model(MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3)))
        >>> out.logits.shape, out.representations["audio"].shape
        (torch.Size([3, 1]), torch.Size([3, 8]))
    """

    input_spec = InputSpec(aligned=True)

    def __init__(self, spec: DatasetSpec, config: MFNConfig | None = None) -> None:
        super().__init__()
        given = config or MFNConfig()

        def summary(widths: Mapping[str, int]) -> DeltaMemoryAttention:
            return DeltaMemoryAttention(widths, hidden=given.attention, dropout=given.attention_dropout)

        self.fusion = MemoryFusion(spec, given, summary)
        self.dims, self.fused_dim = self.fusion.dims, self.fusion.fused_dim

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch.

        Raises:
            InputError: the batch lacks a modality of the spec; an absent one is a mask that is all false.
        """
        out: FusionOutput = self.fusion(batch)
        return out

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return self.fusion.parameter_groups()
