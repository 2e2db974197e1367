"""A penalty attached by name is the penalty of the same representations, whatever wraps the model."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tests.support.hidden_representations import LAYERS, Hidden, batch
from tests.support.refusals import refused
from torch import nn

import comodal
from comodal.dependency import DependencyPenalty


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


def attached(model: nn.Module, given: list[tuple[torch.Tensor, torch.Tensor]], run=None, measure="kl"):
    """Gradients with a penalty attached to the model, of which ``run`` is another form."""
    penalty = comodal.attach(model, LAYERS, measure=measure, weight=0.5)
    for text, audio in given:
        loss = (model if run is None else run)(text, audio).square().mean()
        (loss + penalty()).backward()
    return gradients(model)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_are_those_of_the_penalty_called_by_hand(checkpointed):
    model = Hidden(checkpointed=checkpointed)
    twin = copy.deepcopy(model)
    given = [batch(0), batch(1)]  # two passes before a step: gradients accumulate
    torch.testing.assert_close(attached(model, given), by_hand(twin, given))


@pytest.mark.slow
@pytest.mark.parametrize("inside", [True, False])  # attached to the model inside, or to the compiled one
def test_a_compiled_model_has_the_same_gradients(inside):
    model = Hidden()
    twin, compiled = copy.deepcopy(model), torch.compile(model, backend="aot_eager")
    found = attached(model if inside else compiled, [batch()], run=compiled)
    torch.testing.assert_close(found, by_hand(twin, [batch()]))


@pytest.mark.parametrize("inside", [True, False])
def test_under_autocast_the_term_is_that_by_hand(inside):
    model = Hidden()
    twin = copy.deepcopy(model)
    penalty = comodal.attach(model, LAYERS, measure="kl", weight=0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        task = model(*batch()).square().mean()
        loss = task + penalty() if inside else task
    loss = loss if inside else task + penalty()
    assert loss.dtype == torch.float32
    loss.backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = by_hand(twin, [batch()])
    torch.testing.assert_close(gradients(model), wanted, rtol=2e-2, atol=2e-3)  # the order of sums in bfloat16


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


def test_a_state_before_the_first_call_starts_the_critic_anew():
    model = Hidden()
    penalty = comodal.attach(model, LAYERS)
    values = []
    for _ in range(2):
        penalty.load_state_dict({"_extra_state": {"dims": None}})
        model(*batch())
        values.append(penalty().item())
    assert values[0] == values[1]


def test_evaluation_trains_no_critic():
    model = Hidden()
    penalty = comodal.attach(model, LAYERS, critic="joint")
    model(*batch())
    penalty()
    before = copy.deepcopy(penalty.state_dict()["penalty.measure.critic.head.weight"])
    with torch.no_grad():
        model(*batch(1))
        value = penalty()
    assert torch.equal(before, penalty.penalty.measure.critic.head.weight)
    assert not value.requires_grad


def test_sequences_and_absent_samples_are_those_of_the_penalty_called_by_hand():
    model, views = nn.ModuleDict({"text": nn.Identity(), "audio": nn.Linear(3, 4)}), {"text": 5, "audio": 4}
    frames, sound = torch.randn(8, 7, 5), torch.randn(8, 3)
    mask = {"text": torch.arange(7) < torch.arange(8).unsqueeze(1), "audio": torch.arange(8) != 4}
    penalty = comodal.attach(model, {"text": "text", "audio": "audio"}, pool={"text": "max"})
    by_hand = DependencyPenalty("kl", dims=views, pool={"text": "max"})
    given = {"text": model["text"](frames), "audio": model["audio"](sound)}
    by_hand.update_critic(given, mask=mask)
    term = penalty(mask)
    assert torch.equal(term, by_hand(given, mask=mask))
    assert not torch.equal(term, by_hand(given))


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


def test_a_function_may_return_frames_which_a_mask_averages():
    model = nn.ModuleDict({"text": nn.LSTM(5, 8, batch_first=True), "audio": nn.Linear(3, 4)})
    penalty = comodal.attach(model, {"text": "text", "audio": "audio"}, pool={"text": lambda output: output[0]})
    words, sound, real = torch.randn(6, 7, 5), torch.randn(6, 3), torch.arange(7) < torch.arange(1, 7).unsqueeze(1)
    frames, _ = model["text"](words)
    voice = model["audio"](sound)
    vectors = (frames * real.unsqueeze(-1)).sum(dim=1) / real.sum(dim=1, keepdim=True)
    by_hand = DependencyPenalty("kl", dims={"text": 8, "audio": 4})
    by_hand.update_critic({"text": vectors, "audio": voice})
    torch.testing.assert_close(penalty({"text": real}), by_hand({"text": vectors, "audio": voice}))


def test_two_views_of_one_layer_differ_in_their_pool():
    both = nn.Linear(4, 6)
    halves = {"left": lambda output: output[:, :3], "right": lambda output: output[:, 3:]}
    penalty = comodal.attach(both, {"left": "", "right": ""}, pool=halves)
    both(torch.randn(8, 4))
    penalty().backward()
    assert both.weight.grad.abs().sum() > 0
    with refused("duplicate", "left", "right"):
        comodal.attach(both, {"left": "", "right": ""})


def test_a_measure_of_one_s_own_is_attached():
    model, measure = Hidden(), comodal.build_measure("kl", dims={"text": 8, "audio": 4})
    twin = copy.deepcopy(model)
    torch.testing.assert_close(attached(model, [batch()], measure=measure), by_hand(twin, [batch()]))
    with refused("mismatch", "words", "text"):
        comodal.attach(model, {"words": "encoders.text", "audio": "encoders.audio"}, measure=measure)
