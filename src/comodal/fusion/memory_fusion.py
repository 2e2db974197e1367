"""The shared part of memory fusion networks: one LSTM per modality, and a gated memory of their cells.

Axis legend: B samples, N frames of all of them together (see :class:`~comodal.encoders.lstm_system.Packing`), M
modalities, H width of all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, MultimodalBatch
from comodal.encoders import ModalityDropout, align, presence
from comodal.encoders.lstm_system import LSTMSystem, Packing, pack
from comodal.encoders.presence import require_modalities
from comodal.encoders.widths import sizes_per_modality
from comodal.fusion.gated_memory import GatedMemory, TwoLayers
from comodal.fusion.head import Head, init_behind_relu, split_off
from comodal.fusion.option_checks import require_options

__all__ = ["STATE_GAIN", "CellSummary", "CellWindows", "MemoryFusion", "MemoryFusionConfig"]

STATE_GAIN = 6.0
"""Gain for states and cells of an LSTM, which start at about a sixth of unit scale."""


@dataclass(frozen=True)
class MemoryFusionConfig:
    """Options that the memory fusion networks share.

    The networks have one hidden layer each; dropout of them and of the input drops the same units at every step of an
    sample. Defaults suit vectors of whole samples and short sequences on a data set of the size of CMU-MOSI.

    Attributes:
        hidden: width of the state of each modality's LSTM and so of its representation: one for all, or one for each.
        memory: width of the multi-view memory.
        proposal: hidden width of the network that proposes what to remember.
        proposal_dropout: probability of dropping a hidden unit of it.
        retain: hidden width of the gate that keeps the memory.
        retain_dropout: probability of dropping a hidden unit of it.
        update: hidden width of the gate that writes the memory.
        update_dropout: probability of dropping a hidden unit of it.
        output: hidden width of the network that predicts.
        dropout: probability of dropping a hidden unit of it.
        input_dropout: probability of dropping an input feature.
        input_scale: factor of the standardised features. Below 1, the cells start nearly linear in them and the input
            weights learn slowly, which reduces overfitting of wide states to few labels. For hundreds of features, one
            over the square root of their number is a good start: frames of about unit length.
        modality_dropout: probability of hiding a whole modality while training.
    """

    architecture: ClassVar[str] = "memory fusion"

    hidden: int | dict[str, int] = 32
    memory: int = 64
    proposal: int = 64
    proposal_dropout: float = 0.0
    retain: int = 64
    retain_dropout: float = 0.0
    update: int = 64
    update_dropout: float = 0.0
    output: int = 64
    dropout: float = 0.5
    input_dropout: float = 0.5
    input_scale: float = 1.0
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        names = [field.name for field in fields(self) if field.name != "hidden"]
        shares = [name for name in names if name.endswith("dropout")]
        widths = [name for name in names if name not in shares]
        require_options(self, self.architecture, positive=widths, probabilities=shares)


class CellWindows(NamedTuple):
    """The cells of all modalities before and after every step, zero where a modality is absent or hidden.

    Attributes:
        before: ``(N, H)``, modalities side by side.
        after: ``(N, H)``.
        heard: ``(N, M)`` bool.
        packing: the layout of the frames.
    """

    before: Tensor
    after: Tensor
    heard: Tensor
    packing: Packing


class CellSummary(Protocol):
    """Interface of the modules that summarise the cells of all modalities at every step.

    Attributes:
        width: of its output.
    """

    width: int

    def __call__(self, windows: CellWindows) -> Tensor:
        """Return the summary ``(N, width)``."""
        ...


Summary = TypeVar("Summary", bound=CellSummary)


class MemoryFusion(nn.Module, Generic[Summary]):
    r"""One LSTM per modality, a summary of the change of all their cells, and a gated memory of it.

    .. math::
        \hat u_t &= \tanh(\mathcal{D}_u(v_t)), \qquad
        \gamma_k = \sigma(\mathcal{D}_{\gamma_k}([v_t; u_{t-1}])), \qquad
        u_t = \gamma_1 \odot u_{t-1} + \gamma_2 \odot \hat u_t \\
        \hat y &= \mathcal{D}_o([h^1_T; \dots; h^M_T; u_T])

    :math:`v_t` is the summary of the cells of steps t - 1 and t. The states of each modality's LSTM
    (:class:`~comodal.encoders.lstm_system.LSTMSystem`) start at zero and so does the memory; T is the sample's own
    length. Every network :math:`\mathcal{D}` has one hidden layer. The hidden and cell states of a modality that is
    absent are zero throughout; one that is hidden by modality dropout is treated so behind its LSTM, and keeps its
    representation. A sample without any modality has one step of zeros.

    Args:
        spec: what the data set holds; any number of aligned modalities, one included.
        config: sizes and dropout rates.
        summary: makes the summary module from the width of the cells of each modality.

    Raises:
        InputError: ``hidden`` does not fit the modalities.

    Source: Zadeh et al., *Memory Fusion Network for Multi-view Sequential Learning*, AAAI 2018 (arXiv 1802.00927), with
    the gates looking at the memory as in its authors' code; the paper's text gives them :math:`v_t` alone.
    """

    modality_of_unit: Tensor

    def __init__(
        self, spec: DatasetSpec, config: MemoryFusionConfig, summary: Callable[[Mapping[str, int]], Summary]
    ) -> None:
        super().__init__()
        self.dims = sizes_per_modality(config.hidden, spec.modalities, option=f"{config.architecture} hidden")
        cells = sum(self.dims.values())
        widths = torch.tensor(list(self.dims.values()))
        self.register_buffer("modality_of_unit", torch.arange(len(widths)).repeat_interleave(widths), persistent=False)
        self.fused_dim = cells + config.memory
        self.encoders = LSTMSystem(
            spec.dims, self.dims, input_dropout=config.input_dropout, input_scale=config.input_scale
        )
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        self.summary = summary(self.dims)
        said = self.summary.width
        self.proposal = TwoLayers(said, hidden=config.proposal, out=config.memory, dropout=config.proposal_dropout)
        self.memory = GatedMemory(
            said,
            memory=config.memory,
            retain=(config.retain, config.retain_dropout),
            update=(config.update, config.update_dropout),
        )
        first, last = nn.Linear(self.fused_dim, config.output), Head(config.output, spec.task.width)
        self.output = nn.Sequential(first, nn.ReLU(), nn.Dropout(config.dropout), last)
        init_behind_relu(first, last)
        with torch.no_grad():
            first.weight.mul_(STATE_GAIN)

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch.

        Raises:
            InputError: the batch lacks a modality of the spec; an absent one is a mask that is all false.
        """
        windows, own, shown = self._read(batch)
        said = self.summary(windows)
        memory = self.memory(said, self.proposal(said, windows.packing).tanh(), windows.packing)
        fused = torch.cat([shown, memory], dim=1)
        representations = torch.split_with_sizes(own, list(self.dims.values()), dim=1)
        return FusionOutput(self.output(fused), fused, dict(zip(self.dims, representations, strict=True)))

    def windows(self, batch: MultimodalBatch) -> CellWindows:
        """Return the input of the summary.

        Raises:
            InputError: the batch lacks a modality of the spec.
        """
        return self._read(batch)[0]

    def _read(self, batch: MultimodalBatch) -> tuple[CellWindows, Tensor, Tensor]:
        """Return the cells, and the last states ``(B, H)`` of present modalities and of those that are not hidden."""
        require_modalities(batch, self.dims)
        sequences, steps = align(batch, self.dims)
        packing = pack(steps)
        cells, hidden = self.encoders(sequences, packing)
        present = presence(batch, self.dims)
        heard = self.modality_dropout(present)
        own = self._silenced(hidden, present)
        spread = packing.spread(heard)
        after = self._silenced(torch.cat(cells), spread)
        steps_after = torch.split_with_sizes(after, packing.sizes)
        passed = (cell[:size] for cell, size in zip(steps_after, packing.sizes[1:], strict=False))
        before = torch.cat([torch.zeros_like(steps_after[0]), *passed])
        shown = own if heard is present else self._silenced(hidden, heard)
        return CellWindows(before, after, spread, packing), own, shown

    def _silenced(self, states: Tensor, there: Tensor) -> Tensor:
        """Return states ``(..., H)``, zero where ``there`` ``(..., M)`` is false for their modality."""
        return torch.where(there.index_select(1, self.modality_of_unit), states, 0.0)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return split_off(self.encoders, self)
