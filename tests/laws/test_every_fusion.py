"""What every fusion architecture promises, whoever adds one: the family is the registry."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fusion_batches import NAMES, changed, legal, make_batch, nonsense, spec_of, with_sequences, without
from refusals import refused
from tiny_language_models import VOCABULARY, save_tiny
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, ModalitySequence
from comodal.fusion import FUSIONS, fusion_family
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

MUST_BE_GIVEN: dict[str, dict[str, Any]] = {}
"""Options without which an architecture cannot be built."""

pytestmark = pytest.mark.parametrize("name", FUSIONS)


@pytest.fixture(scope="session", autouse=True)
def _language_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    backbone = save_tiny(tmp_path_factory.mktemp("backbone"))
    MUST_BE_GIVEN.update({name: {"backbone": backbone} for name, family in FUSIONS.items() if family.tokenizer})


def build(name: str, spec: DatasetSpec, *, seed: int = 1, **options: Any) -> Any:
    torch.manual_seed(seed)
    family = fusion_family(name)
    return family.build(spec, family.config(**MUST_BE_GIVEN.get(name, {}) | options))


def quiet(model: Any) -> Any:
    """The same model without dropout of units; modality dropout stays."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return model


def objective(out: FusionOutput) -> Tensor:
    """A scalar that everything a model trains has a part in."""
    total: Tensor = out.logits.float().square().sum()
    for term in out.terms.values():
        total = total + term.float()
    return total


def gradient(model: nn.Module, sequence: ModalitySequence) -> Tensor:
    """``(B, T, d)`` gradient of every frame, or of the embedding of every word."""
    if sequence.values.is_floating_point():
        assert sequence.values.grad is not None
        return sequence.values.grad
    embeddings = [m.weight for m in model.modules() if isinstance(m, nn.Embedding) and len(m.weight) == VOCABULARY]
    assert len(embeddings) == 1
    assert embeddings[0].grad is not None
    return embeddings[0].grad[sequence.values[..., 0]]


def assert_same(got: FusionOutput, wanted: FusionOutput, **tolerance: float) -> None:
    torch.testing.assert_close(got.logits, wanted.logits, **tolerance)
    torch.testing.assert_close(got.fused, wanted.fused, **tolerance)
    torch.testing.assert_close(dict(got.representations), dict(wanted.representations), **tolerance)


@pytest.mark.parametrize("modalities", [1, 2, 3, 5])
@pytest.mark.parametrize("steps", [1, 6])
def test_output_has_the_shapes_it_declares(name: str, modalities: int, steps: int) -> None:
    spec = spec_of(name, modalities, steps)
    model = build(name, spec)
    out = model(make_batch(spec, 7))
    assert out.logits.shape == (7, 1)
    assert out.fused.shape == (7, model.fused_dim)
    assert {m: tuple(z.shape) for m, z in out.representations.items()} == {m: (7, d) for m, d in model.dims.items()}
    assert tuple(model.dims) == spec.modalities
    assert model.input_spec.min_modalities <= modalities


def test_by_default_representations_have_one_width_so_that_every_measure_takes_them(name: str) -> None:
    assert len(set(build(name, spec_of(name, 3)).dims.values())) == 1


def test_a_batch_of_one_sample(name: str) -> None:
    spec = spec_of(name, 3)
    model = build(name, spec).eval()
    batch = make_batch(spec, 8)
    first = dataclasses.replace(
        with_sequences(batch, lambda _, s: ModalitySequence(s.values[:1], s.mask[:1])), id=batch.id[:1]
    )
    torch.testing.assert_close(model(first).logits, model(batch).logits[:1])


@pytest.mark.parametrize("filler", [0.0, 7.0, float("nan"), float("inf")])
def test_extra_padding_changes_nothing(name: str, filler: float) -> None:
    spec = spec_of(name, 3, 4)
    model = build(name, spec).eval()
    batch = make_batch(spec)

    def pad(_: str, sequence: ModalitySequence) -> ModalitySequence:
        mask = torch.cat([sequence.mask, torch.zeros(len(batch), 3, dtype=torch.bool)], dim=1)
        longer = torch.cat([sequence.values, torch.zeros_like(sequence.values[:, :1]).expand(-1, 3, -1)], dim=1)
        return ModalitySequence(torch.where(mask.unsqueeze(-1), longer, nonsense(longer, filler)), mask)

    assert_same(model(with_sequences(batch, pad)), model(batch), atol=1e-6, rtol=1e-5)
    unmasked = with_sequences(
        batch, lambda n, s: ModalitySequence(legal(pad(n, s).values), torch.ones_like(pad(n, s).mask))
    )
    assert not torch.allclose(model(unmasked).logits, model(batch).logits), "a mask that is ignored goes unseen"


