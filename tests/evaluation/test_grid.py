from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from comodal.contracts.errors import Code
from comodal.dependency import MEASURES
from comodal.evaluation.grid import (
    NONE,
    PLACEBO,
    REPLICATION_SEED,
    SELECTION_SEED,
    Arm,
    CompareConfig,
    Trial,
    best_by_validation,
    parse_weight,
)
from comodal.fusion import FUSIONS
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

ROOT = Path("root")

arms = st.builds(
    Arm,
    fusion=st.sampled_from([*FUSIONS]),
    measure=st.sampled_from([NONE, PLACEBO, *MEASURES]),
    modality=st.sampled_from(["", "text", "audio"]),
)


@st.composite
def trials(draw: Any) -> Trial:
    arm = draw(arms)
    weight = draw(st.floats(0, 10)) if arm.has_penalty else 0.0
    return Trial(arm, weight, draw(st.integers(0, 3_000_000)), draw(st.integers(0, 4)), draw(st.booleans()))


def what_is_trained(trial: Trial) -> tuple[Any, ...]:
    """Everything of a trial but what is done with it afterwards; -0.0 is 0.0."""
    return (trial.arm, trial.weight, trial.seed, trial.partition)


@given(trials(), trials())
def test_folders_are_as_distinct_as_what_is_trained(one: Trial, two: Trial) -> None:
    assert (one.folder(ROOT) == two.folder(ROOT)) == (what_is_trained(one) == what_is_trained(two))


def test_close_weights_have_different_folders() -> None:
    near = [0.1, 0.1000001, 0.10000000000000002]
    assert len({Trial(Arm("early", "kl"), weight, 0, 0, True).folder(ROOT) for weight in near}) == 3
    assert Trial(Arm("early", "kl"), 0.3, 5, 1, True).folder(ROOT) == ROOT / "early" / "kl-0.3" / "seed-5" / "part-1"


def test_seeds_that_choose_and_seeds_that_report_never_meet() -> None:
    """For up to 100 000 seeds of each kind: reported, replication, selection, and the placebo's version of each."""
    base = RunConfig()
    starts = {"report": 0, "replication": REPLICATION_SEED, "selection": SELECTION_SEED}
    spans = []
    for measure in (NONE, PLACEBO):
        for start in starts.values():
            first, last = (Trial(Arm("early", measure), 0.0, start + k, 0, True).config(base).seed for k in (0, 99_999))
            assert last - first == 99_999
            spans.append((first, last))
    spans.sort()
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
    assert len(spans) == 6


def test_arms_of_one_seed_train_with_one_seed_but_for_the_placebo() -> None:
    seeds = {m: Trial(Arm("early", m), 0.3, 7, 0, True).config(RunConfig()).seed for m in (NONE, PLACEBO, *MEASURES)}
    placebo = seeds.pop(PLACEBO)
    assert set(seeds.values()) == {7}
    assert placebo != 7


def test_a_trials_config_is_the_base_with_its_arm() -> None:
    base = RunConfig(penalty=PenaltyConfig(critic_steps=3, weight=9.0))
    config = Trial(Arm("lfn", "f"), 0.25, 4, 0, True).config(base)
    assert (config.fusion, config.seed) == ("lfn", 4)
    assert (config.penalty.measure, config.penalty.weight, config.penalty.critic_steps) == ("f", 0.25, 3)
    assert config.training == base.training
    for measure in (NONE, PLACEBO):
        assert Trial(Arm("lfn", measure), 0.0, 4, 0, True).config(base).penalty.measure == "none"


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("auto", "auto"),
        ("0.3", 0.3),
        ("0", 0.0),
        ("kl=0.3", {"kl": 0.3}),
        (" kl = 0.3 , f = 1", {"kl": 0.3, "f": 1.0}),
    ],
)
def test_weights_as_written(text: str, weight: Any) -> None:
    assert parse_weight(text) == weight


