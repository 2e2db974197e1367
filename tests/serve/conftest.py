"""One short run, its live model and its server for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import running, short_run
from task_data import NAMED, penalised_run

from comodal.evaluation.runs import RunSet, open_runs
from comodal.serve.app import build_app
from comodal.serve.live_model import LiveModel
from comodal.serve.security import allowed_hosts

PAGE = "<!doctype html><title>page</title>"


@pytest.fixture(scope="session")
def run_set(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    folder: Path = short_run(tmp_path_factory.mktemp("served") / "run")
    return open_runs(folder)


@pytest.fixture(scope="session")
def live(run_set: RunSet) -> LiveModel:
    return LiveModel.of(run_set, run_set.runs[0])


@pytest.fixture(scope="session")
def port(live: LiveModel) -> Iterator[int]:
    app = build_app(live, PAGE, names=allowed_hosts("127.0.0.1", ()))
    with running(app) as number:
        yield number


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LiveModel]:
    """A live model of every task with names."""
    runs = {kind: penalised_run(kind, tmp_path_factory.mktemp(kind)) for kind in NAMED}
    return {kind: LiveModel.of(each, each.runs[0]) for kind, each in runs.items()}
