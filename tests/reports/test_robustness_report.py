"""A robustness table on the screen and as files."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, replace
from pathlib import Path

from refusals import refused
from rich.console import Console

from comodal.contracts import ComparisonRow, RobustnessRow
from comodal.reports import print_robustness, read_robustness, write_robustness
from comodal.reports.robustness_report import value_text

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
            rows += [
                RobustnessRow("subset", name, "", "", None, replace(row, mean_low=0.81, mean_high=0.85))
                for name in SUBSETS
            ]
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


def test_one_table_per_metric_and_corruption_with_a_row_per_arm(tmp_path: Path) -> None:
    rows = [each for each in example() if each.row.metric == "mae"]
    text = write_robustness(rows, tmp_path)["table.md"].read_text()
    tables = [part.splitlines() for part in text.split("## ")[1:]]
    assert [lines[2] for lines in tables] == [
        f"| fusion | measure | {' | '.join(heads)} |"
        for heads in (SUBSETS, *(("noise:text", "noise:audio"), ("drop:audio",)) * 2)
    ]
    assert [line.split(" | ")[:2] for line in tables[0][4:7]] == [
        ["| lfn", "none"],
        ["| lfn", "wasserstein"],
        ["| lfn:text", "none"],
    ]
    assert tables[0][6] == "| lfn:text | none |  |  |  |  | 0.832 ± 0.012 |  |  |"


def test_a_metric_that_is_not_there_is_refused() -> None:
    with refused("empty", "corr", "mae"):
        printed(example(), metrics=["corr"])


def test_a_single_run_shows_its_interval() -> None:
    row = example()[0]
    assert value_text(row) == "0.832 ± 0.012"
    assert value_text(replace(row, row=replace(row.row, std=None))) == "0.832 [0.810, 0.850]"


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


def test_what_is_not_finite_is_never_written(tmp_path: Path) -> None:
    rows = [replace(example()[0], row=cell("kl", "mae", mean=float("nan")))]
    with refused("not_finite"):
        write_robustness(rows, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_markdown_marks_what_is_significant(tmp_path: Path) -> None:
    text = write_robustness(example(), tmp_path, title="title")["table.md"].read_text()
    assert text.startswith("# title\n")
    assert text.count("**-0.012 [-0.020, -0.005] p 0.012**") == 7 + 3 + 3  # of mae
    plain = [replace(row, row=replace(row.row, p_value=0.5 if row.row.p_value else None)) for row in example()]
    assert "**" not in write_robustness(plain, tmp_path)["table.md"].read_text()


def test_latex_is_whole_and_escaped(tmp_path: Path) -> None:
    text = write_robustness(example(), tmp_path)["table.tex"].read_text()
    body = [line for line in text.splitlines() if not line.startswith("%")]
    for environment in ("table", "tabular"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 10
    assert r"\caption{acc\_2\_pos (\%, lower is better): " in text
    assert r"{\footnotesize \bfseries $-$0.012 [$-$0.020, $-$0.005] p 0.012}" in text
    assert not any("_" in line.replace(r"\_", "").replace("tab:robustness-acc_2_pos", "") for line in body)
    for line in body:
        if line.endswith(r"\\") and line.startswith("lfn"):
            assert line.count("&") in {7, 2, 1}


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