def test_order_of_the_batch_is_the_order_of_the_output(name: str) -> None:
    spec = spec_of(name, 3, 4)
    model = build(name, spec).eval()
    batch = make_batch(spec)
    order = torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])
    moved = model(with_sequences(batch, lambda _, s: ModalitySequence(s.values[order], s.mask[order])))
    out = model(batch)
    wanted = FusionOutput(out.logits[order], out.fused[order], {n: z[order] for n, z in out.representations.items()})
    assert_same(moved, wanted, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(moved.logits, out.logits)


def test_order_of_the_modalities_in_a_batch_does_not_matter(name: str) -> None:
    spec = spec_of(name, 3)
    model = build(name, spec).eval()
    batch = without(make_batch(spec), "text")
    turned = dataclasses.replace(batch, modalities=dict(reversed(batch.modalities.items())))
    assert_same(model(turned), model(batch), atol=0.0, rtol=0.0)


MEMORY = (
    "fusion.memory.retain.",
    "fusion.memory.remembered",
    *(f"fusion.encoders.encoders.{each}.weight_hh" for each in NAMES),
)
SILENT_IN_ONE_STEP: dict[str, tuple[str, ...]] = {"ef_lstm": ("lstm.weight_hh",), "mfn": MEMORY, "graph_mfn": MEMORY}
"""How the names of parameters start that multiply the state before the first step, which is zero."""


@pytest.mark.parametrize("steps", [1, 4])
def test_gradient_reaches_every_modality_and_every_parameter(name: str, steps: int) -> None:
    spec = spec_of(name, 4, steps)
    model = build(name, spec).eval()
    batch = make_batch(spec, 64)
    for sequence in batch.modalities.values():
        sequence.values.requires_grad_(requires_grad=sequence.values.is_floating_point())
    objective(model(batch)).backward()
    for modality, sequence in batch.modalities.items():
        real = sequence.mask.unsqueeze(-1)
        assert (gradient(model, sequence).abs() * real).sum() > 0, modality
        assert (gradient(model, sequence).abs() * ~real).sum() == 0, f"padding of {modality}"
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        silent = steps == 1 and parameter_name.startswith(SILENT_IN_ONE_STEP.get(name, ()))
        assert (parameter.grad.abs().sum() > 0) != silent, parameter_name


def test_every_representation_is_told_by_its_own_modality_alone(name: str) -> None:
    spec = spec_of(name, 3)
    model = build(name, spec).eval()
    batch = make_batch(spec)
    out = model(batch)
    for chosen in spec.modalities:
        other = model(
            with_sequences(
                batch, lambda n, s, chosen=chosen: ModalitySequence(changed(s.values), s.mask) if n == chosen else s
            )
        )
        differ = {n for n in spec.modalities if not torch.equal(other.representations[n], out.representations[n])}
        assert differ == {chosen}
        assert not torch.allclose(other.logits, out.logits)


def group_counts(model: nn.Module) -> dict[str, int]:
    listed = [id(p) for parameters in model.parameter_groups().values() for p in parameters]
    return {name: listed.count(id(parameter)) for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("modalities", [1, 3])
def test_every_parameter_is_in_exactly_one_group(name: str, modalities: int) -> None:
    model = build(name, spec_of(name, modalities))
    assert set(group_counts(model).values()) == {1}
    trained = {id(p) for group in build_optimizer(model, TrainingConfig()).param_groups for p in group["params"]}
    assert trained == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("twice", [False, True])
def test_a_parameter_in_no_group_or_in_two_is_refused(name: str, twice: bool) -> None:
    model = build(name, spec_of(name, 2))
    groups = model.parameter_groups()
    *most, last = groups["fusion"]
    broken = {**groups, "fusion": most} if not twice else {**groups, "again": [last]}
    model.parameter_groups = lambda: broken
    assert set(group_counts(model).values()) != {1}
    with pytest.raises(InputError):
        build_optimizer(model, TrainingConfig())


STARTS_SMALL = {"ef_lstm": "the state of its LSTM starts small", "mag": "its head is at PyTorch's own scale"}
"""Architectures whose predictions start at less than a fifth of unit scale, and why."""


@pytest.mark.parametrize("modalities", [1, 3, 5])
@pytest.mark.parametrize("steps", [1, 6])
def test_predictions_start_at_unit_scale_whatever_the_number_of_modalities(
    name: str, modalities: int, steps: int
) -> None:
    spec = spec_of(name, modalities, steps)
    spread = build(name, spec).eval()(make_batch(spec, 256)).logits.std().item()
    assert (0.01 if name in STARTS_SMALL else 0.2) < spread < 5.0
    assert (spread > 0.3) != (name in STARTS_SMALL), "take its name from the list"


def test_a_batch_without_a_modality_is_refused(name: str) -> None:
    spec = spec_of(name, 2)
    batch = make_batch(spec)
    with refused("missing", "'audio'"):
        build(name, spec)(dataclasses.replace(batch, modalities={"text": batch.modalities["text"]}))


def test_saved_and_loaded_it_predicts_the_same(name: str, tmp_path: Any) -> None:
    spec = spec_of(name, 3, 4)
    model = build(name, spec).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other = build(name, spec).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.5)
    batch = make_batch(spec)
    assert not torch.equal(other(batch).logits, model(batch).logits)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert_same(other(batch), model(batch), atol=0.0, rtol=0.0)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("filler", [1e6, float("nan")])
def test_a_masked_modality_has_no_say(name: str, steps: int, filler: float) -> None:
    spec = spec_of(name, 3, steps)
    model = build(name, spec).eval()
    batch = make_batch(spec)
    hidden = model(without(batch, "audio"))
    assert hidden.logits.isfinite().all()
    assert_same(model(without(batch, "audio", values=filler)), hidden, atol=0.0, rtol=0.0)
    assert not torch.allclose(hidden.logits, model(batch).logits), "audio has no say to begin with"


def test_a_masked_modality_gives_no_gradient_to_its_encoder(name: str) -> None:
    spec = spec_of(name, 3)
    model = build(name, spec).eval()
    objective(model(without(make_batch(spec), "audio", values=float("nan")))).backward()
    heard = []
    for parameter_name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        assert parameter.grad.isfinite().all(), parameter_name
        if parameter.grad.abs().sum() > 0:
            heard.append(parameter_name)
    assert heard
    assert not [each for each in heard if "encoders.audio." in each]


def test_without_any_modality_the_prediction_is_a_finite_constant(name: str) -> None:
    spec = spec_of(name, 2)
    model = build(name, spec).eval()
    batch = make_batch(spec)
    prediction = model(without(without(batch, "text"), "audio", values=3.0)).logits
    assert prediction.isfinite().all()
    assert prediction.unique().numel() == 1


def test_one_modality_alone_learns(name: str) -> None:
    spec = spec_of(name, 1)
    model = quiet(build(name, spec))
    batch = make_batch(spec, 32)
    feature = batch.modalities["text"].values[:, 0, 0].float()
    target = (feature - feature.mean()) / feature.std()
    optimizer = build_optimizer(model, TrainingConfig(lr=0.01))
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch).logits.squeeze(1), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * target.var().item()
    assert losses[0] > losses[-1]


