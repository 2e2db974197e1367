from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from subspace_loops import cmd_by_loop, mse_by_loop, orthogonality_by_loop
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.evaluation.experiment import DataConfig, fit_fold, prepare
from comodal.fusion import MISA, MISAConfig
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

Array = np.ndarray
DIMS = {"text": 4, "audio": 2, "vision": 3}
SMALL = MISAConfig(
    EncoderConfig(hidden=9, representation=8), width=8, heads=2, feedforward=7, hidden=3, similarity_weight=0.7
)


def spec_of(modalities: int, steps: int = 3) -> DatasetSpec:
    names = list(DIMS)[:modalities]
    lengths = {name: steps + k for k, name in enumerate(names)}
    return DatasetSpec("toy", {name: DIMS[name] for name in names}, lengths, aligned=False)


def batch_of(spec: DatasetSpec, rows: int = 9, *, missing: bool = False, seed: int = 3) -> MultimodalBatch:
    """Sequences of random lengths, each modality its own; with ``missing``, in every combination of modalities."""
    generator = torch.Generator().manual_seed(seed)
    known = list(itertools.product([True, False], repeat=len(spec.dims)))
    sequences = {}
    for index, (name, dim) in enumerate(spec.dims.items()):
        steps = spec.max_lengths[name]
        lengths = torch.randint(1, steps + 1, (rows, 1), generator=generator)
        if missing:
            lengths = lengths * torch.tensor([[known[row % len(known)][index]] for row in range(rows)])
        values = torch.randn(rows, steps, dim, generator=generator, dtype=torch.float64)
        sequences[name] = ModalitySequence(values, torch.arange(steps) < lengths)
    return MultimodalBatch(tuple(map(str, range(rows))), sequences, torch.zeros(rows, dtype=torch.float64))


