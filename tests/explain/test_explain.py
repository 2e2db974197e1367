"""A run explained from end to end, through the library and through the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.cli import main
from comodal.contracts import ExplanationTable
from comodal.data.dataset import Dataset, Partition
from comodal.evaluation.experiment import train
from comodal.evaluation.gather import read_attributions
from comodal.evaluation.runs import RunSet, open_runs
from comodal.explain.explain import ExplanationConfig, explain, explained_run
from comodal.explain.output import claim, write_explanation
from comodal.explain.ranking import percentiles
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

QUICK = ExplanationConfig(donors=3, attributions=2)
SPOKEN = ["<script>alert(1)</script>", "أحب هذا الفيلم", "这部电影|很好", "naïve\ncafé"]


def test_every_test_sample_once_with_the_kept_predictions(with_kl: RunSet) -> None:
    run = with_kl.runs[0]
    found = explain(with_kl, run, QUICK)
    table, kept = found.table, run.predictions()
    np.testing.assert_array_equal(table.id, kept.id)
    np.testing.assert_allclose(table.prediction, kept.prediction, atol=1e-5)
    # The dependency is the kept critic score, shifted by one number.
    shift = table.dependency - kept.critic_score
    np.testing.assert_allclose(shift, shift[0], atol=1e-4)
    np.testing.assert_allclose(table.percentile, percentiles(kept.critic_score), atol=0.2)
    assert set(table.without) == set(table.swapped) == {"text", "audio", "vision"}
    assert len({each.id for each in found.attributions}) <= 8
    assert len(found.attributions) == 3 * len({each.id for each in found.attributions})


def test_a_cross_validated_run_is_explained_fold_by_fold(dataset: Dataset, tmp_path: Path) -> None:
    videos = np.array_split(np.unique(dataset.group), 3)
    thirds = [np.flatnonzero(np.isin(dataset.group, some)) for some in videos]
    parts = tuple(
        Partition(f"fold {k}", train=thirds[k], valid=thirds[(k + 1) % 3], test=thirds[(k + 2) % 3]) for k in range(3)
    )
    spoken = np.asarray([SPOKEN[k % len(SPOKEN)] for k in range(len(dataset))], dtype=object)
    both = dataclasses.replace(dataset, partitions=parts, transcript=spoken)
    config = RunConfig(penalty=PenaltyConfig(measure="wasserstein", weight=0.1), training=TrainingConfig(max_epochs=1))
    train(both, config, out=tmp_path)
    runs = open_runs(tmp_path, source=both)
    table = explain(runs, runs.runs[0], QUICK).table
    rows = np.concatenate([part.test for part in parts])
    np.testing.assert_array_equal(table.id, both.id[rows])
    assert table.transcript.tolist() == spoken[rows].tolist()
    for part in parts:
        own = np.isin(table.id, both.id[part.test])
        np.testing.assert_allclose(table.percentile[own], percentiles(table.dependency[own]))
    assert table.facts["unit"] == "rank"
    assert "within each partition" in table.facts["percentile"]
    write_explanation(tmp_path / "out", table)
    kept = ExplanationTable.from_parquet(tmp_path / "out" / "explanation.parquet")
    assert kept.transcript.tolist() == table.transcript.tolist()
    ranks = (tmp_path / "out" / "ranks.md").read_text(encoding="utf-8")
    assert "<script>" not in ranks
    assert "without a unit" in ranks


@pytest.mark.slow
def test_a_critic_fitted_afterwards_explains_a_run_without_one(without_critic: RunSet) -> None:
    run = without_critic.runs[0]
    with refused("missing", "--fit-critic kl"):
        explain(without_critic, run, QUICK)
    table = explain(without_critic, run, dataclasses.replace(QUICK, fit_critic="f", attributions=0)).table
    assert table.facts["critic"] == "fitted afterwards"
    assert np.isfinite(table.dependency).all()


def test_a_run_is_chosen_by_arm_and_seed(with_kl: RunSet) -> None:
    run = with_kl.runs[0]
    none = dataclasses.replace(run, arm=dataclasses.replace(run.arm, measure="none"), seed=4)
    later = dataclasses.replace(run, seed=7)
    runs = dataclasses.replace(with_kl, runs=(none, later, run))
    assert explained_run(runs) is run  # the first with a penalty, the lowest seed
    assert explained_run(runs, seed=7) is later
    assert explained_run(runs, arm="early/none") is none
    with refused("unknown_name", "early/kll", "'early/kl'"):
        explained_run(runs, arm="early/kll")
    with refused("unknown_name", 3):
        explained_run(runs, seed=3)


def test_the_command_writes_a_folder_and_refuses_to_overwrite_it(
    with_kl: RunSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["explain", str(with_kl.folder), "--donors", "3", "--attributions", "2", "--out", str(out)]
    assert not main([*command, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(out)
    assert len(said["ranks"]["least dependent"]) == 5
    assert ExplanationTable.from_parquet(out / "explanation.parquet").facts["measure"] == "kl"
    kept = read_attributions(out)
    assert all({each.modality for each in entries} == {"text", "audio", "vision"} for entries in kept.values())
    assert main(command) == 2
    assert "--force" in capsys.readouterr().err
    (out / "pairing.json").write_text("[]")
    assert not main([*command, "--force", "--attributions", "0"])
    assert read_attributions(out) == {}
    assert not (out / "pairing.json").exists()  # what is older than the explanation is gone
    assert "Least dependent" in capsys.readouterr().out


@pytest.mark.slow
def test_representations_pass_through_the_command(
    with_kl: RunSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "views.npz"
    assert not main(["explain", str(with_kl.folder), "--save-representations", str(file)])
    assert not main(["explain", "--representations", str(file), "--donors", "2", "--attributions", "0"])
    table = ExplanationTable.from_parquet(tmp_path / "views-explanation" / "explanation.parquet")
    assert len(table) == 800
    assert table.facts["measure"] == "kl"
    assert not (tmp_path / "views-explanation" / "pairing.json").exists()
    options = ["--donors", "2", "--validate", "--repetitions", "2", "--force"]
    capsys.readouterr()
    assert not main(["explain", "--representations", str(file), *options])
    assert "critic fitted afterwards finds broken pairs (text): AUROC 0." in capsys.readouterr().out
    scores = json.loads((tmp_path / "views-explanation" / "pairing.json").read_text())
    assert [each["score"] for each in scores] == ["critic fitted afterwards"] * 3 + ["linear CCA"] * 3
    assert main(["explain"]) == 2
    assert "--representations" in capsys.readouterr().err


def test_other_files_are_left_alone_and_damage_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with refused("exists", tmp_path):
        claim(tmp_path, force=True)
    (tmp_path / "attributions.jsonl").write_text("{")
    with refused("damaged", "attributions.jsonl"):
        read_attributions(tmp_path)


@pytest.mark.parametrize("options", [{"donors": 0}, {"attributions": -1}])
def test_counts_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with refused("out_of_range", *options, *options.values()):
        ExplanationConfig(**options)
