"""A penalty attached by name is the penalty of the same representations, whatever wraps the model."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tests.support.refusals import refused
from torch import nn
from torch.utils.checkpoint import checkpoint

import comodal
from comodal.dependency import DependencyPenalty

LAYERS = {"text": "encoders.text", "audio": "encoders.audio"}


class Hidden(nn.Module):
    """A classifier that keeps its representations to itself."""

    def __init__(self, *, checkpointed: bool = False, reentrant: bool = False) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"text": nn.Linear(5, 8), "audio": nn.Linear(3, 4)})
        self.head = nn.Linear(12, 2)
        self.unused = nn.Linear(2, 2)
        self.checkpointed, self.reentrant = checkpointed, reentrant

    def forward(self, text: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        if self.checkpointed:
            joined = checkpoint(self._joined, text, audio, use_reentrant=self.reentrant)
        else:
            joined = self._joined(text, audio)
        return self.head(joined.relu())

    def _joined(self, text: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.encoders["text"](text), self.encoders["audio"](audio)], dim=-1)


def batch(seed: int = 0, n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(n, 5, generator=generator)
    return text, text[:, :3] + 0.1 * torch.randn(n, 3, generator=generator)


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [each.grad.clone() for each in model.parameters() if each.grad is not None]


def by_hand(model: Hidden, given: list[tuple[torch.Tensor, torch.Tensor]]) -> list[torch.Tensor]:
    """Gradients with the penalty called on the representations themselves."""
    penalty = DependencyPenalty("kl", dims={"text": 8, "audio": 4}, weight=0.5)
    for text, audio in given:
        views = {"text": model.encoders["text"](text), "audio": model.encoders["audio"](audio)}
        penalty.update_critic(views)
        joined = torch.cat(list(views.values()), dim=1)
        (model.head(joined.relu()).square().mean() + penalty(views)).backward()
    return gradients(model)


def attached(model: nn.Module, given: list[tuple[torch.Tensor, torch.Tensor]], run=None) -> list[torch.Tensor]:
    penalty = comodal.attach(model, LAYERS, measure="kl", weight=0.5)
    for text, audio in given:
        loss = (run or model)(text, audio).square().mean()
        (loss + penalty()).backward()
    return gradients(model)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_are_those_of_the_penalty_called_by_hand(checkpointed):
    model = Hidden(checkpointed=checkpointed)
    twin = copy.deepcopy(model)
    given = [batch(0), batch(1)]  # two passes before a step: gradients accumulate
    torch.testing.assert_close(attached(model, given), by_hand(twin, given))


@pytest.mark.slow
def test_a_compiled_model_has_the_same_gradients():
    model = Hidden()
    twin = copy.deepcopy(model)
    penalty = comodal.attach(model, LAYERS, measure="kl", weight=0.5)
    compiled = torch.compile(model, backend="aot_eager")
    (compiled(*batch()).square().mean() + penalty()).backward()
    torch.testing.assert_close(gradients(model), by_hand(twin, [batch()]))


def test_under_autocast_the_term_is_float32():
    model = Hidden()
    penalty = comodal.attach(model, LAYERS, measure="kl")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(*batch()).float().mean() + penalty()
    assert loss.dtype == torch.float32
    loss.backward()
    assert torch.isfinite(model.encoders["text"].weight.grad).all()


def test_removed_hooks_leave_the_model_as_it_was():
    model = Hidden()
    penalty = comodal.attach(model, LAYERS)
    penalty.remove()
    model(*batch())
    assert not any(each._forward_hooks for each in model.modules())
    with refused("conflict", "removed"):
        penalty()


def test_a_copy_of_the_model_keeps_nothing_for_the_penalty():
    model = Hidden()
    twin = copy.deepcopy(model)
    penalty = comodal.attach(model, LAYERS, measure="kl", weight=0.5)
    copied = copy.deepcopy(model)
    loss = model(*batch()).square().mean()
    with torch.no_grad():
        copied(*batch(5, n=7))  # a moving average or a teacher
    (loss + penalty()).backward()
    torch.testing.assert_close(gradients(model), by_hand(twin, [batch()]))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_model_and_penalty_are_copied_and_saved_together(copied):
    model = Hidden()
    penalty = comodal.attach(model, LAYERS, measure="kl", weight=0.5)
    model(*batch(1))
    penalty()
    model(*batch(2))  # what a layer returned is no part of a copy
    twin, twins = copied((model, penalty))
    with refused("missing", "text"):
        twins()
    twin(*batch(3))
    model(*batch(3))
    assert torch.equal(twins(), penalty())
    assert "encoders.text.weight" in pickle.loads(pickle.dumps(model)).state_dict()
    twins.remove()
    assert not any(each._forward_hooks for each in twin.modules())
    model(*batch(4))
    assert torch.isfinite(penalty())


def test_data_parallel_replicas_are_refused():
    model = Hidden()
    comodal.attach(model, LAYERS)  # dropped at once: its hooks keep nothing
    model(*batch())
    penalty = comodal.attach(model, LAYERS)
    replica = model.encoders["text"]._replicate_for_data_parallel()
    replica.weight, replica.bias = model.encoders["text"].weight, model.encoders["text"].bias
    with refused("conflict", "text", "DataParallel"):
        replica(batch()[0])
    assert penalty.training


def test_a_first_call_in_inference_mode_leaves_a_critic_that_learns():
    model = Hidden()
    penalty = comodal.attach(model, LAYERS, measure="kl")
    with torch.inference_mode():
        model(*batch())
        penalty()
    before = copy.deepcopy(penalty.state_dict())
    model(*batch())
    penalty().backward()
    assert any(not torch.equal(before[k], v) for k, v in penalty.state_dict().items() if k.endswith("weight"))


def test_a_state_goes_on_where_it_was():
    def run(steps: range, state: dict | None = None) -> tuple[list[float], dict]:
        torch.manual_seed(0)
        model = Hidden()
        penalty = comodal.attach(model, LAYERS, measure="mine", weight=0.5)
        if state:
            penalty.load_state_dict(state)
        found = []
        for step in steps:
            model(*batch(step))
            found.append(penalty().item())
        return found, copy.deepcopy(penalty.state_dict())

    whole, _ = run(range(4))
    first, state = run(range(2))
    second, _ = run(range(2, 4), state)
    assert first + second == whole


def test_evaluation_trains_no_critic():
    model = Hidden()
    penalty = comodal.attach(model, LAYERS)
    model(*batch())
    penalty()
    before = copy.deepcopy(penalty.state_dict()["penalty.measure.critic.head.weight"])
    with torch.no_grad():
        model(*batch(1))
        value = penalty()
    assert torch.equal(before, penalty.penalty.measure.critic.head.weight)
    assert not value.requires_grad


FRAMES = torch.tensor([[[1.0], [5.0], [3.0], [99.0]], [[2.0], [4.0], [99.0], [99.0]]])
REAL = torch.tensor([[True, True, True, False], [True, True, False, False]])


@pytest.mark.parametrize(("pool", "wanted"), [("mean", [3, 3]), ("max", [5, 4]), ("first", [1, 2]), ("last", [3, 4])])
def test_sequences_are_pooled_over_real_frames(pool, wanted):
    model = nn.ModuleDict({"text": nn.Identity(), "audio": nn.Identity()})
    penalty = comodal.attach(model, {"text": "text", "audio": "audio"}, pool=pool, normalize="sphere")
    seen = []
    model["text"](FRAMES.repeat(2, 1, 1))
    model["audio"](FRAMES.repeat(2, 1, 1))
    penalty._build({"text": 1, "audio": 1})
    value = penalty.penalty.measure.value
    penalty.penalty.measure.value = lambda views: seen.append(views) or value(views)
    penalty({"text": REAL.repeat(2, 1), "audio": REAL.repeat(2, 1)})
    assert seen[0][0].flatten().tolist() == wanted * 2


def test_a_function_takes_the_representation_out_of_a_tuple():
    model = nn.ModuleDict({"text": nn.LSTM(5, 8, batch_first=True), "audio": nn.Linear(3, 4)})
    layers = {"text": "text", "audio": "audio"}
    penalty = comodal.attach(model, layers, pool={"text": lambda output: output[1][0][-1]})
    model["text"](torch.randn(6, 7, 5))
    model["audio"](torch.randn(6, 3))
    penalty().backward()
    assert model["text"].weight_hh_l0.grad.abs().sum() > 0
    bare = comodal.attach(model, layers)
    model["text"](torch.randn(6, 7, 5))
    model["audio"](torch.randn(6, 3))
    with refused("wrong_type", "text", "tuple", "pool"):
        bare()


def test_mistakes_are_named():
    model = Hidden()
    with refused("unknown_name", "encoders.txt", "encoders.text"):
        comodal.attach(model, LAYERS | {"text": "encoders.txt"})
    with refused("unknown_name", "men"):
        comodal.attach(model, LAYERS, pool="men")
    with refused("missing", "text"):
        comodal.attach(model, {"text": "encoders.text"})
    with refused("conflict", "critic_steps"):
        comodal.attach(model, LAYERS, critic_steps=0)
    for name, wrong in (
        ("mutual", {"measure": "mutual"}),
        ("critc", {"critc": "joint"}),
        ("txt", {"pool": {"txt": "max"}}),
    ):
        with refused("unknown_name", name):
            comodal.attach(model, LAYERS, **wrong)
    with refused("out_of_range", "weight"):
        comodal.attach(model, LAYERS, weight=-1.0)
    with refused("wrong_type", "layers"):
        comodal.attach(model, list(LAYERS.values()))
    never = comodal.attach(model, LAYERS | {"idle": "unused"})
    model(*batch())
    with refused("missing", "idle"):
        never()
    penalty = comodal.attach(model, LAYERS)
    model(*batch())
    with refused("unknown_name", "txt"):
        penalty(mask={"txt": torch.ones(16, 2)})
    penalty()
    with refused("missing", "text"):
        penalty()
    model.encoders["text"](torch.randn(4, 2, 3, 5))
    model.encoders["audio"](torch.randn(4, 3))
    with refused("wrong_shape", "text"):
        penalty()
    with torch.no_grad():
        model(*batch())
    with refused("conflict", "gradients"):
        penalty()


def test_reentrant_checkpoints_would_lose_the_gradient():
    model = Hidden(checkpointed=True, reentrant=True)
    penalty = comodal.attach(model, LAYERS)
    model(*(each.requires_grad_() for each in batch()))
    with refused("conflict", "use_reentrant"):
        penalty()


def test_widths_that_change_are_refused():
    model = nn.ModuleDict({"text": nn.Identity(), "audio": nn.Identity()})
    penalty = comodal.attach(model, {"text": "text", "audio": "audio"})
    for width in (4, 5):
        model["text"](torch.randn(8, width, requires_grad=True))
        model["audio"](torch.randn(8, 3))
        if width == 4:
            penalty()
    with refused("wrong_shape", "text"):
        penalty()
