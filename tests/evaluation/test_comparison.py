from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused

from comodal.contracts import ComparisonRow, PredictionTable, Sentiment
from comodal.contracts.errors import Code
from comodal.contracts.json_records import read_records
from comodal.data.arrays import from_arrays
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.data.splits import grouped_k_fold
from comodal.evaluation import experiment
from comodal.evaluation.comparison import Comparison, compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import PLACEBO, REPLICATION_SEED, SELECTION_SEED, Arm, CompareConfig, Trial
from comodal.training.config import RunConfig

Short = Callable[..., RunConfig]
Rows = dict[tuple[str, str, str], Any]


@pytest.fixture
def tiny(short: Short) -> Callable[..., CompareConfig]:
    def build(**options: Any) -> CompareConfig:
        plain = {
            "measures": ("none", "kl"),
            "seeds": 2,
            "selection_seeds": 1,
            "weight_grid": (0.1, 1.0),
            "base": short(),
        }
        return CompareConfig(**{**plain, **options})

    return build


Tiny = Callable[..., CompareConfig]


def by_name(found: Comparison) -> Rows:
    return {(row.fusion, row.measure, row.metric): row for row in found.rows}


def selection_loss(root: Path, arm: Arm, weight: float, part: int = 0) -> float:
    folder = Trial(arm, weight, SELECTION_SEED, part, False).folder(root / "selection")
    return float(json.loads((folder / "result.json").read_text())["valid_loss"])


def test_the_whole_job(data: DataConfig, tiny: Tiny, tmp_path: Path, trained: list[RunConfig]) -> None:
    found = compare(data, tiny(fusions=("early", "lfn"), measures=("none", "kl", PLACEBO)), out=tmp_path)
    rows = by_name(found)
    for fusion in ("early", "lfn"):
        single = found.selection.modality[fusion]
        for measure in ("none", "kl", PLACEBO):
            assert {metric for f, m, metric in rows if (f, m) == (fusion, measure)} == set(Sentiment.reported)
        assert (f"{fusion}:{single}", "none", "mae") in rows
        reference, penalised = rows[fusion, "none", "mae"], rows[fusion, "kl", "mae"]
        assert reference.delta is reference.p_value is reference.ci_low is None
        assert penalised.delta == pytest.approx(penalised.mean - reference.mean, abs=1e-9)
        assert penalised.delta != 0
        assert rows[fusion, PLACEBO, "mae"].delta != 0, "other random streams give another result"
        assert penalised.ci_low <= penalised.delta <= penalised.ci_high
        assert 0 <= penalised.p_raw <= penalised.p_value <= 1
        assert penalised.reference == f"{fusion}/none"
    assert all(row.n_seeds == 2 and row.n_groups == 100 and row.seconds > 0 for row in found.rows)
    assert found.replication == []
    assert read_records(tmp_path / "summary.json", ComparisonRow) == tuple(found.rows)

    # What was trained: 2 fusions x (3 single modalities + 2 weights) to choose, 2 x 4 arms x 2 seeds to report.
    seeds = [config.seed for config in trained]
    assert sum(seed >= SELECTION_SEED and seed < SELECTION_SEED + 1 for seed in seeds) == 10
    assert len(trained) == 10 + 16


def test_the_weight_is_the_one_with_the_lowest_validation_loss(data: DataConfig, tiny: Tiny, tmp_path: Path) -> None:
    grid = (0.0, 0.3, 30.0)
    found = compare(data, tiny(weight_grid=grid), out=tmp_path)
    losses = {weight: selection_loss(tmp_path, Arm("early", "kl"), weight) for weight in grid}
    assert len(set(losses.values())) == 3
    best = min(losses, key=lambda weight: losses[weight])
    assert found.selection.weights[Arm("early", "kl")] == [best]
    kept = json.loads((tmp_path / "selection.json").read_text())
    assert kept["weights"] == {"early/kl": [best]}
    table = {row["weight"]: row["valid_loss"] for row in kept["mean_validation_loss"] if row["arm"] == "early/kl"}
    assert table == losses
    singles = {name: selection_loss(tmp_path, Arm("early", "none", name), 0.0) for name in ("text", "audio", "vision")}
    assert kept["single_modality"] == {"early": min(singles, key=lambda name: singles[name])}
    assert by_name(found)["early", "kl", "mae"].weight == best


