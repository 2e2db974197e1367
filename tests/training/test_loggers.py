from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import refused

from comodal.training import loggers
from comodal.training.config import RunConfig
from comodal.training.fit import FitResult
from comodal.training.loggers import build_logger, require_logger

Run = Callable[..., FitResult]
Config = Callable[..., RunConfig]


def test_csv_holds_what_the_history_holds(run: Run, config: Config, tmp_path: Path) -> None:
    result = run(config(penalty={"measure": "kl"}), folder=tmp_path)
    with next(tmp_path.rglob("metrics.csv")).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(result.history) == 3
    for row, entry in zip(rows, result.history, strict=True):
        assert set(entry) == {"epoch", "valid_loss", "train_task", "train_dependency"}
        for name in ("valid_loss", "train_task", "train_dependency"):
            assert float(row[name]) == pytest.approx(entry[name], rel=1e-5)


def test_tensorboard_writes_its_events(run: Run, config: Config, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = run(config(max_epochs=2), folder=tmp_path, logger="tensorboard")
    events = EventAccumulator(str(next(tmp_path.rglob("events.out*")).parent)).Reload()
    values = [scalar.value for scalar in events.Scalars("valid_loss")]
    assert values == pytest.approx([entry["valid_loss"] for entry in result.history], rel=1e-5)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_named_with_its_extra(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with refused("needs_package", f"pip install '{name}"):
        build_logger(name, tmp_path, "run")
    require_logger("csv")


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("mlflow", "MLflowTracker", {"logging_dir": "OUT/mlruns", "run_name": "run"}),
        ("wandb", "WandBTracker", {"name": "run", "dir": "OUT"}),
    ],
)
def test_services_are_given_the_folder_and_the_name(
    name: str, kind: str, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(loggers.tracking, kind, lambda project, **options: calls.append({"of": project} | options))
    build_logger(name, tmp_path, "run")
    assert calls == [{"of": "comodal"} | {key: each.replace("OUT", str(tmp_path)) for key, each in expected.items()}]


def test_every_extra_exists() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert set(loggers.LOGGERS) - {"csv"} <= set(project["project"]["optional-dependencies"])
