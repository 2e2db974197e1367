from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from comodal.contracts import InputError
from comodal.evaluation import pool, runner
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.grid import Arm, Trial
from comodal.evaluation.runner import TrialResult, run_tasks
from comodal.training.config import RunConfig

Short = Callable[..., RunConfig]


def four_tasks() -> list[Trial]:
    return [
        Trial(Arm("early", measure), weight, seed, 0, True)
        for seed in (0, 1)
        for measure, weight in (("none", 0.0), ("kl", 0.3))
    ]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Measure and seed of every fit that is really done."""
    done: list[tuple[str, int]] = []
    fit = runner.fit_fold

    def counted(fold: Any, config: RunConfig) -> Any:
        done.append((config.penalty.measure, config.seed))
        return fit(fold, config)

    monkeypatch.setattr(runner, "fit_fold", counted)
    return done


def run(tasks: list[Trial], data: DataConfig, short: Short, root: Path, **options: Any) -> dict[Trial, TrialResult]:
    return run_tasks(tasks, data=data, bases={"early": short()}, root=root, **options)


def test_trains_every_task_once_and_only_what_has_no_result(
    trained: list[tuple[str, int]], data: DataConfig, short: Short, tmp_path: Path
) -> None:
    tasks = four_tasks()
    first = run(tasks, data, short, tmp_path)
    assert sorted(trained) == [("kl", 0), ("kl", 1), ("none", 0), ("none", 1)]
    trained.clear()
    shutil.rmtree(first[tasks[1]].folder)
    again = run(tasks, data, short, tmp_path)
    assert trained == [("kl", 0)]
    assert list(again) == tasks
    for task in tasks:
        assert again[task].valid_loss == first[task].valid_loss
        np.testing.assert_array_equal(again[task].predictions().prediction, first[task].predictions().prediction)


def test_a_task_is_the_run_that_training_alone_would_be(data: DataConfig, short: Short, tmp_path: Path) -> None:
    task = Trial(Arm("early", "kl"), 0.3, 5, 0, True)
    result = run([task], data, short, tmp_path)[task]
    alone = train(data, short(seed=5, penalty={"measure": "kl", "weight": 0.3}))
    assert result.valid_loss == alone.metrics["valid_loss"]
    np.testing.assert_array_equal(result.predictions().prediction, alone.predictions.prediction)
    np.testing.assert_array_equal(result.predictions().critic_score, alone.predictions.critic_score)


def test_interrupted_it_keeps_what_is_finished(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[tuple[str, int]]
) -> None:
    tasks = four_tasks()
    counted = runner.fit_fold

    def interrupted(fold: Any, config: RunConfig) -> Any:
        if len(trained) == 2:
            raise KeyboardInterrupt
        return counted(fold, config)

    monkeypatch.setattr(runner, "fit_fold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tasks, data, short, tmp_path)
    monkeypatch.setattr(runner, "fit_fold", counted)
    done = list(trained)
    trained.clear()
    run(tasks, data, short, tmp_path)
    assert len(done) == len(trained) == 2
    assert not set(done) & set(trained)


def test_killed_while_it_wrote_a_result_it_has_none(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task, *_) = four_tasks()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        run([task], data, short, tmp_path)
    assert not task.folder(tmp_path).exists()
    monkeypatch.undo()
    assert run([task], data, short, tmp_path)[task].predictions().prediction.shape == (800,)
    assert [path.name for path in task.folder(tmp_path).parent.iterdir()] == ["part-0"]


def test_a_selection_task_leaves_no_prediction(data: DataConfig, short: Short, tmp_path: Path) -> None:
    task = Trial(Arm("early", "kl"), 0.3, 0, 0, False)
    result = run([task], data, short, tmp_path)[task]
    assert [path.name for path in result.folder.iterdir()] == ["result.json"]
    with pytest.raises(InputError, match="not a readable prediction table"):
        result.predictions()


@pytest.mark.parametrize("keep", [False, True])
def test_weights_are_kept_on_demand(keep: bool, data: DataConfig, short: Short, tmp_path: Path) -> None:
    task = Trial(Arm("early", "none"), 0.0, 0, 0, True)
    folder = run([task], data, short, tmp_path, keep=keep)[task].folder
    kept = {"weights.safetensors", "standardizer.safetensors"} if keep else set()
    assert {path.name for path in folder.iterdir()} == {"result.json", "history.json", "predictions.parquet", *kept}


def test_a_single_modality_arm_sees_no_other(data: DataConfig, short: Short, tmp_path: Path) -> None:
    task = Trial(Arm("early", "none", "audio"), 0.0, 0, 0, True)
    result = run([task], data, short, tmp_path)[task]
    alone = train(DataConfig(source=data.source, features={"audio": "audio"}), short())
    np.testing.assert_array_equal(result.predictions().prediction, alone.predictions.prediction)


def test_progress_counts_finished_tasks_too(data: DataConfig, short: Short, tmp_path: Path) -> None:
    tasks = four_tasks()
    run(tasks[:2], data, short, tmp_path)
    counts: list[int] = []
    run(tasks, data, short, tmp_path, advance=counts.append)
    assert counts == [2, 1, 1]


def test_a_damaged_result_names_its_file(data: DataConfig, short: Short, tmp_path: Path) -> None:
    (task, *_) = four_tasks()
    folder = run([task], data, short, tmp_path)[task].folder
    (folder / "result.json").write_text("{")
    with pytest.raises(InputError, match=r"result.json: missing or damaged"):
        run([task], data, short, tmp_path)


def test_two_processes_give_the_bits_of_one_and_threads_are_left_as_they_were(
    data: DataConfig, short: Short, tmp_path: Path
) -> None:
    tasks = four_tasks()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        one = run(tasks, data, short, tmp_path / "one")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    two = run(tasks, data, short, tmp_path / "two", jobs=2)
    assert list(two) == tasks
    for task in tasks:
        assert two[task].valid_loss == one[task].valid_loss
        for (name, a), (_, b) in zip(one[task].predictions().columns(), two[task].predictions().columns(), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert len({one[task].valid_loss for task in tasks}) == 4


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
    with pytest.raises(
        InputError, match=r"a worker process ended in the middle of a run: .*finished runs are kept"
    ) as got:
        run(four_tasks(), data, short, tmp_path, jobs=2)
    assert "\n" not in str(got.value)
