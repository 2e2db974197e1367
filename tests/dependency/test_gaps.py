"""Samples that lack a view, and sequences with a mask, in the penalty."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import pytest
import torch
from fitting_dims import fitting_dims
from refusals import refused
from torch import Tensor

import comodal
from comodal.dependency import MEASURES, DependencyPenalty, MaskedViews, build_measure

DIMS = {"text": 6, "audio": 4, "vision": 4}
EVERY = sorted(MEASURES)
PAIRWISE = sorted(name for name, spec in MEASURES.items() if spec.facts.pairwise)
LEARNT = [name for name in EVERY if list(build_measure(name, dims=[2, 2]).parameters())]


def given(name: str, n: int = 14) -> dict[str, Tensor]:
    return {view: torch.randn(n, dim, requires_grad=True) for view, dim in fitting_dims(name, DIMS).items()}


@pytest.mark.parametrize(
    ("mask", "named"),
    [
        (torch.ones(14), ["Tensor"]),
        ({"audio": [True] * 14}, ["audio", "list"]),
        ({"audio": torch.ones(14).numpy()}, ["audio", "ndarray"]),
    ],
)
def test_a_mask_is_a_tensor_for_each_view(mask: Any, named: list[str]) -> None:
    encoders = torch.nn.ModuleDict({name: torch.nn.Linear(3, 4) for name in ("text", "audio")})
    attached = comodal.attach(encoders, {"text": "text", "audio": "audio"}, measure="dhsic")
    for encoder in encoders.values():
        encoder(torch.randn(14, 3))
    penalty = DependencyPenalty("kl", dims=DIMS)
    for call in (penalty, penalty.update_critic):
        with refused("wrong_type", *named):
            call(given("kl"), mask=mask)
    with refused("wrong_type", *named):
        attached(mask=mask)
    assert attached().isfinite()  # what the layers returned is still there


def holes(n: int = 14) -> dict[str, Tensor]:
    """Three samples lack audio, two vision, of which one lacks both; the text is always there."""
    audio, vision = torch.ones(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)
    audio[[1, 4, 7]] = False
    vision[[7, 9]] = False
    return {"audio": audio, "vision": vision}


@pytest.mark.parametrize("name", sorted(set(EVERY) - set(PAIRWISE)))
def test_the_dependency_of_all_views_is_that_of_the_complete_samples(name: str) -> None:
    views, rows = given(name), [row for row in range(14) if row not in {1, 4, 7, 9}]
    complete = {view: value[rows] for view, value in views.items()}
    found = []
    for each, mask in ((views, holes()), (complete, None)):
        penalty = DependencyPenalty(name, dims=fitting_dims(name, DIMS))
        critic = penalty.update_critic(each, mask=mask)
        term = penalty(each, mask=mask)
        found.append([term, critic, *torch.autograd.grad(term, list(views.values()))])
    for one, other in zip(*found, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


@pytest.mark.parametrize("name", sorted(set(PAIRWISE) - {"club"}))  # its parameters are of each pair
def test_a_measure_of_pairs_takes_every_complete_pair(name: str) -> None:
    views, mask = given(name), {"text": torch.ones(14).bool(), **holes()}
    penalty = DependencyPenalty(name, dims=fitting_dims(name, DIMS), weight=1.0)
    by_hand = []
    for pair in combinations(views, 2):
        rows = mask[pair[0]] & mask[pair[1]]
        alone = build_measure(name, dims={view: fitting_dims(name, DIMS)[view] for view in pair})
        by_hand.append(alone.value({view: views[view][rows] for view in pair}))
    scale = penalty.measure.gradient_scale
    torch.testing.assert_close(penalty(views, mask=mask), -torch.stack(by_hand).mean() / scale)
    complete = penalty(views)
    assert not torch.isclose(complete, penalty(views, mask=mask))
    pairs = [penalty.measure.of_pair(*places) for places in combinations(range(3), 2)]
    values = [pair.value([list(views.values())[view] for view in places])
              for pair, places in zip(pairs, combinations(range(3), 2), strict=True)]  # fmt: skip
    torch.testing.assert_close(complete, -torch.stack(values).mean() / scale)


@pytest.mark.parametrize("name", EVERY)
def test_a_mask_without_gaps_changes_nothing(name: str) -> None:
    views, found = given(name), []
    for mask in (None, dict.fromkeys(DIMS, torch.ones(14).bool())):
        penalty = DependencyPenalty(name, dims=fitting_dims(name, DIMS))
        found.append((penalty.update_critic(views, mask=mask), penalty(views, mask=mask)))
    assert found[0][1].equal(found[1][1])
    assert (found[0][0] is None) == (name not in LEARNT)
    assert found[0][0] is None or found[0][0].equal(found[1][0])


@pytest.mark.parametrize("name", ["kl", "infonce", "dhsic"])
def test_what_stands_in_the_place_of_an_absent_view_does_not_matter(name: str) -> None:
    views, mask = given(name), holes()
    broken = {view: value.detach().clone() for view, value in views.items()}
    broken["audio"][1], broken["vision"][9] = torch.nan, torch.inf
    one, other = (DependencyPenalty(name, dims=fitting_dims(name, DIMS)) for _ in range(2))
    for penalty, each in ((one, views), (other, broken)):
        penalty.update_critic(each, mask=mask)
    assert one(views, mask=mask).equal(other(broken, mask=mask))
    broken["audio"][2] = torch.nan
    with refused("not_finite", "'audio'", "1 of 14", 2):
        other(broken, mask=mask)


@pytest.mark.parametrize("name", ["kl", "symile", "gaussian", "barlow"])
def test_a_view_that_is_never_there_gives_no_term_and_is_told_ever_less_often(name: str) -> None:
    views = given(name)
    mask = {"audio": torch.zeros(14).bool(), "vision": torch.zeros(14).bool()}
    penalty, said = DependencyPenalty(name, dims=fitting_dims(name, DIMS)), []
    for _ in range(9):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert penalty.update_critic(views, mask=mask) is None
            term = penalty(views, mask=mask)
        said.append(bool(caught))
        assert not caught or "'audio': 0" in str(caught[0].message)
        term.backward()
    assert float(term.detach()) == 0.0
    assert not any(view.grad.any() for view in views.values())
    assert said == [True, True, False, True, False, False, False, True, False]
    assert (penalty.skipped, penalty.step, penalty.last_value) == (9, 9, None)
    assert float(penalty(views).detach()) != 0.0  # the next batch counts again


def test_a_pair_that_has_too_few_samples_is_left_out_of_the_mean() -> None:
    views, mask = given("infonce"), {"vision": torch.zeros(14).bool()}
    penalty = DependencyPenalty("infonce", dims=dict.fromkeys(DIMS, 4), weight=1.0)
    pair = penalty.measure.of_pair(0, 1).value([views["text"], views["audio"]])
    torch.testing.assert_close(penalty(views, mask=mask), -pair / penalty.measure.gradient_scale)
    assert penalty.skipped == 0


def test_several_batches_and_fresh_ones_have_their_own_masks() -> None:
    views, mask = given("kl"), holes()
    first = MaskedViews(
        {view: value[:6] for view, value in views.items()}, {view: rows[:6] for view, rows in mask.items()}
    )
    second = {view: value[10:] for view, value in views.items()}
    rows = [0, 2, 3, 5, 10, 11, 12, 13]
    complete = {view: value[rows] for view, value in views.items()}
    for given_together in ([first, second], complete):
        penalty = DependencyPenalty("kl", dims=DIMS)
        penalty.update_critic(given_together)
        value = penalty(given_together)
    again = DependencyPenalty("kl", dims=DIMS)
    again.update_critic([first, second])
    assert torch.equal(value, again([first, second]))
    fresh = DependencyPenalty("kl", dims=DIMS, fresh_batches=True)
    loss = fresh.update_critic(iter([MaskedViews(views, mask)]))
    assert torch.equal(loss, DependencyPenalty("kl", dims=DIMS).update_critic(views, mask=mask))
    with refused("conflict", "MaskedViews"):
        penalty([second, second], mask=mask)


FRAMES = torch.tensor([[[1.0, 2], [5, 0], [3, 1]], [[2.0, 7], [4, 4], [99, 99]], [[9.0, 9], [99, 99], [99, 99]],
                       [[0.0, 1], [1, 0], [2, 2]], [[8.0, 8], [8, 9], [99, 99]]])  # fmt: skip
LENGTHS = torch.tensor([3, 2, 0, 3, 2])


@pytest.mark.parametrize("rule", sorted(comodal.dependency.POOLS))
def test_sequences_are_pooled_and_one_without_frames_is_absent(rule: str) -> None:
    real = torch.arange(3) < LENGTHS.unsqueeze(1)
    audio = torch.randn(5, 3)
    vectors = torch.stack([
        {"mean": each[:n].mean(0), "max": each[:n].amax(0), "first": each[0], "last": each[n - 1]}[rule]
        for each, n in zip(FRAMES, LENGTHS.tolist(), strict=True) if n
    ])  # fmt: skip
    present = [0, 1, 3, 4]
    penalty = DependencyPenalty("dhsic", dims={"text": 2, "audio": 3}, pool={"text": rule})
    wanted = penalty.measure.value({"text": vectors, "audio": audio[present]})
    term = penalty({"text": FRAMES, "audio": audio}, mask={"text": real})
    torch.testing.assert_close(term, -0.3 / penalty.measure.gradient_scale * wanted)


def test_sequences_without_a_mask_are_whole() -> None:
    penalty, audio = DependencyPenalty("dhsic", dims={"text": 2, "audio": 3}), torch.randn(5, 3)
    assert torch.equal(penalty({"text": FRAMES, "audio": audio}), penalty([FRAMES.mean(dim=1), audio]))
    there = torch.tensor([True, True, False, True, True])
    whole = penalty({"text": FRAMES[there], "audio": audio[there]})
    assert torch.equal(penalty({"text": FRAMES, "audio": audio}, mask={"text": there}), whole)


def test_bad_masks_and_rules() -> None:
    penalty = DependencyPenalty("kl", dims=DIMS)
    with refused("unknown_name", "adio", "audio"):
        penalty(given("kl"), mask={"adio": torch.ones(14).bool()})
    with refused("wrong_shape", "audio", (13,)):
        penalty(given("kl"), mask={"audio": torch.ones(13).bool()})
    with refused("unknown_name", "maen", "mean"):
        DependencyPenalty("kl", dims=DIMS, pool="maen")
    with refused("unknown_name", "adio"):
        DependencyPenalty("kl", dims=DIMS, pool={"adio": "max"})
