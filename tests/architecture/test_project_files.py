"""Metadata, constraints, Makefile and changelog agree with each other and with the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

import comodal

ROOT = Path(__file__).parents[2]


def project() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def requirement_name(line: str) -> str:
    """Return the canonical package name of a requirement."""
    return re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower().replace("_", "-")


def pinned() -> dict[str, str]:
    """Map package to version, from the constraints file."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {requirement_name(name): version for name, version in pins}


def test_citation_names_the_paper_and_its_authors() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Colombo", "Chapuis", "Labeau", "Clavel"]
    assert paper["year"] == 2021
    assert "EMNLP 2021" in paper["conference"]["name"]
    assert paper["url"].endswith("2109.00922")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_version_is_one_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == comodal.__version__
    assert citation["license"] == project()["license"] == "Apache-2.0"
    assert "version" in project()["dynamic"]


def test_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_package_that_tests_use_is_pinned() -> None:
    table = project()
    extras = table["optional-dependencies"]
    needed = {requirement_name(line) for line in [*table["dependencies"], *extras["test"], *extras["dev"]]}
    assert needed - set(pinned()) - {"comodal"} == set()


def test_constraints_fit_the_declared_minima() -> None:
    pins = pinned()
    extras = project()["optional-dependencies"]
    lines = [*project()["dependencies"], *extras["test"], *extras["hf"]]
    for line in lines:
        if line.startswith("comodal["):
            continue
        minimum = re.search(r">=([\d.]+)", line)
        assert minimum is not None, line
        assert as_numbers(pins[requirement_name(line)]) >= as_numbers(minimum[1]), line


def as_numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, for comparison."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def test_continuous_integration_runs_the_documented_command() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text(encoding="utf-8")
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_explains_its_targets() -> None:
    result = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = [line.split()[0] for line in result.stdout.splitlines()]
    assert {"demo", "test", "lint", "types", "benchmark", "clean", "help"} <= set(targets)


def browser_target(tmp_path: Path, *, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``make browser`` with PATH reduced to one folder and a shell's tools."""
    for tool in ("sh", "id", "make"):
        where = shutil.which(tool)
        assert where
        (tmp_path / tool).symlink_to(where)
    return subprocess.run(
        [str(tmp_path / "make"), "-s", "browser", f"SHELL={tmp_path / 'sh'}"],
        cwd=ROOT,
        env={"PATH": f"{path}:{tmp_path}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_browser_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "chromium").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "chromium").chmod(0o755)
    result = browser_target(tmp_path, path=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_without_browser_or_apt_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    result = browser_target(tmp_path, path=str(tmp_path))
    assert result.returncode == 0  # the tests of the page fail by themselves, and the others run
    assert result.stderr.splitlines() == [
        "no Chromium for the tests of the page: install one, or name it in BROWSER_PATH"
    ]
    named = tmp_path / "mine"
    named.write_text("#!/bin/sh\n")
    named.chmod(0o755)
    (tmp_path / "again").mkdir()
    assert browser_target(tmp_path / "again", path=str(tmp_path / "again"), BROWSER_PATH=str(named)).stderr == ""


def test_tests_come_after_the_browser() -> None:
    result = subprocess.run(["make", "-n", "pytest"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0 < result.stdout.index("command -v apt-get") < result.stdout.index("-m pytest")


def test_changelog_has_an_unreleased_section() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
