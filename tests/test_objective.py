from __future__ import annotations

import math

import pytest
import torch
from refusals import refused

from comodal.contracts import FusionOutput
from comodal.objective import TASK_LOSSES, TaskLoss, objective_terms

PREDICTION = [1.0, -2.0, 0.25]
TARGET = [0.0, 2.0, 0.0]
LOGITS = [[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
BY_HAND = {"l1": (1 + 4 + 0.25) / 3, "mse": (1 + 16 + 0.0625) / 3, "smooth_l1": (0.5 + 3.5 + 0.03125) / 3}


def output(prediction: list[float] | torch.Tensor) -> FusionOutput:
    tensor = torch.as_tensor(prediction)
    return FusionOutput(tensor.unsqueeze(1), torch.zeros(len(tensor), 1), {})


@pytest.mark.parametrize("name", BY_HAND)
def test_losses_by_hand(name: str) -> None:
    terms = objective_terms(output(PREDICTION), torch.tensor(TARGET), loss=TaskLoss(name))
    assert terms.total.item() == pytest.approx(BY_HAND[name])
    assert dict(terms.penalties) == {}


def log_softmax(row: list[float]) -> list[float]:
    return [value - math.log(sum(map(math.exp, row))) for value in row]


def test_cross_entropy_by_hand() -> None:
    own = [-log_softmax(row)[number] for row, number in zip(LOGITS, (2, 1), strict=True)]
    logits, target = torch.tensor(LOGITS), torch.tensor([2.0, 1.0])
    assert TaskLoss("cross_entropy")(logits, target).item() == pytest.approx(sum(own) / 2)
    weighted = TaskLoss("cross_entropy", torch.tensor([9.0, 0.5, 1.5]))(logits, target)
    assert weighted.item() == pytest.approx((1.5 * own[0] + 0.5 * own[1]) / 2)
    even = [-sum(log_softmax(row)) / 3 for row in LOGITS]
    smooth = TaskLoss("cross_entropy", label_smoothing=0.3)(logits, target)
    assert smooth.item() == pytest.approx(sum(0.7 * o + 0.3 * e for o, e in zip(own, even, strict=True)) / 2)


def test_binary_cross_entropy_by_hand() -> None:
    def surprise(logit: float, label: float) -> float:
        share = 1 / (1 + math.exp(-logit))
        return -label * math.log(share) - (1 - label) * math.log(1 - share)

    logits, target = torch.tensor([[2.0], [-1.0]]), torch.tensor([1.0, 0.0])
    one, zero = surprise(2.0, 1.0), surprise(-1.0, 0.0)
    assert TaskLoss("bce")(logits, target).item() == pytest.approx((one + zero) / 2)
    weighted = TaskLoss("bce", torch.tensor([0.5, 2.0]))(logits, target)
    assert weighted.item() == pytest.approx((2.0 * one + 0.5 * zero) / 2)
    smooth = TaskLoss("bce", label_smoothing=0.2)(logits, target)
    assert smooth.item() == pytest.approx((surprise(2.0, 0.9) + surprise(-1.0, 0.1)) / 2)
    several = TaskLoss("bce", torch.tensor([[0.5, 2.0], [1.0, 1.0]]))
    labels = several(torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]]))
    assert labels.item() == pytest.approx((2.0 * one + zero) / 2)


def test_every_loss_has_a_hand_computed_value() -> None:
    assert {*BY_HAND, "cross_entropy", "bce", "none"} == set(TASK_LOSSES)
    assert len(set(BY_HAND.values())) == len(BY_HAND)


def test_the_loss_of_no_task_is_zero_and_so_is_its_gradient() -> None:
    logits = torch.tensor([[2.0], [-1.0]], requires_grad=True)
    loss = TaskLoss("none")(logits, torch.zeros(2))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().sum().item() == 0.0


def test_penalties_are_added_as_they_are() -> None:
    """The minus sign and the weight live inside the penalty; the objective multiplies nothing."""
    penalties = {"a": torch.tensor(-0.5), "b": torch.tensor(0.125)}
    terms = objective_terms(output(PREDICTION), torch.tensor(TARGET), loss=TaskLoss("l1"), penalties=penalties)
    assert terms.task.item() == pytest.approx(1.75)
    assert terms.total.item() == pytest.approx(1.75 - 0.5 + 0.125)
    assert terms.penalties == penalties


def test_terms_of_the_model_stand_beside_the_penalties_and_never_under_one_name() -> None:
    with_terms = output(PREDICTION)._replace(terms={"own": torch.tensor(0.25)})
    given = {"loss": TaskLoss("l1"), "penalties": {"dependency": torch.tensor(-0.5)}}
    terms = objective_terms(with_terms, torch.tensor(TARGET), **given)
    assert terms.penalties == {"own": torch.tensor(0.25), "dependency": torch.tensor(-0.5)}
    assert terms.total.item() == pytest.approx(1.75 + 0.25 - 0.5)
    clash = with_terms._replace(terms={"dependency": torch.tensor(0.25)})
    with refused("duplicate", "dependency"):
        objective_terms(clash, torch.tensor(TARGET), **given)


def test_gradient_reaches_prediction_and_penalties() -> None:
    prediction = torch.tensor(PREDICTION, requires_grad=True)
    dependency = torch.tensor(-0.5, requires_grad=True)
    objective_terms(
        output(prediction), torch.tensor(TARGET), loss=TaskLoss("l1"), penalties={"dependency": dependency}
    ).total.backward()
    assert prediction.grad is not None
    assert dependency.grad is not None
    assert prediction.grad.tolist() == pytest.approx([1 / 3, -1 / 3, 1 / 3])
    assert dependency.grad.item() == 1.0


def test_an_unknown_loss_offers_the_nearest() -> None:
    with refused("unknown_name", "l11", "l1"):
        TaskLoss("l11")


def test_a_target_that_would_broadcast_is_refused() -> None:
    with refused("wrong_shape", (3, 1)):
        objective_terms(output(PREDICTION), torch.tensor(TARGET).unsqueeze(0), loss=TaskLoss("l1"))


@pytest.mark.parametrize(
    ("name", "logits", "target"), [("cross_entropy", (3, 2), (3, 2)), ("bce", (3, 2), (3,)), ("l1", (3, 2), (3,))]
)
def test_logits_of_another_width_are_refused(name: str, logits: tuple[int, ...], target: tuple[int, ...]) -> None:
    with refused("wrong_shape", logits, target):
        TaskLoss(name)(torch.zeros(logits), torch.zeros(target))
