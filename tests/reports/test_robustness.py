"""A robustness table on the screen and as files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from comodal.contracts import ComparisonRow, InputError, RobustnessRow
from comodal.contracts.records import json_text
from comodal.reports.latex import booktabs, escaped
from comodal.reports.robustness import (
    read_robustness,
    robustness_latex,
    robustness_markdown,
    write_robustness,
)
from comodal.reports.robustness_grids import difference_text, grids, value_text
from comodal.reports.robustness_terminal import print_robustness

SUBSETS = ("clean", "text+audio", "text+vision", "audio+vision", "text", "audio", "vision")


def cell(measure: str, metric: str, **values: object) -> ComparisonRow:
    none = measure == "none"
    compared = (None,) * 4 if none else (-0.0123, -0.0201, -0.0046, 0.0123)
    base = ComparisonRow(
        "lfn", measure, 0.3, metric, 0.8321, 0.0123, *compared, 32, 0, 0.0, n_groups=31, better="lower", note="a | b"
    )
    return replace(base, **values)  # type: ignore[arg-type]


def example() -> list[RobustnessRow]:
    rows = []
    for metric in ("mae", "acc_2_pos"):
        for measure in ("none", "wasserstein"):
            row = cell(measure, metric)
            rows += [RobustnessRow("subset", name, "", "", None, row, 0.81, 0.85) for name in SUBSETS]
            rows.append(RobustnessRow("curve", "noise:audio=0.5", "audio", "noise", 0.5, row))
            for kind in ("relative", "effective"):
                rows += [RobustnessRow(kind, f"noise:{name}", name, "noise", None, row) for name in ("text", "audio")]
                rows.append(RobustnessRow(kind, "drop:audio", "audio", "drop", None, row))
    alone = cell("none", "mae", fusion="lfn:text")
    return [*rows, RobustnessRow("subset", "text", "", "", None, alone)]


def printed(rows: list[RobustnessRow], **options: object) -> str:
    console = Console(width=124, file=io.StringIO(), color_system=None)
    print_robustness(rows, console=console, **options)  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_grids_have_a_line_an_arm_and_a_column_a_scenario() -> None:
    found = grids(example(), ["mae"])
    assert [(grid.kind, grid.corruption, grid.heads) for grid in found] == [
        ("subset", "", SUBSETS),
        ("relative", "noise", ("noise:text", "noise:audio")),
        ("relative", "drop", ("drop:audio",)),
        ("effective", "noise", ("noise:text", "noise:audio")),
        ("effective", "drop", ("drop:audio",)),
    ]
    assert [line[:2] for line in found[0].lines] == [("lfn", "none"), ("lfn", "wasserstein"), ("lfn:text", "none")]
    there = [None if each is None else each.scenario for each in found[0].lines[2][2]]
    assert there == [None, None, None, None, "text", None, None]


def test_a_metric_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="wanted are"):
        grids(example(), ["corr"])


def test_cells() -> None:
    row = example()[0]
    assert value_text(row) == "0.832 ± 0.012"
    assert value_text(replace(row, row=replace(row.row, std=None))) == "0.832 [0.810, 0.850]"
    assert difference_text(row) == ""
    assert difference_text(replace(row, row=cell("kl", "mae"))) == "-0.012 [-0.020, -0.005] p 0.012"


def test_files_are_read_back_exactly(tmp_path: Path) -> None:
    rows = example()
    paths = write_robustness(rows, tmp_path / "new", title="title")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(paths)
    assert read_robustness(paths["rows.json"]) == rows
    lines = list(csv.DictReader(io.StringIO(paths["rows.csv"].read_text())))
    assert len(lines) == len(rows)
    assert float(lines[0]["mean"]) == rows[0].row.mean
    assert (lines[0]["severity"], lines[0]["delta"], lines[0]["mean_low"]) == ("", "", "0.81")
    assert set(lines[0]) == (set(asdict(rows[0])) - {"row"}) | set(asdict(rows[0].row))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    nothing, wrong = "no list of robustness rows", "entry 1 is no robustness row"
    for text, message in (("{", nothing), ('[{"kind": "subset"}]', wrong)):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_robustness(path)
    with pytest.raises(InputError, match=nothing):
        read_robustness(tmp_path / "nowhere.json")


def test_what_is_not_finite_is_never_written(tmp_path: Path) -> None:
    rows = [replace(example()[0], row=cell("kl", "mae", mean=float("nan")))]
    with pytest.raises(InputError, match="NaN"):
        write_robustness(rows, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_markdown_marks_what_is_significant_and_escapes() -> None:
    text = robustness_markdown(example(), title="title")
    lines = text.splitlines()
    assert lines[0] == "# title"
    assert "| fusion | measure | " + " | ".join(SUBSETS) + " |" in lines
    assert text.count("**-0.012 [-0.020, -0.005] p 0.012**") == 7 + 3 + 3  # of mae
    plain = [replace(row, row=replace(row.row, p_value=0.5 if row.row.p_value else None)) for row in example()]
    assert "**" not in robustness_markdown(plain)
    widths = {line.count(" | ") for line in lines if line.startswith("| lfn")}
    assert widths == {8, 3, 2}


def test_latex_is_whole_and_escaped() -> None:
    text = robustness_latex(example())
    body = [line for line in text.splitlines() if not line.startswith("%")]
    for environment in ("table", "tabular"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 10
    assert r"\caption{acc\_2\_pos (\%, lower is better): modalities that are there}" in text
    assert r"{\footnotesize \bfseries $-$0.012 [$-$0.020, $-$0.005] p 0.012}" in text
    assert not any("_" in line.replace(r"\_", "").replace("tab:robustness-acc_2_pos", "") for line in body)
    for line in body:
        if line.endswith(r"\\") and line.startswith("lfn"):
            assert line.count("&") in {7, 2, 1}


def test_latex_text_is_set_as_it_stands() -> None:
    special = "a_b % & # $ {x} ~ ^ \\ < ±"
    assert escaped(special).count("\\") == 11
    assert escaped("plain text, 0.5 [1]") == "plain text, 0.5 [1]"
    table = booktabs(["", "x"], [["a", "1"], [], ["b", "2"]], caption="c", label="l")
    assert r"\addlinespace" in table.splitlines()


def test_screen_holds_the_table_of_subsets_unabridged() -> None:
    text = printed(example(), title="comodal robustness runs/c")
    assert "…" not in text
    for needed in (*SUBSETS, "wasserstein", "lfn:text", "0.832 ± 0.012", "-0.012", "p 0.012", "Holm"):
        assert needed in text
    assert "mae (lower is better)" in text
    assert "noise:audio" not in text
    curves = [row for row in example() if row.kind != "subset" or row.scenario == "clean"]
    assert "noise:audio" in printed(curves)
    assert max(map(len, text.splitlines())) <= 124


def test_json_is_one_object_a_row() -> None:
    plain = json.loads(json_text(example()))
    assert plain[0]["row"]["metric"] == "mae"
    assert len(plain) == len(example())
