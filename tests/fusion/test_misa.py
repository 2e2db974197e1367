from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from misa_samples import SMALL, batch_of, build, spec_of
from subspace_loops import cmd_by_loop, mse_by_loop, orthogonality_by_loop
from torch import Tensor

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.fusion import MISA

Array = np.ndarray[Any, np.dtype[np.float64]]


class ByLoop:
    """Section 3 of the paper and the layers of its code, a sample, a token and a head at a time."""

    def __init__(self, model: MISA) -> None:
        self.weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
        self.names = list(model.dims)
        self.heads = model.config.heads
        self.config = model.config

    def linear(self, name: str, x: Array) -> Array:
        return self.weights[f"{name}.weight"] @ x + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: Array) -> Array:
        scaled = (x - x.mean()) / math.sqrt(x.var() + 1e-5)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def bounded(self, name: str, x: Array) -> Array:
        return 1 / (1 + np.exp(-self.linear(f"{name}.0", x)))

    def sample_vector(self, name: str, sequence: ModalitySequence, row: int) -> Array:
        frames = [sequence.values[row, t].numpy() for t in range(sequence.mask.shape[1]) if sequence.mask[row, t]]
        mean = sum(frames) / len(frames) if frames else np.zeros(sequence.values.shape[2])
        layers = f"encoders.encoders.{name}.layers"
        return self.norm(f"{layers}.5", self.linear(f"{layers}.4", np.maximum(self.linear(f"{layers}.1", mean), 0)))

    def subspaces(self, name: str, vector: Array) -> dict[str, Array]:
        first = np.maximum(self.linear(f"subspaces.project.{name}.0", vector), 0)
        projected = self.norm(f"subspaces.project.{name}.2", first)
        shared = self.bounded("subspaces.shared", projected)
        private = self.bounded(f"subspaces.private.{name}", projected)
        recovered = self.linear(f"subspaces.decode.{name}", shared + private)
        return {"projected": projected, "shared": shared, "private": private, "recovered": recovered}

    def attend(self, tokens: list[Array], known: list[bool]) -> list[Array]:
        """The layer's output for every token that is known, zeros for the others."""
        width = len(tokens[0])
        stacked, bias = (
            self.weights["attention.self_attn.in_proj_weight"],
            self.weights["attention.self_attn.in_proj_bias"],
        )
        projected = [stacked @ token + bias for token in tokens]
        out = []
        for i, token in enumerate(tokens):
            if not known[i]:
                out.append(np.zeros(width))
                continue
            heads = [self.head(projected, known, i, h, width) for h in range(self.heads)]
            joined = self.linear("attention.self_attn.out_proj", np.concatenate(heads))
            heard = self.norm("attention.norm1", token + joined)
            forward = self.linear("attention.linear2", np.maximum(self.linear("attention.linear1", heard), 0))
            out.append(self.norm("attention.norm2", heard + forward))
        return out

    def head(self, projected: list[Array], known: list[bool], query: int, head: int, width: int) -> Array:
        size = width // self.heads
        at = slice(head * size, (head + 1) * size)
        queries, keys, values = ([p[k * width : (k + 1) * width][at] for p in projected] for k in range(3))
        scores = [
            math.exp(queries[query] @ key / math.sqrt(size)) * seen for key, seen in zip(keys, known, strict=True)
        ]
        return sum(score / sum(scores) * value for score, value in zip(scores, values, strict=True))

    def sample(self, batch: MultimodalBatch, row: int) -> dict[str, Any]:
        vectors = {n: self.sample_vector(n, batch.modalities[n], row) for n in self.names}
        parts = {n: self.subspaces(n, vector) for n, vector in vectors.items()}
        there = {n: bool(batch.modalities[n].mask[row].any()) for n in self.names}
        tokens = [parts[n][kind] for kind in ("private", "shared") for n in self.names]
        joined = np.concatenate(self.attend(tokens, [*there.values()] * 2))
        fused = np.maximum(self.linear("fuse.0", joined), 0)
        prediction = self.linear("head", fused)[0]
        return {"vectors": vectors, "parts": parts, "there": there, "fused": fused, "prediction": prediction}

    def batch(self, batch: MultimodalBatch) -> tuple[list[dict[str, Any]], dict[str, float]]:
        rows = [self.sample(batch, row) for row in range(len(batch))]
        return rows, self.terms(rows)

    def terms(self, rows: list[dict[str, Any]]) -> dict[str, float]:
        def sample(kind: str, name: str, *others: str) -> Array:
            chosen = [row for row in rows if all(row["there"][each] for each in (name, *others))]
            return np.array([row["parts"][name][kind] for row in chosen]).reshape(-1, self.config.width)

        pairs = list(itertools.combinations(self.names, 2))
        similar = [cmd_by_loop(sample("shared", a, b), sample("shared", b, a), self.config.moments) for a, b in pairs]
        different = [orthogonality_by_loop(sample("shared", n), sample("private", n)) for n in self.names]
        different += [orthogonality_by_loop(sample("private", a, b), sample("private", b, a)) for a, b in pairs]
        errors = [mse_by_loop(sample("recovered", n), sample("projected", n)) for n in self.names]
        similarity = {"similarity": self.config.similarity_weight * sum(similar) / len(pairs)} if pairs else {}
        return {
            **similarity,
            "difference": self.config.difference_weight * sum(different),
            "reconstruction": self.config.reconstruction_weight * sum(errors) / len(errors),
        }


