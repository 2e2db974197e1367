from __future__ import annotations

import pytest
import torch
from refusals import refused

from comodal.contracts import FusionOutput
from comodal.objective import TASK_LOSSES, objective_terms

PREDICTION = [1.0, -2.0, 0.25]
TARGET = [0.0, 2.0, 0.0]
BY_HAND = {"l1": (1 + 4 + 0.25) / 3, "mse": (1 + 16 + 0.0625) / 3, "smooth_l1": (0.5 + 3.5 + 0.03125) / 3}


def output(prediction: list[float] | torch.Tensor) -> FusionOutput:
    tensor = torch.as_tensor(prediction)
    return FusionOutput(tensor.unsqueeze(1), torch.zeros(len(tensor), 1), {})


@pytest.mark.parametrize("name", TASK_LOSSES)
def test_losses_by_hand(name: str) -> None:
    terms = objective_terms(output(PREDICTION), torch.tensor(TARGET), task_loss=name)
    assert terms.total.item() == pytest.approx(BY_HAND[name])
    assert dict(terms.penalties) == {}


def test_every_loss_has_a_hand_computed_value() -> None:
    assert set(BY_HAND) == set(TASK_LOSSES)
    assert len(set(BY_HAND.values())) == len(BY_HAND)


def test_penalties_are_added_as_they_are() -> None:
    """The minus sign and the weight live inside the penalty; the objective multiplies nothing."""
    penalties = {"a": torch.tensor(-0.5), "b": torch.tensor(0.125)}
    terms = objective_terms(output(PREDICTION), torch.tensor(TARGET), task_loss="l1", penalties=penalties)
    assert terms.task.item() == pytest.approx(1.75)
    assert terms.total.item() == pytest.approx(1.75 - 0.5 + 0.125)
    assert terms.penalties == penalties


def test_terms_of_the_model_stand_beside_the_penalties_and_never_under_one_name() -> None:
    with_terms = output(PREDICTION)._replace(terms={"own": torch.tensor(0.25)})
    given = {"task_loss": "l1", "penalties": {"dependency": torch.tensor(-0.5)}}
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
        output(prediction), torch.tensor(TARGET), task_loss="l1", penalties={"dependency": dependency}
    ).total.backward()
    assert prediction.grad is not None
    assert dependency.grad is not None
    assert prediction.grad.tolist() == pytest.approx([1 / 3, -1 / 3, 1 / 3])
    assert dependency.grad.item() == 1.0


def test_an_unknown_loss_offers_the_nearest() -> None:
    with refused("unknown_name", "l11", "l1"):
        objective_terms(output(PREDICTION), torch.tensor(TARGET), task_loss="l11")


def test_a_target_that_would_broadcast_is_refused() -> None:
    with refused("wrong_shape", (3, 1)):
        objective_terms(output(PREDICTION), torch.tensor(TARGET).unsqueeze(1), task_loss="l1")
