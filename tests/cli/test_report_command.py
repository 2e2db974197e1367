from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from live_server import short_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(tmp_path_factory.mktemp("reported") / "run")


def test_a_page_is_written_and_what_it_lacks_is_said(comodal: Callable[..., object], run: Path, tmp_path: Path) -> None:
    result = comodal("report", str(run), "-o", "page.html")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("page.html: ")
    assert "  without robustness: comodal robustness DIR" in result.out.splitlines()
    assert "  without training" not in result.out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "comodal robustness DIR" in page


def test_nothing_is_overwritten_without_force(comodal: Callable[..., object], run: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    refused = comodal("report", str(run))
    assert refused.status == 2
    assert "report.html: exists; give another name (-o), or --force" in refused.err
    assert (tmp_path / "report.html").read_text() == "mine"
    assert comodal("report", str(run), "--force").status == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: not a run folder"),
        (["RUN", "-o", "."], ".: is a folder; give the page a name"),
        (["RUN", "RUN"], "run and run both hold early/kl"),
        (["RUN", "--figures", "f", "--formats", "gif"], "unknown figure format 'gif'"),
    ],
)
def test_what_cannot_be_reported_is_one_line(
    comodal: Callable[..., object], run: Path, arguments: list[str], message: str
) -> None:
    result = comodal("report", *(str(run) if word == "RUN" else word for word in arguments))
    assert result.status == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
