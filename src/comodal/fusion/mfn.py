"""Memory Fusion Network: one LSTM a modality, and a gated memory of what their cells say together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, MultimodalBatch
from comodal.encoders import ModalityDropout, align, presence
from comodal.encoders.lstm_system import LSTMSystem, Packing, pack
from comodal.encoders.required import require_modalities
from comodal.encoders.widths import sizes_per_modality
from comodal.fusion.gated_memory import GatedMemory, TwoLayers

__all__ = ["MFN", "MFNConfig"]

_STATE_GAIN = 6.0
"""States of an LSTM start at about a sixth of unit scale; without this, predictions start shrunk."""


@dataclass(frozen=True)
class MFNConfig:
    """Options of :class:`MFN`.

    The networks have one hidden layer each; dropout of them and of the input drops the same units at every step of an
    utterance. Defaults suit vectors of whole utterances and short sequences on a data set of the size of CMU-MOSI.

    Attributes:
        hidden: width of the state of each modality's LSTM and so of its representation: one for all, or one for each.
        memory: width of the multi-view memory.
        attention: hidden width of the network that attends to the cells.
        attention_dropout: probability of dropping a hidden unit of it.
        proposal: hidden width of the network that proposes what to remember.
        proposal_dropout: probability of dropping a hidden unit of it.
        retain: hidden width of the gate that keeps the memory.
        retain_dropout: probability of dropping a hidden unit of it.
        update: hidden width of the gate that writes the memory.
        update_dropout: probability of dropping a hidden unit of it.
        output: hidden width of the network that predicts.
        dropout: probability of dropping a hidden unit of it.
        input_dropout: probability of dropping an input feature.
        modality_dropout: probability of hiding a whole modality while training.
    """

    hidden: int | dict[str, int] = 32
    memory: int = 64
    attention: int = 64
    attention_dropout: float = 0.0
    proposal: int = 64
    proposal_dropout: float = 0.0
    retain: int = 64
    retain_dropout: float = 0.0
    update: int = 64
    update_dropout: float = 0.0
    output: int = 64
    dropout: float = 0.5
    input_dropout: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("memory", "attention", "proposal", "retain", "update", "output"):
            if getattr(self, name) < 1:
                raise InputError(f"MFN {name} is {getattr(self, name)}: give a positive width")
        for name in ("attention", "proposal", "retain", "update", "input"):
            _check_rate(f"{name}_dropout", getattr(self, f"{name}_dropout"))
        _check_rate("dropout", self.dropout)


def _check_rate(name: str, rate: float) -> None:
    if not 0.0 <= rate < 1.0:
        raise InputError(f"MFN {name} is {rate}: give a probability in [0, 1)")


class MFN(nn.Module):
    r"""Memory fusion: LSTMs apart, attention to the change of all their cells, and a gated memory of it.

    .. math::
        c_t &= [c^1_t; \dots; c^M_t], \qquad
        a_t = \mathrm{softmax}(\mathcal{D}_a([c_{t-1}; c_t])), \qquad
        \hat c_t = 2H\, a_t \odot [c_{t-1}; c_t] \\
        \hat u_t &= \tanh(\mathcal{D}_u(\hat c_t)), \qquad
        \gamma_k = \sigma(\mathcal{D}_{\gamma_k}([\hat c_t; u_{t-1}])), \qquad
        u_t = \gamma_1 \odot u_{t-1} + \gamma_2 \odot \hat u_t \\
        \hat y &= \mathcal{D}_o([h^1_T; \dots; h^M_T; u_T])

    The states of each modality's LSTM (:class:`~comodal.encoders.lstm_system.LSTMSystem`) start at zero and so does the
    memory; T is the utterance's own length. H is the width of all cells, and every network :math:`\mathcal{D}` has one
    hidden layer.

    The text, audio and vision representations that a penalty sees are the last hidden states :math:`h^m_T`: an LSTM
    sees its own modality alone, while everything behind the cells has seen them all. The hidden and cell states of a
    modality that is absent are zero throughout; one that is hidden by modality dropout is treated so behind its LSTM,
    and keeps its representation. An utterance without any modality is one silent step.

    Args:
        spec: what the data set holds; any number of aligned modalities, one included.
        config: sizes and dropout rates.

    Raises:
        InputError: ``hidden`` does not fit the modalities.

    Source: Zadeh et al., *Memory Fusion Network for Multi-view Sequential Learning*, AAAI 2018 (arXiv 1802.00927), with
    the gates looking at the memory as in its authors' code; the paper's text gives them the attended cells alone.
    Different on purpose: coefficients of attention have a mean of 1, not a sum of 1, or the attended cells would start
    2H times too small to be heard (the scale could be learned by the weights behind them: the functions are the same);
    dropout draws once an utterance; padding is no input, where popular ports run on over it; and every frame of audio
    and vision counts, where one port averages them to a single frame.

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> model = MFN(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 6, "audio": 6}), MFNConfig(hidden=8))
        >>> sequences = {n: ModalitySequence(torch.randn(3, 6, d), torch.ones(3, 6).bool()) for n, d in
        ...              {"text": 4, "audio": 2}.items()}
        >>> out = model(MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3)))
        >>> out.prediction.shape, out.representations["audio"].shape
        (torch.Size([3]), torch.Size([3, 8]))
    """

    input_spec = InputSpec(aligned=True)
    modality_of_unit: Tensor

    def __init__(self, spec: DatasetSpec, config: MFNConfig | None = None) -> None:
        super().__init__()
        config = config or MFNConfig()
        self.dims = sizes_per_modality(config.hidden, spec.modalities, option="MFN hidden")
        cells = sum(self.dims.values())
        widths = torch.tensor(list(self.dims.values()))
        self.register_buffer("modality_of_unit", torch.arange(len(widths)).repeat_interleave(widths), persistent=False)
        self.fused_dim = cells + config.memory
        self.encoders = LSTMSystem(spec.dims, self.dims, input_dropout=config.input_dropout)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        self.attention = TwoLayers(2 * cells, hidden=config.attention, out=2 * cells, dropout=config.attention_dropout)
        self.proposal = TwoLayers(2 * cells, hidden=config.proposal, out=config.memory, dropout=config.proposal_dropout)
        self.memory = GatedMemory(
            2 * cells,
            memory=config.memory,
            retain=(config.retain, config.retain_dropout),
            update=(config.update, config.update_dropout),
        )
        first, last = nn.Linear(self.fused_dim, config.output), nn.Linear(config.output, 1)
        self.output = nn.Sequential(first, nn.ReLU(), nn.Dropout(config.dropout), last)
        for layer, gain in ((first, _STATE_GAIN), (last, 1.0)):
            # PyTorch's own scale is that of a linear unit, too small behind a ReLU (He et al. 2015).
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            with torch.no_grad():
                layer.weight.mul_(gain)

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch.

        Raises:
            InputError: the batch lacks a modality of the spec; an absent one is a mask that is all false.
        """
        require_modalities(batch, self.dims)
        sequences, steps = align(batch, self.dims)
        packing = pack(steps)
        cells, hidden = self.encoders(sequences, packing)
        present = presence(batch, self.dims)
        heard = self.modality_dropout(present)
        own = self._silenced(hidden, present)
        said = self._attended(cells, heard, packing)
        memory = self.memory(said, self.proposal(said, packing).tanh(), packing)
        fused = torch.cat([own if heard is present else self._silenced(hidden, heard), memory], dim=1)
        representations = torch.split_with_sizes(own, list(self.dims.values()), dim=1)
        return FusionOutput(self.output(fused).squeeze(1), fused, dict(zip(self.dims, representations, strict=True)))

    def _silenced(self, states: Tensor, there: Tensor) -> Tensor:
        """States ``(..., H)``, zero where ``there`` ``(..., M)`` says that their modality is not."""
        return torch.where(there.index_select(1, self.modality_of_unit), states, 0.0)

    def _attended(self, cells: list[Tensor], heard: Tensor, packing: Packing) -> Tensor:
        """``(N, 2 H)``: the cells before and after each step, each times its attention."""
        after = self._silenced(torch.cat(cells), packing.spread(heard))
        steps = torch.split_with_sizes(after, packing.sizes)
        passed = (cell[:size] for cell, size in zip(steps, packing.sizes[1:], strict=False))
        before = [torch.zeros_like(steps[0]), *passed]
        window = torch.cat([torch.cat(before), after], dim=1)
        attention = functional.softmax(self.attention(window, packing), dim=1)
        return attention * window * window.shape[1]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        fusion = (self.attention, self.proposal, self.memory, self.output)
        return {
            "encoders": list(self.encoders.parameters()),
            "fusion": [parameter for part in fusion for parameter in part.parameters()],
        }
