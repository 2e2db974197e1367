"""A comparison of classifiers keeps its nominal error rates under the null hypothesis, and finds a planted gain.

As for regressions (test_compare_calibration.py), the logits of two arms share effects of sample and group and differ by
effects of seed, of group and of both, drawn from the same distribution, so no metric differs on average.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from comodal.contracts import Multiclass, PredictionTable
from comodal.evaluation.paired import paired_differences

pytestmark = [pytest.mark.slow, pytest.mark.statistical]

SEEDS, GROUPS, EACH, CLASSES = 8, 16, 10, 3
METRICS = ("accuracy", "macro_f1", "auroc", "log_loss")
SCENARIOS = {"seeds": (0.3, 0.0, 0.3), "groups": (0.0, 0.3, 0.3), "both": (0.3, 0.3, 0.3)}
EXPERIMENTS = 200


def experiment(
    scale: tuple[float, float, float], rng: np.random.Generator, *, gain: float = 0.0
) -> tuple[list[PredictionTable], list[PredictionTable]]:
    """Two arms on fresh groups; ``gain`` is added to the logit of the true class in the first."""
    n, (of_seed, of_group, of_both) = GROUPS * EACH, scale
    group = np.repeat(np.arange(GROUPS), EACH)
    target = rng.integers(0, CLASSES, size=n)
    truth = np.eye(CLASSES)[target]
    common = 1.2 * truth + 0.5 * rng.normal(size=(GROUPS, CLASSES))[group] + rng.normal(size=(n, CLASSES))
    arms: list[list[PredictionTable]] = []
    for more in (gain, 0.0):
        own = of_group * rng.normal(size=(GROUPS, CLASSES))
        runs = []
        for _ in range(SEEDS):
            both = of_both * rng.normal(size=(GROUPS, CLASSES))
            shift = of_seed * rng.normal(size=CLASSES) + (own + both)[group] + 0.3 * rng.normal(size=(n, CLASSES))
            scores = np.exp(common + shift + more * truth)
            prediction = scores / scores.sum(axis=1, keepdims=True)
            task = Multiclass(tuple("abc"))
            runs.append(PredictionTable.of(target, prediction, group=group.astype(str), task=task))
        arms.append(runs)
    return arms[0], arms[1]


@cache
def p_values(scenario: str, gain: float = 0.0, experiments: int = EXPERIMENTS) -> dict[str, list[float]]:
    rng = np.random.default_rng(list(SCENARIOS).index(scenario))
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(experiments):
        for name, result in paired_differences(
            *experiment(SCENARIOS[scenario], rng, gain=gain), metrics=METRICS
        ).items():
            found[name].append(result.p_value)
    return found


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_as_many_false_alarms_as_stated(scenario: str, name: str) -> None:
    """False-alarm rate: below 1e-3 in each of 12 cases where the true rate is 5 %, and the seeds are fixed.

    Where groups do not matter p-values are a little too large, so only the upper limit is exact.
    """
    alarms = sum(p < 0.05 for p in p_values(scenario)[name])
    assert alarms <= binom.ppf(0.9995, EXPERIMENTS, 0.05)
    assert alarms >= binom.ppf(0.0005, EXPERIMENTS, 0.04)


def test_a_planted_gain_is_found() -> None:
    for name, found in p_values("both", 0.8, 20).items():
        assert np.mean(np.array(found) < 0.05) > 0.5, name
