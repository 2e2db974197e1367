from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refused

from comodal.evaluation import pool, runner
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.grid import Arm, Trial
from comodal.evaluation.runner import TrialResult, run_trials
from comodal.training.config import RunConfig

Short = Callable[..., RunConfig]


def four_trials() -> list[Trial]:
    return [
        Trial(Arm("early", measure), weight, seed, 0, True)
        for seed in (0, 1)
        for measure, weight in (("none", 0.0), ("kl", 0.3))
    ]


def made(trained: list[RunConfig]) -> list[tuple[str, int]]:
    return sorted((config.penalty.measure, config.seed) for config in trained)


def run(trials: list[Trial], data: DataConfig, short: Short, root: Path, **options: Any) -> dict[Trial, TrialResult]:
    return run_trials(trials, data=data, bases={"early": short()}, root=root, **options)


def test_trains_every_trial_once_and_only_what_has_no_result(
    trained: list[RunConfig], data: DataConfig, short: Short, tmp_path: Path
) -> None:
    trials = four_trials()
    first = run(trials, data, short, tmp_path)
    assert made(trained) == [("kl", 0), ("kl", 1), ("none", 0), ("none", 1)]
    trained.clear()
    shutil.rmtree(first[trials[1]].folder)
    again = run(trials, data, short, tmp_path)
    assert made(trained) == [("kl", 0)]
    assert list(again) == trials
    for trial in trials:
        assert again[trial].valid_loss == first[trial].valid_loss
        np.testing.assert_array_equal(again[trial].predictions().prediction, first[trial].predictions().prediction)


def test_a_trial_is_the_run_that_training_alone_would_be(data: DataConfig, short: Short, tmp_path: Path) -> None:
    trial = Trial(Arm("early", "kl"), 0.3, 5, 0, True)
    result = run([trial], data, short, tmp_path)[trial]
    alone = train(data, short(seed=5, penalty={"measure": "kl", "weight": 0.3}))
    assert result.valid_loss == alone.metrics["valid_loss"]
    np.testing.assert_array_equal(result.predictions().prediction, alone.predictions.prediction)
    np.testing.assert_array_equal(result.predictions().critic_score, alone.predictions.critic_score)


def test_interrupted_it_keeps_what_is_finished(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[RunConfig]
) -> None:
    trials = four_trials()
    counted = runner.fit_fold

    def interrupted(fold: Any, config: RunConfig) -> Any:
        if len(trained) == 2:
            raise KeyboardInterrupt
        return counted(fold, config)

    monkeypatch.setattr(runner, "fit_fold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(trials, data, short, tmp_path)
    monkeypatch.setattr(runner, "fit_fold", counted)
    done = made(trained)
    trained.clear()
    run(trials, data, short, tmp_path)
    assert len(done) == len(trained) == 2
    assert not set(done) & set(made(trained))


def test_killed_while_it_wrote_a_result_it_has_none(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trial, *_) = four_trials()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        run([trial], data, short, tmp_path)
    assert not trial.folder(tmp_path).exists()
    monkeypatch.undo()
    assert run([trial], data, short, tmp_path)[trial].predictions().prediction.shape == (800,)
    assert [path.name for path in trial.folder(tmp_path).parent.iterdir()] == ["part-0"]


def test_a_selection_trial_leaves_no_prediction(data: DataConfig, short: Short, tmp_path: Path) -> None:
    trial = Trial(Arm("early", "kl"), 0.3, 0, 0, False)
    result = run([trial], data, short, tmp_path)[trial]
    assert [path.name for path in result.folder.iterdir()] == ["result.json"]
    with refused("missing", result.folder):
        result.predictions()


@pytest.mark.parametrize("keep", [False, True])
def test_weights_are_kept_on_demand(keep: bool, data: DataConfig, short: Short, tmp_path: Path) -> None:
    trial = Trial(Arm("early", "none"), 0.0, 0, 0, True)
    folder = run([trial], data, short, tmp_path, keep=keep)[trial].folder
    kept = {"weights.safetensors", "standardizer.safetensors"} if keep else set()
    assert {path.name for path in folder.iterdir()} == {"result.json", "history.json", "predictions.parquet", *kept}


def test_a_single_modality_arm_sees_no_other(data: DataConfig, short: Short, tmp_path: Path) -> None:
    trial = Trial(Arm("early", "none", "audio"), 0.0, 0, 0, True)
    result = run([trial], data, short, tmp_path)[trial]
    alone = train(DataConfig(source=data.source, features={"audio": "audio"}), short())
    np.testing.assert_array_equal(result.predictions().prediction, alone.predictions.prediction)


def test_progress_counts_finished_trials_too(data: DataConfig, short: Short, tmp_path: Path) -> None:
    trials = four_trials()
    run(trials[:2], data, short, tmp_path)
    counts: list[int] = []
    run(trials, data, short, tmp_path, advance=counts.append)
    assert counts == [2, 1, 1]


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one_and_threads_are_left_as_they_were(
    data: DataConfig, short: Short, tmp_path: Path
) -> None:
    trials = four_trials()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        one = run(trials, data, short, tmp_path / "one")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    two = run(trials, data, short, tmp_path / "two", jobs=2)
    assert list(two) == trials
    for trial in trials:
        assert two[trial].valid_loss == one[trial].valid_loss
        for (name, a), (_, b) in zip(
            one[trial].predictions().columns().items(), two[trial].predictions().columns().items(), strict=True
        ):
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert len({one[trial].valid_loss for trial in trials}) == 4


class _BrokenPool:
    """A pool whose worker dies, as one that is out of memory does."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.shut = False

    def submit(self, *_: Any) -> Any:
        from concurrent.futures import Future
        from concurrent.futures.process import BrokenProcessPool

        future: Any = Future()
        future.set_exception(BrokenProcessPool("a child process terminated abruptly"))
        return future

    def shutdown(self, **_: Any) -> None:
        self.shut = True


def test_a_worker_that_dies_is_an_error_of_one_line(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ProcessPoolExecutor", _BrokenPool)
    with refused("too_large"):
        run(four_trials(), data, short, tmp_path, jobs=2)
