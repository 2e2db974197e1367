"""Graph Memory Fusion Network: memory fusion with a dynamic fusion graph of the modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputSpec, MultimodalBatch
from comodal.fusion.dynamic_fusion_graph import DynamicFusionGraph, Edge
from comodal.fusion.memory_fusion import MemoryFusion, MemoryFusionConfig

__all__ = ["GraphMFN", "GraphMFNConfig"]


@dataclass(frozen=True)
class GraphMFNConfig(MemoryFusionConfig):
    """Options of :class:`GraphMFN`, beside those of all memory fusion networks.

    Attributes:
        vertex: width of every vertex of the graph.
        graph: hidden width of the networks of the vertices.
        graph_dropout: probability of dropping a hidden unit of them.
        efficacy: hidden width of the network that weighs the edges.
    """

    architecture: ClassVar[str] = "Graph-MFN"

    vertex: int = 32
    graph: int = 64
    graph_dropout: float = 0.0
    efficacy: int = 64


class GraphMFN(nn.Module):
    r"""Memory fusion with a dynamic fusion graph in place of MFN's attention.

    .. math::
        v_t = \mathrm{DFG}([c^1_{t-1}; c^1_t], \dots, [c^M_{t-1}; c^M_t])

    the output of :class:`~comodal.fusion.dynamic_fusion_graph.DynamicFusionGraph`, whose vertices are the sets of
    modalities; the memory of :math:`v_t` is that of :class:`~comodal.fusion.memory_fusion.MemoryFusion`.
    :meth:`efficacies` returns the weight of each edge.

    The text, audio and vision representations that a penalty sees are the last hidden states :math:`h^m_T`, as in
    :class:`~comodal.fusion.mfn.MFN`: an LSTM reads its own modality alone, while everything after the cells depends
    on all of them.

    Args:
        spec: what the data set holds; any number of aligned modalities, one included.
        config: sizes and dropout rates.

    Raises:
        InputError: ``hidden`` does not fit the modalities.

    Source: Zadeh et al., *Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion
    Graph*, ACL 2018 (P18-1208), section 4. The vertices of single modalities read the cells of both steps, as MFN's
    attention does; popular ports read the hidden states.

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> dims = {"text": 4, "audio": 2}
        >>> model = GraphMFN(DatasetSpec("toy", dims, {"text": 6, "audio": 6}), GraphMFNConfig(hidden=8))
        >>> sequences = {n: ModalitySequence(torch.randn(3, 6, d), torch.ones(3, 6).bool()) for n, d in dims.items()}
        >>> batch = MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3))
        >>> model(batch).logits.shape
        torch.Size([3, 1])
        >>> {"+".join(edge.source): tuple(value.shape) for edge, value in model.efficacies(batch).items()}
        {'text': (3,), 'audio': (3,), 'text+audio': (3,)}
    """

    input_spec = InputSpec(aligned=True)

    def __init__(self, spec: DatasetSpec, config: GraphMFNConfig | None = None) -> None:
        super().__init__()
        given = config or GraphMFNConfig()

        def summary(widths: Mapping[str, int]) -> DynamicFusionGraph:
            return DynamicFusionGraph(
                widths, vertex=given.vertex, hidden=given.graph, efficacy=given.efficacy, dropout=given.graph_dropout
            )

        self.fusion = MemoryFusion(spec, given, summary)
        self.dims, self.fused_dim = self.fusion.dims, self.fusion.fused_dim

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch.

        Raises:
            InputError: the batch lacks a modality of the spec; an absent one is a mask that is all false.
        """
        out: FusionOutput = self.fusion(batch)
        return out

    @torch.no_grad()
    def efficacies(self, batch: MultimodalBatch) -> dict[Edge, Tensor]:
        """Return the weight of each edge of the graph, in (0, 1).

        Returns:
            Edge to ``(B,)``, the mean over the steps of each sample.

        Raises:
            InputError: the batch lacks a modality of the spec.
        """
        graph, windows = self.fusion.summary, self.fusion.windows(batch)
        found = graph.efficacies(windows)
        rows = windows.packing.sample
        total = found.new_zeros(len(batch), found.shape[1]).index_add(0, rows, found)
        steps = rows.bincount(minlength=len(batch)).unsqueeze(1)
        return dict(zip(graph.edges, (total / steps).unbind(1), strict=True))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return self.fusion.parameter_groups()
