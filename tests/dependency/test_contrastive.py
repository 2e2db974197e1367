"""Contrastive measures against the papers' losses written out, and what they can and cannot see."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor
from torch.nn import functional

from comodal.contracts.errors import Code
from comodal.dependency import MEASURES, DependencyPenalty, build_measure

NAMES = ["infonce", "symile", "gram"]


def views_of(n: int, many: int, width: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(n)
    common = torch.randn(n, width, generator=generator)
    return [common + torch.randn(n, width, generator=generator) for _ in range(many)]


def clip_loss(one: Tensor, other: Tensor, scale: float) -> float:
    """Radford et al. 2021, figure 3, in loops over anchors."""
    one, other = one / one.norm(dim=1, keepdim=True), other / other.norm(dim=1, keepdim=True)
    losses = []
    for anchors, candidates in ((one, other), (other, one)):
        for i, anchor in enumerate(anchors):
            scores = [scale * float(anchor @ candidate) for candidate in candidates]
            losses.append(math.log(sum(map(math.exp, scores))) - scores[i])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("many", [2, 3])
def test_infonce_is_log_n_less_the_mean_clip_loss_of_all_pairs(many: int) -> None:
    views = views_of(7, many)
    measure = build_measure("infonce", dims=[4] * many, temperature=0.25)
    pairs = [clip_loss(one, other, 4.0) for one, other in itertools.combinations(views, 2)]
    assert measure.value(views).item() == pytest.approx(math.log(7) - sum(pairs) / len(pairs), abs=1e-5)


@pytest.mark.parametrize("many", [2, 3, 4])
def test_symile_is_log_n_less_its_loss_written_out(many: int) -> None:
    """Saporta et al. 2024: each view is the anchor once, the others are shuffled apart from each other."""
    n, width, scale = 6, 4, 5.0
    views = views_of(n, many, width)
    measure = build_measure("symile", dims=[width] * many, temperature=1 / scale, seed=3).eval()
    unit = [view / view.norm(dim=1, keepdim=True) for view in views]
    generator, losses = torch.Generator().manual_seed(3), []
    for anchor in range(many):
        others = [view for view in range(many) if view != anchor]
        order = {others[0]: torch.arange(n)}
        order |= {view: torch.randperm(n, generator=generator) for view in others[1:]}
        for i in range(n):
            scores = []
            for j in range(n):
                rows = {view: i if i == j else int(order[view][j]) for view in others} | {anchor: i}
                product = math.prod((unit[view][rows[view]] for view in others), start=unit[anchor][i])
                scores.append(scale * width ** (many / 2 - 1) * float(product.sum()))
            losses.append(math.log(sum(map(math.exp, scores))) - scores[i])
    assert measure.value(views).item() == pytest.approx(math.log(n) - sum(losses) / len(losses), abs=1e-5)


@pytest.mark.parametrize("many", [2, 3, 4])
def test_gram_is_log_n_less_the_mean_loss_of_its_paper_over_anchors(many: int) -> None:
    """Cicchetti et al. 2025: volumes by determinants, softmax over the tuples of the others and over anchors."""
    n, scale = 6, 5.0
    views = views_of(n, many)
    unit = [view / view.norm(dim=1, keepdim=True) for view in views]
    losses = []
    for anchor in range(many):
        others = [view for view in range(many) if view != anchor]
        scores = torch.zeros(n, n)
        for i, j in itertools.product(range(n), repeat=2):
            vectors = torch.stack([unit[anchor][i], *(unit[view][j] for view in others)])
            scores[i, j] = -scale * math.sqrt(abs(float(torch.linalg.det(vectors @ vectors.T))))
        losses.extend(float(functional.cross_entropy(each, torch.arange(n))) for each in (scores, scores.T))
    measure = build_measure("gram", dims=[4] * many, temperature=1 / scale)
    assert measure.value(views).item() == pytest.approx(math.log(n) - sum(losses) / len(losses), abs=1e-4)
    volumes = [
        float(torch.linalg.det(torch.stack(rows) @ torch.stack(rows).T).sqrt()) for rows in zip(*unit, strict=True)
    ]
    assert measure.pointwise(views).tolist() == pytest.approx([-scale * volume for volume in volumes], abs=1e-4)


def test_volumes_of_views_that_are_one_direction_have_gradients_too() -> None:
    view = torch.randn(5, 4)
    views = [view.clone().requires_grad_(), (2.0 * view).requires_grad_(), torch.randn(5, 4, requires_grad=True)]
    value = build_measure("gram", dims=[4, 4, 4]).value(views)
    gradients = torch.autograd.grad(value, views)
    assert all(bool(part.isfinite().all()) for part in (value, *gradients))


@pytest.mark.parametrize("name", NAMES)
def test_the_value_is_at_most_log_n_and_near_it_for_perfect_partners(name: str) -> None:
    same = torch.eye(16)
    measure = build_measure(name, dims=[16, 16], temperature=0.02)
    assert measure.value([same, same]).item() == pytest.approx(math.log(16), abs=1e-3)
    assert measure.value([same, same.roll(1, 0)]).item() < 0.0


def test_the_temperature_is_learnt_towards_the_better_value() -> None:
    views = [torch.eye(8), torch.eye(8)]
    penalty = DependencyPenalty("infonce", dims=[8, 8], critic_lr=0.1, temperature=1.0)
    values = []
    for _ in range(30):
        penalty.update_critic(views)
        values.append(penalty.measure.value(views).item())
    assert values[-1] > values[0] + 1.0


def test_the_scale_stops_at_a_hundred() -> None:
    measure = build_measure("infonce", dims=[4, 4])
    with torch.no_grad():
        measure.log_scale.fill_(50.0)
    views = views_of(6, 2)
    assert measure.value(views).isfinite()
    assert measure.pointwise(views).max().item() <= 100.0 + 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_pointwise_is_high_for_true_tuples(name: str) -> None:
    measure, views = build_measure(name, dims=[4, 4, 4]), views_of(200, 3)
    if name == "symile":  # a product of three cosines has no sign of its own for copies of one vector
        views = [view.abs() for view in views]
    broken = [view.roll(shift, 0) for shift, view in enumerate(views)]
    assert measure.pointwise(views).mean() > measure.pointwise(broken).mean()
    assert (measure.facts.pointwise, measure.facts.pairwise) == ("rank", name == "infonce")


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"dims": [4, 5]}, "mismatch", [4, 5]),
        ({"temperature": 0.0}, "out_of_range", ["temperature=0.0"]),
        ({"temperature": math.nan}, "out_of_range", ["temperature=nan"]),
        ({"critic": "joint"}, "unknown_name", ["critic", "temperature"]),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], code: Code, named: list[object]) -> None:
    with refused(code, *named):
        build_measure("infonce", **{"dims": [4, 4], **options})


def xor(n: int, generator: torch.Generator) -> list[Tensor]:
    """Three bits, each the exclusive or of the other two, as signs: every two of them are independent."""
    bits = torch.randint(2, (2, n), generator=generator)
    return [2.0 * bit - 1.0 for bit in (bits[0], bits[1], bits[0] ^ bits[1])]


def probe(name: str) -> float:
    """Accuracy of reading each bit from its representation, after linear encoders learnt from the penalty alone.

    Each modality is its bit, noisy, beside nine directions of noise of the same size.
    """
    generator = torch.Generator().manual_seed(0)

    def batch(n: int) -> tuple[list[Tensor], list[Tensor]]:
        bits, inputs = xor(n, generator), []
        for bit in bits:
            noise = torch.randn(n, 10, generator=generator)
            inputs.append(torch.cat([(bit + 0.1 * noise[:, 0]).unsqueeze(1), noise[:, 1:]], dim=1))
        return inputs, bits

    torch.manual_seed(0)
    encoders = [torch.nn.Linear(10, 4) for _ in range(3)]
    options = {"critic": "joint"} if name == "kl" else {}  # sums of one-view factors start too alike to find it
    penalty = DependencyPenalty(name, dims=[4, 4, 4], weight=1.0, critic_lr=1e-2, **options)
    optimizer = torch.optim.Adam([weight for encoder in encoders for weight in encoder.parameters()], lr=3e-2)
    for _ in range(600):
        inputs, _ = batch(128)
        views = [encoder(each) for encoder, each in zip(encoders, inputs, strict=True)]
        penalty.update_critic(views)
        optimizer.zero_grad()
        penalty(views).backward()
        optimizer.step()
    inputs, bits = batch(2000)
    found = []
    for encoder, each, bit in zip(encoders, inputs, bits, strict=True):
        with torch.no_grad():
            points = functional.pad(functional.normalize(encoder(each), dim=1), (0, 1), value=1.0)
        weights = torch.linalg.lstsq(points[:1000], bit[:1000].unsqueeze(1)).solution
        found.append(float(((points[1000:] @ weights).squeeze(1).sign() == bit[1000:]).float().mean()))
    return sum(found) / 3


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", ["kl", "symile", "dhsic", "distance_correlation"])
def test_an_exclusive_or_of_three_views_is_learnt_by_measures_of_all_at_once(name: str) -> None:
    """Seeded. Each probe reads 1000 samples, a standard error of at most 0.01; they find 1.00."""
    assert not MEASURES[name].facts.pairwise
    assert probe(name) > 0.98


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", ["infonce", "barlow", "gram", "pmrl"])
def test_an_exclusive_or_is_not_learnt_from_angles_between_pairs(name: str) -> None:
    """Seeded as above. Volume and singular values are functions of pairs' cosines, though of all views at once."""
    assert probe(name) < 0.92
