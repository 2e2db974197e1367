from __future__ import annotations

import dataclasses

import pytest
import torch
from misa_samples import SMALL, batch_of, build, spec_of
from torch import Tensor, nn

from comodal.contracts import FusionOutput, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.evaluation.data_config import DataConfig
from comodal.fusion import MISA, MISAConfig
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
from comodal.training.data import prepare
from comodal.training.fit import fit_fold


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


def test_a_term_without_a_sample_is_a_zero_that_can_be_trained() -> None:
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
    assert gradients(model, model(batch_of(spec_of(3))).logits.square().sum()) == wanted


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
    assert not torch.allclose(in_training.logits, in_evaluation.logits)


def test_terms_are_of_single_precision_under_autocast() -> None:
    spec = spec_of(3)
    torch.manual_seed(0)
    model = MISA(spec).eval()
    batch = batch_of(spec, rows=32).to(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out: FusionOutput = model(batch)
    exact = model(batch)
    assert out.logits.dtype == torch.bfloat16
    for name, term in out.terms.items():
        assert term.dtype == torch.float32
        assert term.item() == pytest.approx(exact.terms[name].item(), rel=0.05)


@pytest.mark.parametrize("modalities", [1, 2, 3])
def test_starts_at_a_scale_that_neither_shrinks_nor_explodes(modalities: int) -> None:
    spec = spec_of(modalities)
    batch = batch_of(spec, rows=256).to(torch.float32)
    torch.manual_seed(0)
    model = MISA(spec).eval()
    assert 0.1 < model(batch).logits.std().item() < 2.0
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
