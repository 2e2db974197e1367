"""A comparison on the screen and as files."""

from __future__ import annotations

import csv
import io
import json
import stat
from dataclasses import fields, replace
from pathlib import Path

import pytest
from refusals import refused
from rich.console import Console

from comodal.contracts import ComparisonRow, Sentiment
from comodal.reports import csv_text, print_comparison, read_summary, write_summary
from comodal.reports.comparison_report import file_table, screen_table
from comodal.reports.number_text import difference_text, interval_text, mean_text, notes, p_text, verdict

NAMES = [field.name for field in fields(ComparisonRow)]


def row(measure: str = "kl", metric: str = "mae", **values: object) -> ComparisonRow:
    base = ComparisonRow(
        *("early", measure, 0.3, metric, 0.8321, 0.0123, -0.0123, -0.0201, -0.0046, 0.0123, 32, 1, 3.25),
        p_raw=0.0041,
        reference="early/none",
        n_groups=31,
        better="lower" if metric == "mae" else "higher",
    )
    return replace(base, **values)  # type: ignore[arg-type]


def reference(metric: str = "mae") -> ComparisonRow:
    none = dict.fromkeys(("delta", "ci_low", "ci_high", "p_value", "p_raw", "reference"))
    return row("none", metric, weight=0.0, **none)


def example() -> list[ComparisonRow]:
    metrics = Sentiment.reported
    arms = [("early", "none"), ("early", "squared_hellinger"), ("lfn:text", "none"), ("lfn", "wasserstein")]
    return [
        replace(reference(metric) if measure == "none" else row(measure, metric), fusion=fusion)
        for fusion, measure in arms
        for metric in metrics
    ]


def printed(rows: list[ComparisonRow], width: int = 120, **options: object) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_comparison(rows, console=console, **options)  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_cells() -> None:
    assert mean_text(row()) == "0.832 ± 0.012"
    assert mean_text(row(metric="acc_7", mean=34.567, std=1.234)) == "34.57 ± 1.23"
    assert mean_text(row(std=None)) == "0.832"
    assert interval_text(row()) == ("-0.012", "[-0.020, -0.005]")
    assert interval_text(row(ci_low=None, ci_high=None)) == ("-0.012", "")
    assert interval_text(reference()) == ("", "")
    assert difference_text(row()) == "-0.012 [-0.020, -0.005] p 0.012"
    assert (p_text(row()), p_text(row(p_value=0.0004)), p_text(reference())) == ("p 0.012", "p <0.001", "")


@pytest.mark.parametrize(
    ("metric", "delta", "p_value", "expected"),
    [
        ("mae", -0.1, 0.01, "gain"),
        ("mae", 0.1, 0.01, "harm"),
        ("corr", 0.1, 0.01, "gain"),
        ("corr", -0.1, 0.01, "harm"),
        ("corr", 0.1, 0.06, ""),
        ("corr", 0.1, None, ""),
        ("corr", 0.0, 0.01, ""),
    ],
)
def test_verdict_knows_direction_and_significance(metric: str, delta: float, p_value: float, expected: str) -> None:
    assert verdict(row(metric=metric, delta=delta, p_value=p_value)) == expected


def test_one_row_per_arm_with_every_metric() -> None:
    table = file_table(example())
    assert [tuple(cell.text for cell in line[:2]) for line in table.rows] == [
        ("early", "none"),
        ("early", "squared_hellinger"),
        ("lfn:text", "none"),
        ("lfn", "wasserstein"),
    ]
    assert {len(line) for line in table.rows} == {len(table.heads)} == {3 + 7 + 3}
    assert table.rows[1][7] == (mean_text(row(metric="acc_2_nonneg")), "-0.01 [-0.02, -0.00] p 0.012", "harm")
    missing = file_table([row("kl", "mae"), row("f", "corr")])
    assert [line[4].text for line in missing.rows] == ["", "0.832 ± 0.012"]


def test_terminal_fits_120_columns_and_loses_nothing() -> None:
    text = printed(example(), title="synthetic")
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 120
    assert "…" not in text
    for part in ("synthetic", "squared_hellinger", "0.832 ± 0.012", "[-0.020, -0.005]", "p 0.012", "32 seeds"):
        assert part in text
    assert "1 collapsed" in text
    assert "lower is better" in text


def test_too_narrow_a_terminal_is_what_the_width_check_catches() -> None:
    assert "…" in printed(example(), width=60)


@pytest.mark.parametrize(
    ("held", "metrics", "shown"),
    [
        (None, None, ["mae", "corr", "acc_2_pos", "acc_7"]),
        (None, ["f1"], ["f1"]),
        ("acc_5", None, ["acc_5"]),
    ],
)
def test_the_screen_shows_the_first_metrics_and_others_on_request(held, metrics, shown) -> None:  # type: ignore[no-untyped-def]
    rows = [each for each in example() if held in (None, each.metric)]
    heads = [head.split("\n")[0] for head in screen_table(rows, metrics=metrics).heads]
    assert heads == ["model", *shown, "runs"]


def test_notes_are_shown_once_with_the_arms_they_concern() -> None:
    both = "videos are shared"
    rows = [row("kl", metric, note=f"no p-value from 1 seed; {both}") for metric in ("mae", "corr")]
    rows.append(row("f", "mae", note=both))
    assert notes(rows) == ["early/kl: no p-value from 1 seed.", "All: videos are shared."]


def test_brackets_in_names_are_text_and_not_markup() -> None:
    assert "[bold]kl" in printed([row("[bold]kl")])


def test_markdown_has_a_row_per_arm_and_marks_what_is_significant(tmp_path: Path) -> None:
    text = write_summary(example(), tmp_path, title="synthetic")["md"].read_text().splitlines()
    assert text[0] == "## synthetic"
    table = [line for line in text if line.startswith("|")]
    assert len(table) == 2 + 4
    assert table[0].count("is better") == 7
    assert "**-0.012 [-0.020, -0.005] p 0.012**" in table[3]
    assert "**" not in table[2]


def test_json_and_csv_hold_every_field_and_nothing_for_what_does_not_exist(tmp_path: Path) -> None:
    paths = write_summary(example(), tmp_path)
    objects = json.loads(paths["json"].read_text())
    assert [list(each) for each in objects] == [NAMES] * 28
    assert (objects[0]["delta"], objects[7]["delta"]) == (None, -0.0123)
    lines = list(csv.DictReader(io.StringIO(paths["csv"].read_bytes().decode(), newline="")))
    assert [list(each) for each in lines] == [NAMES] * 28
    assert (lines[0]["delta"], float(lines[7]["delta"])) == ("", -0.0123)


def test_written_summary_reads_back_to_the_same_rows(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    paths = write_summary(example(), folder)
    assert {path.name for path in folder.iterdir()} == {"summary.csv", "summary.json", "summary.md"}
    assert read_summary(paths["json"]) == example()
    assert paths["csv"].read_bytes().count(b"\r") == 0
    assert stat.S_IMODE(paths["json"].stat().st_mode) == 0o644


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_rows_that_cannot_be_written_leave_the_old_files(tmp_path: Path, bad: float) -> None:
    write_summary(example(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with refused("not_finite"):
        write_summary([row(mean=bad)], tmp_path)
    with refused("empty"):
        write_summary([], tmp_path)
    with refused("empty"):
        csv_text([])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("content", [None, "{", "{}", "7", '[{"fusion": "early"}]', "[1]"])
def test_what_is_not_a_summary_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "summary.json"
    if content is not None:
        path.write_text(content)
    with refused("missing" if content is None else "damaged", path):
        read_summary(path)