def assert_equals_the_loops(model: MISA, by_loop: ByLoop, batch: MultimodalBatch) -> None:
    out = model(batch)
    rows, terms = by_loop.batch(batch)
    for name in model.dims:
        wanted = np.array([row["vectors"][name] for row in rows])
        np.testing.assert_allclose(out.representations[name].detach(), wanted, atol=1e-9)
    np.testing.assert_allclose(out.fused.detach(), np.array([row["fused"] for row in rows]), atol=1e-9)
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), [row["prediction"] for row in rows], atol=1e-9)
    assert {name: term.item() for name, term in out.terms.items()} == pytest.approx(terms, abs=1e-9)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("modalities", [1, 2, 3])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_the_papers_equations(modalities: int, missing: bool, heads: int) -> None:
    spec = spec_of(modalities)
    model = build(spec, dataclasses.replace(SMALL, heads=heads))
    assert_equals_the_loops(model, ByLoop(model), batch_of(spec, missing=missing))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("subspaces.private.text.0.weight", "subspaces.private.audio.0.weight"),
        ("subspaces.shared.0.weight", "subspaces.private.text.0.weight"),
        ("subspaces.decode.text.weight", "subspaces.decode.audio.weight"),
        ("attention.norm1.weight", "attention.norm2.weight"),
        ("attention.self_attn.out_proj.weight", "subspaces.shared.0.weight"),
    ],
)
def test_the_equations_see_weights_that_are_swapped(one: str, other: str) -> None:
    spec = spec_of(2)
    model = build(spec)
    by_loop = ByLoop(model)
    by_loop.weights[one], by_loop.weights[other] = by_loop.weights[other], by_loop.weights[one]
    with pytest.raises(AssertionError):
        assert_equals_the_loops(model, by_loop, batch_of(spec))


def test_without_gradients_it_predicts_the_same() -> None:
    """PyTorch takes another path through the attention there."""
    spec = spec_of(3)
    torch.manual_seed(0)
    model = MISA(spec).eval()
    batch = batch_of(spec, missing=True).to(torch.float32)
    with torch.no_grad():
        quiet = model(batch)
    torch.testing.assert_close(quiet.logits, model(batch).logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dict(quiet.terms), dict(model(batch).terms), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", ["mean", "lstm"])
def test_every_modality_is_read_to_the_end_of_its_own_mask(kind: str) -> None:
    """The video of a sample of two words is longer than two frames; ports cut it at the text's length."""
    spec = DatasetSpec("toy", {"text": 4, "vision": 3}, {"text": 2, "vision": 6}, aligned=False)
    model = build(spec, dataclasses.replace(SMALL, encoder=EncoderConfig(kind, hidden=5, representation=6)))
    batch = batch_of(spec)
    vision = ModalitySequence(batch.modalities["vision"].values, torch.arange(6) < torch.full((9, 1), 5))
    before = model(dataclasses.replace(batch, modalities={**batch.modalities, "vision": vision})).logits
    for frame, heard in ((4, True), (5, False)):
        values = vision.values.clone()
        values[:, frame] += 1.0
        changed = {**batch.modalities, "vision": ModalitySequence(values, vision.mask)}
        after = model(dataclasses.replace(batch, modalities=changed)).logits
        assert torch.equal(after, before) != heard, frame


def test_a_single_modality_has_nothing_to_be_similar_to() -> None:
    model = build(spec_of(1))
    terms = model(batch_of(spec_of(1))).terms
    assert list(terms) == ["difference", "reconstruction"]
    assert all(term > 0 for term in terms.values())


def rows_of(batch: MultimodalBatch, rows: Tensor) -> MultimodalBatch:
    sequences = {name: ModalitySequence(s.values[rows], s.mask[rows]) for name, s in batch.modalities.items()}
    ids = tuple(name for name, chosen in zip(batch.id, rows.tolist(), strict=True) if chosen)
    return MultimodalBatch(ids, sequences, batch.target[rows])


def test_a_sample_counts_in_a_term_only_if_it_has_what_the_term_is_about() -> None:
    spec = spec_of(2)
    model = build(spec)
    batch = batch_of(spec, rows=12, missing=True)
    text, audio = (batch.modalities[name].present for name in ("text", "audio"))
    both, either = rows_of(batch, text & audio), rows_of(batch, text | audio)
    assert len(both) < len(either) < len(batch)
    terms = model(batch).terms
    torch.testing.assert_close(model(both).terms["similarity"], terms["similarity"])
    torch.testing.assert_close(dict(model(either).terms), dict(terms))
    assert not torch.isclose(model(both).terms["reconstruction"], terms["reconstruction"])