@pytest.mark.parametrize("text", ["", "atuo", "kl=", "kl=x", "kl=1,f", "1,2", "kl=1;f=2"])
def test_other_weights_are_refused(text: str) -> None:
    with refused("invalid", "--weight", repr(text)):
        parse_weight(text)


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"fusions": ()}, "empty", ["fusion"]),
        ({"fusions": ("erly",)}, "unknown_name", ["'erly'", "'early'"]),
        ({"measures": ("wassertein",)}, "unknown_name", ["'wassertein'", "'wasserstein'"]),
        ({"measures": ("placbo",)}, "unknown_name", ["'placbo'", "'placebo'"]),
        ({"seeds": 1}, "out_of_range", ["seeds is 1", 2]),
        ({"selection_seeds": 0}, "out_of_range", ["selection_seeds is 0"]),
        ({"weight": -1.0}, "out_of_range", [-1.0]),
        ({"weight": float("nan")}, "out_of_range", ["nan"]),
        ({"weight": float("inf")}, "out_of_range", ["inf"]),
        ({"weight_grid": (0.1, -0.1)}, "out_of_range", [-0.1]),
        ({"measures": ("none", "club", "kl"), "weight": {"club": -0.1, "kl": -0.3}}, "out_of_range", [-0.3]),
        ({"weight_grid": ()}, "empty", ["weight_grid"]),
        ({"weight": {"kl": 0.3}}, "missing", ["--weight", "f"]),
        ({"weight": {"kl": 0.3, "f": 1.0, "wasserstein": 0.1, "none": 1.0}}, "unknown_name", ["--weight", "'none'"]),
        ({"fusion_config": {"hiden": 4}}, "unknown_name", ["early", "'hiden'", "'hidden'"]),
        (
            {"base": RunConfig(penalty=PenaltyConfig(normalize="none"))},
            "conflict",
            ["penalty.normalize", "wasserstein"],
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(options: dict[str, Any], code: Code, named: list[object]) -> None:
    with refused(code, *named):
        CompareConfig(**options)


def test_none_is_always_trained_and_comes_first() -> None:
    config = CompareConfig(fusions=("early", "lfn"), measures=("kl", "placebo"))
    assert [(arm.fusion, arm.measure) for arm in config.arms()] == [
        (fusion, measure) for fusion in ("early", "lfn") for measure in ("none", "kl", "placebo")
    ]
    assert config.penalties == ("kl",)


def test_fixed_weights() -> None:
    assert CompareConfig().fixed_weights() == {}
    assert CompareConfig(measures=("kl", "f", "placebo"), weight=0.5).fixed_weights() == {"kl": 0.5, "f": 0.5}
    assert CompareConfig(measures=("kl", "f"), weight={"f": 1, "kl": 2}).fixed_weights() == {"f": 1.0, "kl": 2.0}


def test_fusion_options_are_shared_or_one_architectures_own() -> None:
    config = CompareConfig(fusions=("early", "lfn"), fusion_config={"hidden": 8, "lfn": {"rank": 2, "hidden": 4}})
    assert config.base_for("early").build_fusion_config().hidden == 8
    assert config.base_for("lfn").build_fusion_config().hidden == 4
    assert config.base_for("lfn").build_fusion_config().rank == 2


def test_the_optimisation_of_one_architecture_can_be_its_own() -> None:
    base = RunConfig(training=TrainingConfig(lr=0.5, max_epochs=7))
    config = CompareConfig(fusions=("early", "lfn"), fusion_training={"lfn": {"lr": 0.25}}, base=base)
    assert (config.base_for("early").training.lr, config.base_for("lfn").training.lr) == (0.5, 0.25)
    assert config.base_for("lfn").training.max_epochs == 7
    for wrong, named in (
        ({"lfm": {"lr": 0.25}}, ["'lfm'", "'lfn'"]),
        ({"lfn": {"lrr": 0.25}}, ["lfn fusion_training", "'lrr'", "'lr'"]),
    ):
        with refused("unknown_name", *named):
            CompareConfig(fusions=("early", "lfn"), fusion_training=wrong)


def test_more_seeds_are_the_same_comparison_and_anything_else_is_not() -> None:
    plain = CompareConfig().to_dict()
    assert CompareConfig(seeds=99).to_dict() == plain
    for other in (
        CompareConfig(selection_seeds=3),
        CompareConfig(weight_grid=(0.1,)),
        CompareConfig(base=RunConfig(penalty=PenaltyConfig(critic_steps=2))),
        CompareConfig(fusion_config={"hidden": 5}),
    ):
        assert other.to_dict() != plain


def test_the_lowest_mean_loss_wins_and_the_first_of_equals() -> None:
    assert best_by_validation({"a": [1.0, 3.0], "b": [2.5], "c": [1.9, 1.9]}) == "c"
    assert best_by_validation({"a": [2.0], "b": [1.0, 3.0]}) == "a"
