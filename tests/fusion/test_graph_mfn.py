from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import memory_loop
import numpy as np
import pytest
import torch
from memory_loop import Array, Weights, by_loop, network, sigmoid

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.fusion import GraphMFN, GraphMFNConfig

WIDTH = 3

# The graph of three modalities, written out: what each vertex of several listens to, in the order of the efficacies.
HEARD: dict[int, list[tuple[str, list[str]]]] = {
    1: [("", ["t"])],
    2: [("ta", ["t", "a"]), ("", ["t", "a", "ta"])],
    3: [
        ("ta", ["t", "a"]),
        ("tv", ["t", "v"]),
        ("av", ["a", "v"]),
        ("tav", ["t", "a", "v", "ta", "tv", "av"]),
        ("", ["t", "a", "v", "ta", "tv", "av", "tav"]),
    ],
}


def alphas(weights: Weights, single: Mapping[str, Array]) -> list[float]:
    return list(sigmoid(network(weights, "summary.efficacy", np.concatenate(list(single.values())))))


def vertices_of_one(
    weights: Weights, before: Mapping[str, Array], after: Mapping[str, Array], heard: set[str]
) -> dict[str, Array]:
    """What each modality says alone: nothing, where it is not there."""
    said = {}
    for k, name in enumerate(before):
        alone = network(weights, f"summary.single.{k}", np.concatenate([before[name], after[name]]))
        said[name[0]] = alone if name in heard else np.zeros(WIDTH)
    return said


def graph(weights: Weights, before: Mapping[str, Array], after: Mapping[str, Array], heard: set[str]) -> Array:
    """The dynamic fusion graph, vertex by vertex and edge by edge."""
    said = vertices_of_one(weights, before, after, heard)
    left = alphas(weights, said)
    for k, (vertex, sources) in enumerate(HEARD[len(before)]):
        parts = [left.pop(0) * said[source] for source in sources]
        said[vertex] = network(weights, f"summary.joint.{k}", np.concatenate(parts))
    assert not left, "an efficacy without an edge"
    return said[""]


def make(
    modalities: int, lengths: list[int], *, silent: tuple[tuple[str, int], ...] = ()
) -> tuple[GraphMFN, MultimodalBatch]:
    def build(spec: DatasetSpec, options: Mapping[str, Any]) -> GraphMFN:
        return GraphMFN(spec, GraphMFNConfig(**options, vertex=WIDTH, graph=5, efficacy=4))

    return memory_loop.make(build, modalities, lengths, silent=silent)


@pytest.mark.parametrize("modalities", [1, 2, 3])
@pytest.mark.parametrize("lengths", [[1, 1, 1], [4, 4, 4], [2, 5, 1, 3, 5]])
def test_equals_the_equations_written_as_loops(modalities: int, lengths: list[int]) -> None:
    memory_loop.assert_equals_the_loop(*make(modalities, lengths), graph)


@pytest.mark.parametrize(
    "silent", [(("audio", 0),), (("text", 0), ("audio", 2)), (("text", 1), ("audio", 1), ("vision", 1))]
)
def test_who_is_absent_says_nothing(silent: tuple[tuple[str, int], ...]) -> None:
    model, batch = make(3, [2, 4, 3], silent=silent)
    memory_loop.assert_equals_the_loop(model, batch, graph)
    with torch.no_grad():
        for network in model.fusion.summary.single:
            network.second.bias.fill_(1.0)  # what an absent modality would say, if it were asked
    memory_loop.assert_equals_the_loop(model, batch, graph)


@pytest.mark.parametrize(
    "name", ["single.1.first.weight", "efficacy.second.weight", "joint.0.first.weight", "joint.4.second.weight"]
)
def test_another_weight_is_seen(name: str) -> None:
    """The comparison with the loop fails where it should."""
    model, batch = make(3, [3, 2])
    wanted = by_loop(model, batch, 0, graph)[0]
    weight = model.fusion.summary.get_parameter(name)
    with torch.no_grad():
        weight.copy_(weight.flip(1))
    assert abs(model(batch).logits[0].item() - wanted) > 1e-8
    memory_loop.assert_equals_the_loop(model, batch, graph)


@pytest.mark.parametrize(("modalities", "edges"), [(1, 1), (2, 5), (3, 19), (4, 65)])
def test_the_graph_is_as_large_as_its_authors_count(modalities: int, edges: int) -> None:
    """Three modalities make 19 efficacies in the authors' code, four make 65."""
    dims = dict.fromkeys(["text", "audio", "vision", "pulse"][:modalities], 2)
    graph = GraphMFN(DatasetSpec("toy", dims, dict.fromkeys(dims, 1))).fusion.summary
    assert len(graph.edges) == len(set(graph.edges)) == edges
    assert len(graph.joint) == 2**modalities - modalities, "a vertex for each set of several, and the output"


def test_every_network_of_the_graph_learns() -> None:
    """In a plain dictionary no optimiser would find those of several modalities."""
    model, batch = make(3, [3, 2])
    before = {name: value.clone() for name, value in model.fusion.summary.state_dict().items()}
    groups = model.parameter_groups()
    optimizer = torch.optim.SGD([each for group in groups.values() for each in group], lr=0.1)
    model(batch).logits.square().sum().backward()
    optimizer.step()
    moved = {name for name, value in model.fusion.summary.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == set(before)


def test_efficacies_are_the_mean_of_those_of_the_steps() -> None:
    model, batch = make(2, [1, 3])
    found = model.efficacies(batch)
    assert [("".join(s[0] for s in edge.source), edge.target) for edge in found] == [
        ("t", ("text", "audio")),
        ("a", ("text", "audio")),
        ("t", None),
        ("a", None),
        ("ta", None),
    ]
    steps: list[list[float]] = []

    def listening(weights: Weights, before: Mapping[str, Array], after: Mapping[str, Array], heard: set[str]) -> Array:
        steps.append(alphas(weights, vertices_of_one(weights, before, after, heard)))
        return graph(weights, before, after, heard)

    for row in range(2):
        steps.clear()
        by_loop(model, batch, row, listening)
        assert len(steps) == [1, 3][row]
        np.testing.assert_allclose([each[row].item() for each in found.values()], np.mean(steps, axis=0), atol=1e-10)


def test_predictions_do_not_start_shrunk_nor_explode() -> None:
    dims = {"text": 100, "audio": 73, "vision": 100}
    for steps in (1, 20):
        mask = torch.ones(256, steps, dtype=torch.bool)
        sequences = {name: ModalitySequence(torch.randn(256, steps, dim), mask) for name, dim in dims.items()}
        torch.manual_seed(0)
        model = GraphMFN(DatasetSpec("toy", dims, dict.fromkeys(dims, steps))).eval()
        batch = MultimodalBatch(tuple("x" * 256), sequences, torch.zeros(256))
        assert 0.25 < model(batch).logits.std().item() < 2.5
        assert 0.25 < model.fusion.summary(model.fusion.windows(batch)).std().item() < 2.5