def build(spec: DatasetSpec, config: MISAConfig = SMALL, *, seed: int = 0) -> MISA:
    """A model in double precision whose norms and biases are not those of the beginning."""
    torch.manual_seed(seed)
    model = MISA(spec, config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


class ByLoop:
    """Section 3 of the paper and the layers of its code, an utterance, a token and a head at a time."""

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

    def utterance_vector(self, name: str, sequence: ModalitySequence, row: int) -> Array:
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

    def utterance(self, batch: MultimodalBatch, row: int) -> dict[str, Any]:
        vectors = {n: self.utterance_vector(n, batch.modalities[n], row) for n in self.names}
        parts = {n: self.subspaces(n, vector) for n, vector in vectors.items()}
        there = {n: bool(batch.modalities[n].mask[row].any()) for n in self.names}
        tokens = [parts[n][kind] for kind in ("private", "shared") for n in self.names]
        joined = np.concatenate(self.attend(tokens, [*there.values()] * 2))
        fused = np.maximum(self.linear("fuse.0", joined), 0)
        prediction = self.linear("head", fused)[0]
        return {"vectors": vectors, "parts": parts, "there": there, "fused": fused, "prediction": prediction}

    def batch(self, batch: MultimodalBatch) -> tuple[list[dict[str, Any]], dict[str, float]]:
        rows = [self.utterance(batch, row) for row in range(len(batch))]
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
    np.testing.assert_allclose(out.prediction.detach(), [row["prediction"] for row in rows], atol=1e-9)
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
    torch.testing.assert_close(quiet.prediction, model(batch).prediction, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dict(quiet.terms), dict(model(batch).terms), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", ["mean", "lstm"])
def test_every_modality_is_read_to_the_end_of_its_own_mask(kind: str) -> None:
    """The video of an utterance of two words is longer than two frames; ports cut it at the text's length."""
    spec = DatasetSpec("toy", {"text": 4, "vision": 3}, {"text": 2, "vision": 6}, aligned=False)
    model = build(spec, dataclasses.replace(SMALL, encoder=EncoderConfig(kind, hidden=5, representation=6)))
    batch = batch_of(spec)
    vision = ModalitySequence(batch.modalities["vision"].values, torch.arange(6) < torch.full((9, 1), 5))
    before = model(dataclasses.replace(batch, modalities={**batch.modalities, "vision": vision})).prediction
    for frame, heard in ((4, True), (5, False)):
        values = vision.values.clone()
        values[:, frame] += 1.0
        changed = {**batch.modalities, "vision": ModalitySequence(values, vision.mask)}
        after = model(dataclasses.replace(batch, modalities=changed)).prediction
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


def test_an_utterance_counts_in_a_term_only_if_it_has_what_the_term_is_about() -> None:
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


def hidden(batch: MultimodalBatch, *names: str) -> MultimodalBatch:
    changed = {n: ModalitySequence(s.values, s.mask & (n not in names)) for n, s in batch.modalities.items()}
    return dataclasses.replace(batch, modalities=changed)


def gradients(model: MISA, value: Tensor) -> set[str]:
    """Names of the modules that a scalar gives a gradient to."""
    model.zero_grad()
    value.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    heard = {name for name, p in model.named_parameters() if p.grad is not None and (p.grad != 0).any()}
    modules = (
        "encoders",
        "attention",
        "fuse",
        "head",
        *(f"subspaces.{part}" for part in ("project", "shared", "private", "decode")),
    )
    return {module for module in modules if any(name.startswith(f"{module}.") for name in heard)}


def test_a_term_without_an_utterance_is_a_zero_that_can_be_trained() -> None:
    model = build(spec_of(2))
    batch = batch_of(spec_of(2))
    alone = model(hidden(batch, "audio")).terms
    assert alone["similarity"].item() == 0.0
    assert alone["difference"].item() > 0.0
    assert gradients(model, alone["similarity"]) == set()
    nothing = model(hidden(batch, "audio", "text")).terms
    assert [term.item() for term in nothing.values()] == [0.0, 0.0, 0.0]
    assert gradients(model, torch.stack([*nothing.values()]).sum()) == set()


SPLIT = {"encoders", "subspaces.project", "subspaces.shared"}


@pytest.mark.parametrize(
    ("term", "trained"),
    [
        ("similarity", SPLIT),
        ("difference", {*SPLIT, "subspaces.private"}),
        ("reconstruction", {*SPLIT, "subspaces.private", "subspaces.decode"}),
    ],
)
def test_every_term_trains_its_parts(term: str, trained: set[str]) -> None:
    model = build(spec_of(3))
    assert gradients(model, model(batch_of(spec_of(3))).terms[term]) == trained


def test_the_prediction_trains_everything_but_the_decoders() -> None:
    model = build(spec_of(3))
    wanted = {*SPLIT, "subspaces.private", "attention", "fuse", "head"}
    assert gradients(model, model(batch_of(spec_of(3))).prediction.square().sum()) == wanted


@pytest.mark.parametrize("term", ["similarity", "difference", "reconstruction"])
def test_every_term_can_be_learnt(term: str) -> None:
    spec = spec_of(3)
    model = build(spec)
    batch = batch_of(spec, rows=32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = model(batch).terms[term]
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.6 * values[0]


def test_training_minimises_and_logs_every_term_beside_a_penalty() -> None:
    data = DataConfig(source="synthetic").load()
    config = RunConfig(
        fusion="misa", penalty=PenaltyConfig(measure="kl"), training=TrainingConfig(max_epochs=3, accelerator="cpu")
    )
    first, *_, last = fit_fold(prepare(data, data.partitions[0]), config).history
    logged = {"task", "similarity", "difference", "reconstruction", "dependency"}
    assert {name.removeprefix("train_") for name in first if name.startswith("train_")} == logged
    assert last["train_similarity"] < first["train_similarity"]
    assert last["train_reconstruction"] < first["train_reconstruction"]


def test_weights_of_the_terms_are_those_of_the_config() -> None:
    spec = spec_of(3)
    batch = batch_of(spec)
    model = build(spec, dataclasses.replace(SMALL, similarity_weight=1.0, difference_weight=1.0))
    other = build(
        spec, dataclasses.replace(SMALL, similarity_weight=0.5, difference_weight=3.0, reconstruction_weight=0.0)
    )
    once, weighted = model(batch).terms, other(batch).terms
    assert weighted["similarity"].item() == pytest.approx(0.5 * once["similarity"].item())
    assert weighted["difference"].item() == pytest.approx(3 * once["difference"].item())
    assert weighted["reconstruction"].item() == 0.0 < once["reconstruction"].item()


def test_highest_moment_is_that_of_the_config() -> None:
    spec = spec_of(3)
    batch = batch_of(spec)
    values = [build(spec, dataclasses.replace(SMALL, moments=k))(batch).terms["similarity"].item() for k in (1, 2, 5)]
    assert values == sorted(values)
    assert len(set(values)) == 3


def still(model: MISA) -> MISA:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def test_modality_dropout_hides_from_the_fusion_and_not_from_the_terms() -> None:
    spec = spec_of(3)
    model = still(build(spec, dataclasses.replace(SMALL, modality_dropout=0.9)))
    batch = batch_of(spec, rows=32)
    in_training, in_evaluation = model.train()(batch), model.eval()(batch)
    for name, term in in_training.terms.items():
        assert torch.equal(term, in_evaluation.terms[name])
    assert not torch.allclose(in_training.prediction, in_evaluation.prediction)


def test_terms_are_of_single_precision_under_autocast() -> None:
    spec = spec_of(3)
    torch.manual_seed(0)
    model = MISA(spec).eval()
    batch = batch_of(spec, rows=32).to(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out: FusionOutput = model(batch)
    exact = model(batch)
    assert out.prediction.dtype == torch.bfloat16
    for name, term in out.terms.items():
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(exact.terms[name].item(), rel=0.05)


@pytest.mark.parametrize("modalities", [1, 2, 3])
def test_starts_at_a_scale_that_neither_shrinks_nor_explodes(modalities: int) -> None:
    spec = spec_of(modalities)
    batch = batch_of(spec, rows=256).to(torch.float32)
    torch.manual_seed(0)
    model = MISA(spec).eval()
    assert 0.1 < model(batch).prediction.std().item() < 2.0
    parts = model.subspaces(model.encoders(batch))
    assert parts.shared.std(dim=1).mean() > 0.1, "PyTorch's own weights leave less of a sigmoid"


def test_sizes_and_rates_are_those_of_the_config() -> None:
    encoder = EncoderConfig(hidden=5, representation=6, input_dropout=0.11, dropout=0.12)
    config = MISAConfig(encoder, width=8, heads=4, feedforward=9, hidden=3, attention_dropout=0.13, dropout=0.14)
    model = MISA(spec_of(2), config)
    assert (model.dims, model.fused_dim) == ({"text": 6, "audio": 6}, 3)
    assert tuple(model.subspaces.project["audio"][0].weight.shape) == (8, 6)
    assert tuple(model.attention.linear1.weight.shape) == (9, 8)
    assert model.attention.self_attn.num_heads == 4
    assert tuple(model.fuse[0].weight.shape) == (3, 2 * 2 * 8)
    rates = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.11, 0.12, 0.11, 0.12, 0.13, 0.13, 0.13, 0.14]
    assert model.attention.self_attn.dropout == 0.13


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "^MISA width is 0: give a positive number$"),
        ({"heads": 0}, "^MISA heads is 0: give a positive number$"),
        ({"feedforward": -1}, "^MISA feedforward is -1: give a positive number$"),
        ({"hidden": 0}, "^MISA hidden is 0: give a positive number$"),
        ({"moments": 0}, "^MISA moments is 0: give a positive number$"),
        ({"width": 64, "heads": 3}, "^MISA heads is 3: give a number that divides the width, 64$"),
        ({"similarity_weight": -0.1}, "^MISA similarity_weight is -0.1: give a number that is not negative$"),
        ({"difference_weight": float("nan")}, "^MISA difference_weight is nan: give a number that is not negative$"),
        ({"reconstruction_weight": -1.0}, "^MISA reconstruction_weight is -1.0: give a number that is not negative$"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MISAConfig(**options)
