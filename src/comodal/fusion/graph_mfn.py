"""Graph Memory Fusion Network: memory fusion with a dynamic fusion graph of the modalities.

The graph has one vertex per set of modalities, connected by weighted edges. Axis legend: B samples, N frames, M
modalities, E edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputSpec, MultimodalBatch
from comodal.fusion.gated_memory import TwoLayers
from comodal.fusion.memory_fusion import STATE_GAIN, CellWindows, MemoryFusion, MemoryFusionConfig

__all__ = ["DynamicFusionGraph", "Edge", "GraphMFN", "GraphMFNConfig"]

_EFFICACY_GAIN = 2.0
"""Gain that makes up for efficacies, which start at one half."""


class Edge(NamedTuple):
    """An edge of the graph.

    Attributes:
        source: modalities of the vertex it starts from.
        target: modalities of the vertex it leads to; ``None`` for the output of the graph.
    """

    source: tuple[str, ...]
    target: tuple[str, ...] | None


class DynamicFusionGraph(nn.Module):
    r"""Representations of all sets of modalities, each computed from those of its subsets.

    .. math::
        z_{\{m\}} &= \mathcal{D}_m([c^m_{t-1}; c^m_t]), \qquad
        \alpha = \sigma(\mathcal{D}_\alpha([z_{\{1\}}; \dots; z_{\{M\}}])) \\
        z_S &= \mathcal{D}_S([\alpha_{R \to S}\, z_R]_{\emptyset \ne R \subset S}), \qquad
        v_t = \mathcal{D}_v([\alpha_S\, z_S]_{\emptyset \ne S})

    There is a vertex :math:`z_S` for every set S of modalities; its inputs are the vertices of all proper subsets, and
    those of the output are all vertices. An edge has one efficacy :math:`\alpha` in (0, 1) at every step. All vertices
    have one width, and every :math:`\mathcal{D}` has one hidden layer. The vertex of an absent modality is zero. M
    modalities make :math:`2^M - 1` vertices: of three 7 with 19 edges, of six 63 with 665.

    Args:
        widths: of the cells of each modality.
        vertex: width of the vertices and of the output.
        hidden: width of the hidden layers of the vertices and of the output.
        efficacy: width of the hidden layer of :math:`\mathcal{D}_\alpha`.
        dropout: probability of dropping a hidden unit of the vertices and of the output.

    Source: Zadeh et al., *Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion
    Graph*, ACL 2018, section 4.1. Every network is trained; in popular ports those of the vertices of two and more
    modalities lie in a plain dictionary, where no optimiser finds them, and the efficacies have no sigmoid.

    Example:
        >>> graph = DynamicFusionGraph({"text": 3, "audio": 2}, vertex=4, hidden=8, efficacy=8, dropout=0.0)
        >>> for source, target in graph.edges:
        ...     print("+".join(source), "to", "output" if target is None else "+".join(target))
        text to text+audio
        audio to text+audio
        text to output
        audio to output
        text+audio to output
    """

    def __init__(self, widths: Mapping[str, int], *, vertex: int, hidden: int, efficacy: int, dropout: float) -> None:
        super().__init__()
        names = tuple(widths)
        vertices = [each for size in range(1, len(names) + 1) for each in combinations(names, size)]
        self.names, self.width = vertices[: len(names)], vertex
        # Smaller sets come first, so that the inputs of a vertex are known; the output comes last.
        self.heard: dict[tuple[str, ...] | None, list[tuple[str, ...]]] = {
            each: [one for one in vertices if set(one) < set(each)] for each in vertices[len(names) :]
        }
        self.heard[None] = vertices
        self.edges = [Edge(source, target) for target, sources in self.heard.items() for source in sources]

        def network(dim: int, *, gain: float) -> TwoLayers:
            return _unshrunk(TwoLayers(dim, hidden=hidden, out=vertex, dropout=dropout), gain=gain)

        self.single = nn.ModuleList(network(2 * width, gain=STATE_GAIN) for width in widths.values())
        self.efficacy = TwoLayers(vertex * len(names), hidden=efficacy, out=len(self.edges), dropout=0.0)
        self.joint = nn.ModuleList(
            network(vertex * len(sources), gain=_EFFICACY_GAIN) for sources in self.heard.values()
        )
        self.cells = list(widths.values())

    def forward(self, windows: CellWindows) -> Tensor:
        """Return the output of the graph at every step, ``(N, width)``."""
        single = self._single(windows)
        efficacy = dict(zip(self.edges, _columns(self._efficacies(single, windows)), strict=True))
        said: dict[tuple[str, ...] | None, Tensor] = dict(zip(self.names, single, strict=True))
        for (target, sources), network in zip(self.heard.items(), self.joint, strict=True):
            weighed = [efficacy[Edge(source, target)] * said[source] for source in sources]
            said[target] = network(torch.cat(weighed, dim=1), windows.packing)
        return said[None]

    def efficacies(self, windows: CellWindows) -> Tensor:
        """Return the efficacy of each of :attr:`edges` at every step, ``(N, E)``."""
        return self._efficacies(self._single(windows), windows)

    def _single(self, windows: CellWindows) -> list[Tensor]:
        """Return the vertex ``(N, width)`` of each modality, zero where it is absent."""
        before, after = (torch.split_with_sizes(each, self.cells, dim=1) for each in windows[:2])
        parts = zip(self.single, before, after, _columns(windows.heard), strict=True)
        return [
            torch.where(there, network(torch.cat([old, new], dim=1), windows.packing), 0.0)
            for network, old, new, there in parts
        ]

    def _efficacies(self, single: list[Tensor], windows: CellWindows) -> Tensor:
        scores: Tensor = self.efficacy(torch.cat(single, dim=1), windows.packing)
        return scores.sigmoid()


def _columns(table: Tensor) -> tuple[Tensor, ...]:
    """Split ``(N, k)`` into k columns ``(N, 1)``."""
    return tuple(torch.split_with_sizes(table, [1] * table.shape[1], dim=1))


def _unshrunk(network: TwoLayers, *, gain: float) -> TwoLayers:
    """Draw weights at the scale that keeps unit variance (He et al. 2015), the first layer's times ``gain``."""
    nn.init.kaiming_uniform_(network.first.weight, nonlinearity="relu")
    nn.init.kaiming_uniform_(network.second.weight, nonlinearity="linear")
    with torch.no_grad():
        network.first.weight.mul_(gain)
    return network


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

    the output of :class:`DynamicFusionGraph`, whose vertices are the sets of
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
