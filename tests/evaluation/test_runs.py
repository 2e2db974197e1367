"""The finished runs of a folder are found, each with its own weights, and nothing unfinished is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from finished_runs import config
from refusals import refused

from comodal.data.dataset import Dataset
from comodal.evaluation.grid import REPLICATION_SEED
from comodal.evaluation.runs import open_runs


@pytest.fixture
def copy(compared_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(compared_folder, tmp_path / "copy"))


def test_a_trained_folder_is_one_run_with_a_model_a_fold(trained_folder: Path, folds: Dataset) -> None:
    found = open_runs(trained_folder, source=folds)
    (run,) = found.runs
    assert (run.arm.label, run.arm.measure, run.weight, run.seed) == ("early", "kl", 0.3, 0)
    assert [each.to_dict() for each in run.configs] == [config().to_dict()] * 2
    assert [folder.name for folder in run.folders] == ["fold 0", "fold 1"]
    assert run.has_weights
    kept = run.predictions()
    assert kept.id.tolist() == folds.id[np.concatenate([part.test for part in folds.partitions])].tolist()


def test_a_comparison_has_its_arms_in_order_and_seeds_in_each(compared_folder: Path, folds: Dataset) -> None:
    found = open_runs(compared_folder, source=folds)
    arms = {(arm.label, arm.measure): [run.seed for run in runs] for arm, runs in found.arms().items()}
    assert arms == {("early", "none"): [0, 1], ("early", "kl"): [0, 1], ("early:text", "none"): [0, 1]}
    assert list(arms) == [("early", "none"), ("early", "kl"), ("early:text", "none")]


def test_each_fold_has_the_weight_that_it_chose(compared_folder: Path, folds: Dataset) -> None:
    chosen = json.loads((compared_folder / "selection.json").read_text())["weights"]["early/kl"]
    assert len(set(chosen)) == 2
    none, penalty, _ = open_runs(compared_folder, source=folds).runs[::2]
    assert [each.penalty.weight for each in penalty.configs] == chosen
    assert [folder.parts[-3] for folder in penalty.folders] == [f"kl-{weight:g}" for weight in chosen]
    assert penalty.weight == sum(chosen) / 2
    assert (none.weight, [each.penalty.measure for each in none.configs]) == (0.0, ["none", "none"])


def test_a_run_of_which_a_fold_is_missing_is_left_out(copy: Path, folds: Dataset) -> None:
    (copy / "runs" / "early" / "none" / "seed-1" / "part-1" / "result.json").unlink()
    arms = {arm.measure + arm.modality: len(runs) for arm, runs in open_runs(copy, source=folds).arms().items()}
    assert arms == {"none": 1, "kl": 2, "nonetext": 2}


def test_replication_has_the_fresh_seeds(compared_folder: Path, folds: Dataset) -> None:
    fresh = open_runs(compared_folder, source=folds, replication=True)
    assert sorted({run.seed for run in fresh.runs}) == [REPLICATION_SEED, REPLICATION_SEED + 1]
    first = open_runs(compared_folder, source=folds).runs[0].predictions()
    assert (fresh.runs[0].predictions().prediction != first.prediction).any()


def test_models_predict_what_the_runs_kept(compared_folder: Path, folds: Dataset) -> None:
    found = open_runs(compared_folder, source=folds)
    for run in found.runs:
        again = np.concatenate([fitted.predict().prediction for fitted in found.fitted(run)])
        np.testing.assert_array_equal(again, run.predictions().prediction)


def test_data_are_standardised_once_for_all_runs(compared_folder: Path, folds: Dataset) -> None:
    found = open_runs(compared_folder, source=folds)
    views = [[fitted.fold.view for fitted in found.fitted(run)] for run in found.runs]
    assert views[0][0] is views[3][0]
    assert views[0][0] is not views[0][1]  # every fold has statistics of its own
    assert views[0][0] is not views[4][0]  # text alone


@pytest.mark.parametrize("name", ["weights.safetensors", "standardizer.safetensors"])
def test_a_run_without_weights_opens_and_says_so_when_they_are_wanted(copy: Path, folds: Dataset, name: str) -> None:
    for path in copy.glob(f"runs/**/{name}"):
        path.unlink()
    found = open_runs(copy, source=folds)
    assert len(found.runs) == 6
    assert found.runs[0].has_weights == (name != "weights.safetensors")
    with refused(("missing", "damaged"), name):
        next(found.fitted(found.runs[0]))


def test_an_unfinished_run_is_refused(copy: Path, trained_folder: Path, tmp_path: Path, folds: Dataset) -> None:
    with refused("missing", tmp_path):
        open_runs(tmp_path, source=folds)
    half = Path(shutil.copytree(trained_folder, tmp_path / "half"))
    (half / "metrics.json").unlink()
    with refused("missing", half):
        open_runs(half, source=folds)
    with refused("missing", trained_folder, "--replicate"):
        open_runs(trained_folder, source=folds, replication=True)
    shutil.rmtree(copy / "replication")
    with refused("missing", copy, "replication"):
        open_runs(copy, source=folds, replication=True)
    (copy / "selection.json").unlink()
    with refused("missing", copy):
        open_runs(copy, source=folds)
