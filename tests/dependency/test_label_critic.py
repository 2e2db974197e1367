"""Total correlation with labels against the loss of its paper in loops, a known value, and its refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import pytest
import torch
from refusals import refused
from torch import Tensor, nn
from torch.nn import functional

from comodal.dependency import DependencyPenalty, tcmax

CLASSES = 3


class Fusion(nn.Module):
    """A head that is not additive in its views."""

    def __init__(self, width: int, classes: int = CLASSES) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 6), nn.Tanh(), nn.Linear(6, classes))

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.layers(torch.cat(list(views), dim=1))
        return logits


def batch(many: int, n: int = 5) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    views = [torch.randn(n, 2 + view, generator=generator) for view in range(many)]
    return views, torch.randint(CLASSES, (n,), generator=generator)


def with_labels(views: Sequence[Tensor], target: Tensor, classes: int = CLASSES) -> dict[str, Tensor]:
    named = {str(place): view for place, view in enumerate(views)}
    return {**named, "label": functional.one_hot(target, classes).float()}


@torch.no_grad()
@pytest.mark.parametrize("many", [2, 3])
def test_tcmax_is_minus_the_loss_of_its_paper_in_loops(many: int) -> None:
    """Yu et al. 2026: all pairings of two modalities; of three every shift of the second, twice that of the third."""
    views, target = batch(many)
    n, head = 5, Fusion(sum(view.shape[1] for view in views))
    scores = [float(head([view[i : i + 1] for view in views])[0, target[i]]) for i in range(n)]
    total = 0.0
    for i, shift in product(range(n), repeat=2):
        tuple_of = [view[[(i + place * shift) % n]] for place, view in enumerate(views)]
        total += sum(math.exp(float(logit)) for logit in head(tuple_of)[0])
    loss = -sum(math.log(math.exp(score) / total) for score in scores) / n - math.log(n**2 * CLASSES)
    measure = tcmax(head, dims=[view.shape[1] for view in views], classes=CLASSES)
    assert measure.value(with_labels(views, target)).item() == pytest.approx(-loss, abs=1e-5)


def test_its_gradient_trains_the_head_and_the_encoders_and_it_has_no_parameters() -> None:
    views, target = batch(2)
    views = [view.requires_grad_() for view in views]
    head = Fusion(5)
    penalty = DependencyPenalty(tcmax(head, dims=[2, 3], classes=CLASSES), weight=1.0)
    given = with_labels(views, target)
    assert penalty.update_critic(given) is None
    assert list(penalty.parameters()) == []
    penalty(given).backward()
    assert all(part.grad is not None and bool(part.grad.any()) for part in (*views, *head.parameters()))
    assert penalty.measure.facts.estimates == "neither"


@pytest.mark.statistical
def test_a_head_that_is_trained_by_it_finds_the_total_correlation_of_three_copied_bits() -> None:
    """``2 log 2`` for two views and a label that are one fair bit; seeded, batches of 64, a standard error of 0.02."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    head = Fusion(4, classes=2)
    penalty = DependencyPenalty(tcmax(head, dims=[2, 2], classes=2), weight=1.0)
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-2, fused=True)
    for _ in range(300):
        target = torch.randint(2, (64,), generator=generator)
        bit = functional.one_hot(target, 2).float()
        optimizer.zero_grad()
        penalty(with_labels([bit, bit], target, 2)).backward()
        optimizer.step()
    target = torch.arange(64) % 2
    bit = functional.one_hot(target, 2).float()
    value = penalty.measure.value(with_labels([bit, bit], target, 2)).item()
    assert value == pytest.approx(2 * math.log(2), abs=0.06)
    predicted = head([bit, bit]).argmax(dim=1)
    assert bool((predicted == target).all())


def test_samples_without_a_label_are_left_out_by_the_mask() -> None:
    views, target = batch(2)
    penalty = DependencyPenalty(tcmax(Fusion(5), dims=[2, 3], classes=CLASSES))
    known = torch.tensor([True, True, False, True, True])
    found = penalty(with_labels(views, target), mask={"label": known})
    torch.testing.assert_close(found, penalty(with_labels([view[known] for view in views], target[known])))


def test_labels_that_are_not_given_and_heads_of_no_classification_are_refused() -> None:
    views, target = batch(2)
    measure = tcmax(Fusion(5), dims=[2, 3], classes=CLASSES)
    with refused("mismatch", "label"):
        measure.value({"0": views[0], "1": views[1]})
    with refused("out_of_range", 1, "classification"):
        tcmax(nn.Linear(5, 1), dims=[2, 3], classes=1)
    with refused("wrong_shape", (25, 3), 4, "head"):
        tcmax(Fusion(5), dims=[2, 3], classes=4).value(with_labels(views, target, 4))
