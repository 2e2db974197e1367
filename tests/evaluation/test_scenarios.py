"""Scenarios of a batch, and the random numbers that all models share."""

from __future__ import annotations

import itertools

import pytest
import torch
from refusals import refused

from comodal.contracts import DatasetSpec, MultimodalBatch
from comodal.data.collate import batch
from comodal.data.corruption_acts import keep_only
from comodal.data.corruptions import kinds_for, parse_corruption
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.evaluation.scenarios import Scenario, Variants, curves, subsets

NAMES = ("text", "audio", "vision")
SPEC = DatasetSpec("toy", dict.fromkeys(NAMES, 4), {"text": 1, "audio": 9, "vision": 9}, aligned=False)


def few() -> MultimodalBatch:
    return batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16, lengths=(3, 6))), range(32))


def corrupted(name: str) -> Scenario:
    return Scenario(corruption=parse_corruption(name))


def same(one: MultimodalBatch, other: MultimodalBatch) -> bool:
    return all(
        torch.equal(a, b)
        for name in one.modalities
        for a, b in zip(one.modalities[name], other.modalities[name], strict=True)
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_all_non_empty_subsets_once(count: int) -> None:
    names = ["a", "b", "c", "d"][:count]
    found = subsets(names)
    assert len({scenario.name for scenario in found}) == len(found) == 2**count - 1
    assert found[0] == Scenario()
    expected = {kept for size in range(1, count) for kept in itertools.combinations(names, size)}
    assert {scenario.kept for scenario in found[1:]} == expected


def test_a_subset_hides_the_rest_and_shares_its_tensors() -> None:
    given = few()
    variants = Variants(given)
    for scenario in subsets(NAMES):
        found = variants.of(scenario)
        assert same(found, keep_only(given, scenario.kept or NAMES))
        again = variants.of(scenario)
        for name in NAMES:
            assert found.modalities[name] is again.modalities[name]
            assert any(found.modalities[name] is known for known in variants.shared)


def test_curves_hold_all_kinds_that_apply_and_always_severity_0() -> None:
    points = curves(SPEC, severities=[1, 0.5])
    by_curve: dict[str, list[float]] = {}
    for point in points:
        by_curve.setdefault(point.curve, []).append(point.severity)
    assert set(by_curve) == {f"{kind}:{name}" for name in NAMES for kind in kinds_for(SPEC, name)}
    assert all(each == [0.0, 0.5, 1.0] for each in by_curve.values())
    some = curves(SPEC, severities=[1.0], kinds=["shift", "drop"], modalities=["text", "audio"])
    assert {point.curve for point in some} == {"drop:text", "drop:audio", "shift:audio"}


def test_a_higher_severity_touches_what_a_lower_one_does() -> None:
    variants = Variants(few(), partition=1)
    lost = [
        ~variants.of(corrupted(f"drop:audio={severity}")).modalities["audio"].present for severity in (0.25, 0.5, 0.75)
    ]
    assert 0 < int(lost[0].sum()) < int(lost[2].sum()) < 32
    assert bool((lost[0] <= lost[1]).all())
    assert bool((lost[1] <= lost[2]).all())


def test_chance_depends_on_curve_partition_and_batch_alone() -> None:
    given = few()
    noisy = corrupted("noise:audio=0.5")
    once = Variants(given, partition=1, number=2).of(noisy)
    assert same(once, Variants(given, partition=1, number=2).of(noisy))
    for partition, number in ((0, 2), (1, 0)):
        assert not same(once, Variants(given, partition=partition, number=number).of(noisy))
    assert once.modalities["text"] is given.modalities["text"]
    assert same(Variants(given).of(corrupted("noise:audio=0")), given)


def test_bad_curves_are_refused() -> None:
    with refused("unknown_name", "'adio'", "'audio'"):
        curves(SPEC, modalities=["adio"])
    with refused("unsupported", "words", "audio", "drop, frames"):
        curves(SPEC, kinds=["words"], modalities=["audio"])
    with refused("out_of_range", "1.5"):
        curves(SPEC, severities=[1.5])