def test_bf16_autocast_stays_near_float32(name: str) -> None:
    spec = spec_of(name, 3, 4)
    model = build(name, spec).eval()
    batch = make_batch(spec, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(batch)
        objective(out).backward()
    exact = model(batch).logits
    error = (out.logits.float() - exact).abs().max()
    assert 0.0 < error < 0.05 * exact.abs().max().clamp_min(1.0), "zero would mean that nothing ran in bf16"
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


NOT_IN_ONE_GRAPH: dict[str, str] = {"ef_lstm": "TorchDynamo does not trace nn.LSTM"}
"""Architectures that torch.compile takes in several graphs, and why."""


# TorchDynamo looks at the gradient of every tensor that one graph hands to the next.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("steps", [1, 4])
def test_compiled_it_predicts_the_same(name: str, steps: int) -> None:
    whole = name not in NOT_IN_ONE_GRAPH
    spec = spec_of(name, 2, steps)  # tracing takes seconds for every modality more
    model = build(name, spec).eval()
    batch = make_batch(spec)
    torch._dynamo.reset()
    graphs: list[torch.fx.GraphModule] = []

    def eager(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        del inputs
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(model, backend=eager, fullgraph=whole)
    assert_same(compiled(batch), model(batch), atol=1e-6, rtol=1e-5)
    assert graphs, "nothing was compiled"
    assert (len(graphs) == 1) == whole, "it is in one graph now: take its name from the list"
    torch._dynamo.reset()


def test_dropout_is_determined_by_the_seed(name: str) -> None:
    spec = spec_of(name, 3)
    model = build(name, spec).train()
    batch = make_batch(spec)

    def predict(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(batch).logits

    assert torch.equal(predict(5), predict(5))
    assert not torch.equal(predict(5), predict(6))


def test_evaluation_draws_no_random_number(name: str) -> None:
    spec = spec_of(name, 3)
    model = build(name, spec).eval()
    batch = make_batch(spec)
    before = torch.get_rng_state()
    assert torch.equal(model(batch).logits, model(batch).logits)
    assert torch.equal(torch.get_rng_state(), before)
    model.train()(batch)
    assert not torch.equal(torch.get_rng_state(), before), "training must draw, or the check above shows nothing"


def test_modality_dropout_hides_from_fusion_and_not_from_the_penalty(name: str) -> None:
    """A penalty sees complete tuples: in training the representations are those of every modality that is there."""
    spec = spec_of(name, 3)
    model = quiet(build(name, spec, modality_dropout=0.9))
    batch = make_batch(spec, 64)
    in_training, in_evaluation = model.train()(batch), model.eval()(batch)
    for modality in spec.modalities:
        assert torch.equal(in_training.representations[modality], in_evaluation.representations[modality])
    assert not torch.allclose(in_training.logits, in_evaluation.logits)


def test_two_models_of_one_seed_are_equal_and_of_two_are_not(name: str) -> None:
    spec = spec_of(name, 2)
    one, two = build(name, spec), build(name, spec)
    for (parameter_name, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b), parameter_name
    three = build(name, spec, seed=99)
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), three.parameters(), strict=True))
