"""The penalty makes no CPU wait for a device, and is one graph for torch.compile."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from fitting_dims import fitting_dims
from refusals import refused
from torch import Tensor

from comodal.dependency import MEASURES, DependencyPenalty, LinearWarmup, finite

DIMS = {"text": 6, "audio": 4, "vision": 4}
VARIANTS: list[dict[str, Any]] = [
    *({"measure": name} for name in sorted(MEASURES)),
    {"measure": "kl", "critic": "joint"},
    {"measure": "kl", "critic_steps": 0},
    {"measure": "wasserstein", "critic_steps": 0},
    {"measure": "wasserstein", "critic": "joint"},
    {"measure": "wasserstein", "critic": "joint", "lipschitz": "spectral_norm"},
    {"measure": "f", "schedule": LinearWarmup(3)},
]
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::item", "aten::equal", "aten::is_nonzero"}
"""Operations whose result the CPU waits for, were the tensors on a GPU."""


def waits(act: Callable[[], Any]) -> set[str]:
    """Those among the operations of a function; a dispatch mode would see other gradients than those that are run."""
    with torch.autograd.profiler.profile() as seen:
        act()
    found = [event for event in seen.function_events if event.name in WAITS]
    return {event.name for event in found if "aten::_fused_adam_" not in _callers(event)}


def _callers(event: Any) -> list[str]:
    """The operations around one: on a CPU Adam reads its count of steps, which on a GPU stays there."""
    parent = event.cpu_parent
    return [] if parent is None else [parent.name, *_callers(parent)]


def penalty_of(options: dict[str, Any]) -> DependencyPenalty:
    named = {name: option for name, option in options.items() if name != "measure"}
    return DependencyPenalty(options["measure"], dims=fitting_dims(options["measure"], DIMS), **named)


def given(name: str, n: int = 12) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(n)
    dims = fitting_dims(name, DIMS)
    return {view: torch.randn(n, dim, generator=generator).requires_grad_() for view, dim in dims.items()}


# The eigenvalues of pmrl are checked by PyTorch.
@pytest.mark.parametrize("options", [each for each in VARIANTS if each["measure"] != "pmrl"], ids=str)
def test_no_step_waits_for_a_device(options: dict[str, Any]) -> None:
    penalty, views = penalty_of(options), given(options["measure"])

    def step() -> None:
        penalty.update_critic(views)
        penalty(views).backward()

    assert not waits(step)
    assert not waits(lambda: penalty.eval()(views))


@pytest.mark.parametrize(
    "wait",
    [Tensor.item, float, bool, Tensor.nonzero, lambda one: one.repeat(2).requires_grad_().prod().backward()],
)
def test_waiting_is_found(wait: Callable[[Tensor], Any]) -> None:
    assert waits(lambda: wait(torch.ones(())))


@pytest.fixture
def compiled() -> Iterator[Callable[..., Any]]:
    """``torch.compile`` of one graph, an error where there would be two."""
    torch._dynamo.reset()
    yield lambda function, backend="eager": torch.compile(function, fullgraph=True, backend=backend)
    torch._dynamo.reset()


def steps(penalty: DependencyPenalty, act: Callable[..., Tensor], name: str) -> list[Tensor]:
    """Terms and gradients of a few calls, one of them of another size."""
    found = []
    for n in (12, 12, 9, 12):
        views = given(name, n)
        penalty.update_critic(views)
        term = act(views)
        wanted = [*views.values(), *(each for each in penalty.parameters() if each.requires_grad)]
        gradients = torch.autograd.grad(term, wanted, allow_unused=True)
        found += [term, penalty.last_value, *(each for each in gradients if each is not None)]
    return found


@pytest.mark.parametrize("kind", ["pairing", "orders", "shares"])
def test_an_operation_in_a_graph_has_the_shape_it_declares(kind: str) -> None:
    measure = penalty_of({"measure": "kl"}).measure
    operand = (measure.number, torch.ones(3), kind, [7, 3, 1 if kind != "pairing" else 2], True)
    torch.library.opcheck(torch.ops.comodal.draw.default, operand, test_utils=["test_schema", "test_faketensor"])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_penalty_is_one_graph_with_the_same_values_and_gradients(options: dict[str, Any], compiled: Any) -> None:
    plain, penalty = penalty_of(options), penalty_of(options)
    wanted = steps(plain, plain, options["measure"])
    found = steps(penalty, compiled(penalty), options["measure"])
    assert len(wanted) == len(found)
    for one, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    assert penalty.step == plain.step == 4


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_loss_of_a_critic_is_one_graph(options: dict[str, Any], compiled: Any) -> None:
    plain, other = penalty_of(options).measure, penalty_of(options).measure
    views = {name: view.detach() for name, view in given(options["measure"]).items()}
    for measure in (plain, other):
        for parameter in measure.parameters():
            parameter.requires_grad = True
    loss, of_graph = plain.learn(views), compiled(other.learn)(views)
    if loss is None:
        assert of_graph is None
        return
    torch.testing.assert_close(loss, of_graph, atol=1e-6, rtol=1e-6)
    gradients = (torch.autograd.grad(each, list(measure.parameters()), allow_unused=True)
                 for each, measure in ((loss, plain), (of_graph, other)))  # fmt: skip
    for one, same in zip(*gradients, strict=True):
        assert (one is None) == (same is None)
        assert one is None or torch.allclose(one, same, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the compiler are its own
@pytest.mark.parametrize("name", ["kl"])  # which draws; the compiler of the machine takes half a minute for each
def test_the_default_backend_gives_the_same(name: str, compiled: Any) -> None:
    plain, penalty = penalty_of({"measure": name}), penalty_of({"measure": name})
    found = zip(steps(plain, plain, name), steps(penalty, compiled(penalty, "inductor"), name), strict=True)
    for one, other in found:
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_compiled_penalty_refuses_what_is_not_finite(compiled: Any) -> None:
    views = given("kl")
    act = compiled(penalty_of({"measure": "kl"}))
    act(views)
    views["audio"].data[3, 1] = torch.nan
    with refused("not_finite", "'audio'", "1 of 12", 3):
        act(views)


def test_copies_draw_for_themselves_in_a_graph(compiled: Any) -> None:
    penalty, views = penalty_of({"measure": "kl"}), given("kl")
    for copied in (copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))):
        torch._dynamo.reset()
        first = compiled(copied)(views)
        assert torch.equal(first, copy.deepcopy(penalty)(views))
        assert (copied.step, penalty.step) == (1, 0)


class Late:
    """A device that tells a value only when it is waited for, or some looks later."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def answer(self, value: Tensor) -> Callable[[bool], bool | None]:
        finite, left = bool(value.isfinite()), [self.looks]

        def known(wait: bool) -> bool | None:
            left[0] -= 1
            return finite if wait or left[0] < 0 else None

        return known


def calls(count: int) -> Callable[[DependencyPenalty], Any]:
    return lambda penalty: [penalty(given("dhsic")) for _ in range(count)]


@pytest.mark.parametrize(
    ("looks", "act"),
    [
        (2, calls(3)),
        (1000, calls(finite.LONGEST + 1)),  # it never tells, and is waited for
        (1000, DependencyPenalty.eval),
        (1000, DependencyPenalty.state_dict),
    ],
)
def test_what_a_device_tells_late_is_refused_late_with_view_and_row(
    looks: int, act: Callable[[DependencyPenalty], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finite, "_answer", Late(looks).answer)
    penalty, views = penalty_of({"measure": "dhsic"}), given("dhsic")
    penalty(views)
    views["audio"].data[[2, 5]] = torch.inf
    penalty(views)
    with refused("not_finite", "'audio'", "2 of 12", 2):
        act(penalty)
    act(penalty)