def test_every_fold_chooses_its_own_weight_and_all_are_one_row(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    features = {"text": rng.normal(size=(60, 4)), "audio": rng.normal(size=(60, 3))}
    label = np.clip(features["text"][:, 0], -3, 3)
    dataset = from_arrays(features, label, task="sentiment", group=np.repeat(np.arange(20), 3))
    dataset = dataclasses.replace(dataset, partitions=grouped_k_fold(dataset.group, folds=3))
    monkeypatch.setattr(DataConfig, "load", lambda _: dataset)
    grid = (0.0, 3.0, 30.0)
    found = compare(DataConfig(source="folds"), tiny(weight_grid=grid), out=tmp_path)
    chosen = found.selection.weights[Arm("early", "kl")]
    for part, weight in enumerate(chosen):
        losses = {w: selection_loss(tmp_path, Arm("early", "kl"), w, part) for w in grid}
        assert weight == min(losses, key=lambda w, losses=losses: losses[w])
    row = by_name(found)["early", "kl", "mae"]
    assert row.weight == pytest.approx(sum(chosen) / 3)
    assert row.n_groups == 20, "all folds together"
    trials = [Trial(Arm("early", "kl"), weight, 0, part, True) for part, weight in enumerate(chosen)]
    tables = [PredictionTable.from_parquet(t.folder(tmp_path / "runs") / "predictions.parquet") for t in trials]
    assert sorted(np.concatenate([table.id for table in tables])) == sorted(dataset.id)


def test_choosing_never_reads_the_test_part(
    data: DataConfig, dataset: Dataset, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = compare(data, tiny(), out=tmp_path / "clean")
    test = dataset.partitions[0].test
    modalities = {}
    for name, array in dataset.modalities.items():
        values = array.values.copy()
        values[test] = np.nan
        modalities[name] = RaggedArray(values, array.offsets)
    target = dataset.target.copy()
    target[test] = 1e9
    poisoned = dataclasses.replace(dataset, modalities=modalities, target=target)
    monkeypatch.setattr(DataConfig, "load", lambda _: poisoned)
    with pytest.raises(ValueError):  # noqa: PT011 - reading the test part fails, after everything is chosen
        compare(data, tiny(), out=tmp_path / "blind")
    blind = json.loads((tmp_path / "blind" / "selection.json").read_text())
    assert blind == json.loads((tmp_path / "clean" / "selection.json").read_text())
    assert clean.selection.losses == blind["mean_validation_loss"]


def test_with_fixed_weights_nothing_is_chosen_but_the_single_modality(
    data: DataConfig, tiny: Tiny, tmp_path: Path, trained: list[RunConfig]
) -> None:
    found = compare(data, tiny(measures=("kl", "f"), weight={"kl": 0.2, "f": 0.5}), out=tmp_path)
    assert {(row.measure, row.weight) for row in found.rows if row.fusion == "early"} == {
        ("none", 0.0),
        ("kl", 0.2),
        ("f", 0.5),
    }
    assert {config.penalty.measure for config in trained if config.seed >= SELECTION_SEED} == {"none"}


def test_started_again_it_trains_nothing_and_with_more_seeds_only_those(
    data: DataConfig, tiny: Tiny, tmp_path: Path, trained: list[RunConfig]
) -> None:
    first = compare(data, tiny(weight=0.3), out=tmp_path)
    trained.clear()
    assert compare(data, tiny(weight=0.3), out=tmp_path).rows == first.rows
    assert trained == []
    more = compare(data, tiny(weight=0.3, seeds=3), out=tmp_path)
    assert {config.seed for config in trained} == {2}
    assert len(trained) == 3
    assert all(row.n_seeds == 3 for row in more.rows)


def test_a_replication_has_fresh_seeds_and_the_weights_already_chosen(
    data: DataConfig, tiny: Tiny, tmp_path: Path, trained: list[RunConfig]
) -> None:
    found = compare(data, tiny(weight=0.3), out=tmp_path)
    trained.clear()
    both = compare(data, tiny(weight=0.3), out=tmp_path, replicate=True)
    assert both.rows == found.rows
    assert {config.seed for config in trained} == {REPLICATION_SEED, REPLICATION_SEED + 1}
    assert [(row.fusion, row.measure, row.metric, row.weight) for row in both.replication] == [
        (row.fusion, row.measure, row.metric, row.weight) for row in both.rows
    ]
    pairs = [pair for pair in zip(both.rows, both.replication, strict=True) if pair[0].metric == "mae"]
    changed = {first.fusion for first, fresh in pairs if first.mean != fresh.mean}
    assert changed == {first.fusion for first, _ in pairs} - {"constant", "linear"}


def test_a_folder_of_another_comparison_is_refused(data: DataConfig, tiny: Tiny, tmp_path: Path) -> None:
    compare(data, tiny(weight=0.3), out=tmp_path)
    with refused("mismatch", "weight", 0.3, 0.5):
        compare(data, tiny(weight=0.5), out=tmp_path)
    with refused("mismatch", tmp_path):
        experiment.train(data, tiny().base, out=tmp_path)
    with refused("unsupported", tmp_path, 6):
        experiment.evaluate(tmp_path)


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"jobs": 0}, "out_of_range", ["jobs is 0"]),
        ({"features": {"text": "text"}}, "unsupported", ["one modality", "text"]),
        ({"training": {"batch_size": 2}}, "out_of_range", ["batch_size", 3]),
        ({"fusion_config": {"dropout": 3.0}}, "out_of_range", ["early", 3.0]),
    ],
)
def test_what_cannot_run_is_refused_before_a_folder_is_made(
    options: dict[str, Any], code: Code, named: list[Any], *, data: DataConfig, tiny: Tiny, tmp_path: Path
) -> None:
    base = RunConfig.from_dict({"training": options.get("training", {})})
    config = tiny(base=base, fusion_config=options.get("fusion_config", {}))
    source = dataclasses.replace(data, features=options.get("features"))
    with refused(code, *named):
        compare(source, config, out=tmp_path / "run", jobs=options.get("jobs", 1))
    assert list(tmp_path.iterdir()) == []


def test_progress_names_every_stage(data: DataConfig, tiny: Tiny, tmp_path: Path) -> None:
    stages: dict[str, int] = {}
    counted: list[int] = []

    def progress(stage: str, total: int) -> Callable[[int], None]:
        stages[stage] = total
        return counted.append

    compare(data, tiny(weight=0.3), out=tmp_path, replicate=True, progress=progress)
    assert stages == {"selection": 3, "runs": 6, "replication": 6, "reference models": 2}
    assert sum(counted) == 15 + 2 * 2


def test_one_modality_alone_is_compared_without_a_penalty(data: DataConfig, tiny: Tiny, tmp_path: Path) -> None:
    found = compare(
        dataclasses.replace(data, features={"text": "text"}), tiny(measures=("none", PLACEBO)), out=tmp_path
    )
    arms = {("early", "none"), ("early", PLACEBO)}
    assert {(row.fusion, row.measure) for row in found.rows} == {*arms, ("constant", "none"), ("linear", "none")}
    assert found.selection.modality == {}
