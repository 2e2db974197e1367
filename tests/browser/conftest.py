"""A real headless Chromium, the report of a real short comparison, and its live page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from chromium import FLAGS, PATIENCE, Watch, Watched, chromium
from findings import findings as made_up_findings
from finished_runs import two_arms
from live_server import running
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from comodal.contracts import Findings
from comodal.evaluation.comparison import compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.gather import findings_of
from comodal.evaluation.robustness import RobustnessConfig, robustness
from comodal.evaluation.runs import RunSet, open_runs
from comodal.explain.explain import ExplanationConfig, explain, explained_run
from comodal.explain.output import write_explanation
from comodal.reports import write_summary
from comodal.reports.page import render_page
from comodal.reports.robustness_report import write_robustness
from comodal.serve.app import build_app
from comodal.serve.live_model import LiveModel
from comodal.serve.security import allowed_hosts
from comodal.serve.start import live_page
from comodal.training.config import TrainingConfig


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE)
        yield started
        started.close()


@pytest.fixture(scope="session")
def watch(browser: Browser) -> Iterator[Watch]:
    """Opens fresh pages that may ask one address only."""
    contexts: list[BrowserContext] = []

    def start(allowed: str, **options: object) -> Watched:
        contexts.append(browser.new_context(accept_downloads=True, **options))
        return Watched(contexts[-1].new_page(), allowed)

    yield start
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    """Early fusion with and without a penalty, two seeds, two epochs; robustness and explanation of it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("browser") / "comparison"
    config = two_arms(TrainingConfig(max_epochs=2))
    write_summary(compare(DataConfig(source="synthetic:redundant"), config, out=folder).rows, folder)
    subsets = RobustnessConfig(scenarios="subsets", metrics=("mae",))
    write_robustness(robustness(folder, subsets, out=folder / "robustness"), folder / "robustness")
    found = open_runs(folder)
    explained = explain(found, explained_run(found), ExplanationConfig(donors=5, attributions=2))
    write_explanation(folder / "explanation" / "early-kl-seed-0", explained.table, explained.attributions)
    torch.set_num_threads(threads)
    return found


@pytest.fixture(scope="session")
def report(runs: RunSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the real report on disk."""
    return _written(render_page(findings_of(runs)), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def odd_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Findings]:
    """A made-up report whose transcripts hold markup and many scripts, and what is in it."""
    whole = made_up_findings(samples=60, seeds=2, explained=1)
    odd = replace(whole, rows=(), replication=(), curves=(), robustness=(), pairing=())
    return _written(render_page(odd), tmp_path_factory.mktemp("odd") / "report.html"), odd


@pytest.fixture(scope="session")
def bare(runs: RunSet) -> Findings:
    """The real findings without what is drawn: such a page opens fast."""
    return replace(findings_of(runs), rows=(), curves=(), robustness=(), explanations=())


@pytest.fixture(scope="session")
def bare_report(bare: Findings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of ``bare``."""
    return _written(render_page(bare), tmp_path_factory.mktemp("bare") / "report.html")


def _written(page: str, path: Path) -> str:
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def live(runs: RunSet) -> LiveModel:
    return LiveModel.of(runs, explained_run(runs))


@pytest.fixture(scope="session")
def served(runs: RunSet, live: LiveModel) -> Iterator[str]:
    """Address of the live page."""
    app = build_app(live, live_page(findings_of(runs)), names=allowed_hosts("127.0.0.1", ()))
    with running(app) as port:
        yield f"http://127.0.0.1:{port}/"
