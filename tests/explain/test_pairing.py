"""Broken pairs found by scores that know all, nothing, or the wrong thing; and by the critics of trained models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused
from torch import Tensor

from comodal.contracts import PairingScore
from comodal.contracts.errors import Code
from comodal.data.load import load
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.dependency import views_of
from comodal.evaluation.experiment import train
from comodal.evaluation.runs import RunSet, open_runs
from comodal.explain import pairing
from comodal.explain.broken_pairs import rearranged
from comodal.explain.linear_cca import choose_cca, fit_cca
from comodal.explain.pairing import BROKEN, PLANTED, HeldOutSamples, detections, held_out_parts, validate_pairing
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

NAMES = ("text", "audio", "vision")


def part(
    scorer: Callable[[Tensor], Tensor], *, n: int = 60, videos: int = 6, planted: float = 0.0, name: str = ""
) -> HeldOutSamples:
    groups = np.array([f"{name}v{i * videos // n}" for i in range(n)])
    marked = np.zeros(n, dtype=bool)
    marked[: round(planted * n)] = True
    rng = np.random.default_rng(0)
    return HeldOutSamples(NAMES, groups, rng.permutation(marked), {"score": scorer}, {"score": "a note"})


def knows_all(rows: Tensor) -> Tensor:
    return ((rows[0] == rows[1]) & (rows[1] == rows[2])).double()


def scores(*parts: HeldOutSamples, **options: float) -> list[PairingScore]:
    return [each.score for each in detections(parts, **{"repetitions": 5, **options})]


def test_perfect_reversed_and_constant_scores() -> None:
    for scorer, area, precision in (
        (knows_all, 1.0, 1.0),
        (lambda rows: 1 - knows_all(rows), 0.0, 0.5),
        (lambda rows: torch.zeros(rows.shape[1]), 0.5, 0.5),
    ):
        found = scores(part(scorer))
        assert [each.modality for each in found] == list(NAMES)
        for each in found:
            assert (each.auroc, each.average_precision) == (area, pytest.approx(precision))
            assert each.auroc_low == each.auroc_high == area
            assert (each.target, each.n_broken, each.n, each.note) == (BROKEN, 30, 60, "a note")


def test_the_modality_that_a_score_does_not_see_is_at_chance() -> None:
    found = {each.modality: each for each in scores(part(lambda rows: (rows[0] == rows[2]).double()))}
    assert found["text"].auroc == found["vision"].auroc == 1.0
    assert found["audio"].auroc == 0.5


def test_average_precision_at_chance_is_the_share() -> None:
    found = scores(part(lambda rows: torch.zeros(rows.shape[1])), share=0.2)
    assert [each.average_precision for each in found] == pytest.approx([0.2] * 3)


def test_planted_disagreement_is_found_and_kept_out_of_the_broken_pairs() -> None:
    marked = part(knows_all, planted=0.25)
    suspicious = torch.from_numpy(marked.planted).double()
    seen = HeldOutSamples(NAMES, marked.groups, marked.planted, {"score": lambda r: -suspicious[r[0]]}, {})
    found = {each.target: each for each in scores(seen)}
    assert (found[PLANTED].auroc, found[PLANTED].average_precision, found[PLANTED].modality) == (1.0, 1.0, "")
    assert (found[PLANTED].n_broken, found[PLANTED].n) == (15, 60)
    assert (found[BROKEN].n_broken, found[BROKEN].n) == (round(0.5 * 45), 45)
    # Donors are no planted ones either, so this score has nothing to go by.
    assert found[BROKEN].auroc == 0.5
    assert PLANTED not in {each.target for each in scores(part(knows_all))}


def test_a_part_of_another_scale_changes_nothing() -> None:
    noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)).double()

    def weak(rows: Tensor) -> Tensor:
        return knows_all(rows) + sum(noise[row, place] for place, row in enumerate(rows))

    alike = scores(part(weak, name="a"), part(weak, name="b"))
    scaled = scores(part(weak, name="a"), part(lambda rows: 100 + weak(rows) ** 3, name="b"))
    assert [each.auroc for each in alike] == pytest.approx([each.auroc for each in scaled])
    assert 0.5 < alike[0].auroc < 1.0


@pytest.mark.statistical
def test_a_critic_that_knows_nothing_is_at_chance_within_its_interval() -> None:
    """100 networks on independent modalities; below 88 have an interval over 0.5 with a chance of 1e-3 at 94 %."""
    held = []
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        views = torch.randn(3, 200, 4, generator=generator)
        weight, out = torch.randn(12, 16, generator=generator), torch.randn(16, generator=generator)

        def scorer(rows: Tensor, views: Tensor = views, weight: Tensor = weight, out: Tensor = out) -> Tensor:
            points = torch.cat([view[row] for view, row in zip(views, rows, strict=True)], dim=1)
            return torch.relu(points @ weight) @ out

        found = next(detections([part(scorer, n=200, videos=25)], repetitions=5, seed=seed)).score
        held.append(found.auroc_low <= 0.5 <= found.auroc_high)
    assert np.mean(held) >= 0.88


@pytest.mark.parametrize(
    ("wrong", "options", "code", "named"),
    [
        (part(knows_all, n=19), {}, "empty", "19"),
        (part(knows_all, videos=1), {}, "empty", "group"),
        (part(knows_all), {"share": 1.5}, "out_of_range", "1.5"),
        (part(knows_all), {"repetitions": 0}, "out_of_range", "0"),
        (part(lambda rows: torch.full((rows.shape[1],), torch.nan)), {}, "not_finite", "60 of 60"),
    ],
)
def test_bad_input_is_refused(wrong: HeldOutSamples, options: dict[str, float], code: Code, named: str) -> None:
    with refused(code, named):
        scores(wrong, **options)


def trained(folder: Path, measure: str = "kl", *, fusion: str = "early", **penalty: object) -> RunSet:
    """A small model on data whose disagreeing samples are known."""
    data = synthetic(
        SyntheticConfig(n_train=200, n_valid=60, n_test=120, redundancy=1.0, private_noise=0.1, disagree=0.15)
    )
    config = RunConfig(
        fusion=fusion,
        fusion_config={"encoder": {"hidden": 32, "representation": 8}},
        penalty=PenaltyConfig(measure=measure, weight=1.0, **penalty),
        training=TrainingConfig(max_epochs=4),
    )
    train(data, config, out=folder)
    return open_runs(folder, source=data)


@pytest.mark.parametrize("between", ["modalities", "fusion"])
def test_tuples_score_as_batches_that_hold_the_other_modality(tmp_path: Path, between: str) -> None:
    runs = trained(tmp_path / "run", between=between)
    [found] = held_out_parts(runs, runs.runs[0])
    [fitted] = runs.fitted(runs.runs[0])
    rows = torch.randint(120, (3, 50), generator=torch.Generator().manual_seed(0))
    batch = fitted.fold.view[fitted.fold.partition.test]
    with torch.no_grad():
        output = fitted.model(rearranged(batch, dict(zip(batch.modalities, rows, strict=True))))
        expected = fitted.penalty.measure.pointwise(views_of(output, between=between))
    difference = found.scorers["critic"](rows) - expected
    # Up to the constant that makes nats of the scores.
    assert torch.allclose(difference, difference.mean().expand(50), atol=1e-4)
    assert expected.std() > 1e-3
    assert runs.dataset.group[fitted.fold.partition.test].tolist() == found.groups.tolist()


def test_every_score_is_reported_for_a_trained_run(tmp_path: Path) -> None:
    runs = trained(tmp_path / "run")
    found = validate_pairing(runs, runs.runs[0], measure_to_fit="wasserstein", repetitions=3)
    names = ["critic", "critic fitted afterwards", "linear CCA", "linear CCA of features"]
    assert [each.score for each in found] == [name for name in names for _ in range(4)]
    assert [each.modality for each in found[:4]] == [*NAMES, ""]
    assert {each.n_broken for each in found if each.target == PLANTED} == {18}
    assert all(0 <= each.auroc_low <= each.auroc <= each.auroc_high <= 1 for each in found)
    notes = {each.score: each.note for each in found}
    assert notes["critic"] == "kl, trained with the model"
    assert notes["critic fitted afterwards"] == "wasserstein"
    # What is shared nearly exactly is found by linear means, in the features as they are.
    assert min(each.auroc for each in found if each.score == names[-1]) > 0.9


def test_the_features_baseline_is_fitted_on_the_training_part_alone(tmp_path: Path) -> None:
    runs = trained(tmp_path / "run")
    found = next(each for each in validate_pairing(runs, runs.runs[0]) if each.score == "linear CCA of features")
    [fitted] = runs.fitted(runs.runs[0])
    views = {
        split: {name: each.values.mean(dim=1) for name, each in fitted.fold.view[rows].modalities.items()}
        for split, rows in fitted.fold.partition.splits.items()
    }
    [again] = held_out_parts(runs, runs.runs[0])
    rows = torch.arange(120).expand(3, -1)
    score = again.scorers[found.score](rows)
    assert torch.allclose(score, choose_cca(views["train"], views["valid"])(views["test"]), atol=1e-4)
    assert not torch.allclose(score, choose_cca(views["test"], views["valid"])(views["test"]), atol=1e-2)


def test_a_large_test_part_is_drawn_from_by_whole_videos_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = trained(tmp_path / "run")
    whole = validate_pairing(runs, runs.runs[0], repetitions=2)
    monkeypatch.setattr(pairing, "LARGEST", 70)
    [some] = held_out_parts(runs, runs.runs[0])
    sizes = {video: int((runs.dataset.group == video).sum()) for video in set(some.groups.tolist())}
    assert len(some.groups) == sum(sizes.values()) <= 70
    drawn = validate_pairing(runs, runs.runs[0], repetitions=2)
    said = f"on {len(some.groups)} of 120 test samples, whole groups drawn at random"
    assert {each.note.endswith(said) for each in drawn} == {True}
    assert {each.n for each in drawn if each.target == PLANTED} == {len(some.groups)}
    assert not any("drawn at random" in each.note for each in whole)


def test_a_run_without_a_critic_says_how_to_fit_one(tmp_path: Path) -> None:
    runs = trained(tmp_path / "run", "none")
    with refused("missing", "--fit-critic kl"):
        validate_pairing(runs, runs.runs[0])
    found = validate_pairing(runs, runs.runs[0], measure_to_fit="kl", repetitions=2)
    assert {each.score for each in found} == {"critic fitted afterwards", "linear CCA", "linear CCA of features"}


def test_the_preset_plants_disagreement_that_linear_means_find() -> None:
    dataset = load("synthetic:disagreement")
    rows = dataset.partitions[0].test
    planted = dataset.columns["disagree"][rows] != ""
    assert planted.sum() == 80
    means = {
        name: np.stack([array.values[start:end].mean(axis=0) for start, end in zip(*_ends(array), strict=True)])
        for name, array in dataset.modalities.items()
    }
    cca = fit_cca({name: values[dataset.partitions[0].train] for name, values in means.items()}, ridge=0.01)
    score = cca({name: values[rows] for name, values in means.items()}).numpy()
    assert np.mean(score[planted][:, None] < score[~planted][None]) > 0.95


def _ends(array) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    return array.offsets[:-1], array.offsets[1:]
