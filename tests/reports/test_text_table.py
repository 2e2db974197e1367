"""The forms of a table of text: what each form escapes and emphasises."""

from __future__ import annotations

import io

from rich.console import Console

from comodal.reports.text_table import Cell, TextTable, latex_escaped, latex_table, markdown_table, rich_table

TABLE = TextTable(
    ("", "a|b"),
    [[Cell("[bold]x_1"), Cell("-1", "-0.5", "gain")], [Cell("y"), Cell("2")], [Cell("z"), Cell("3", "+1", "harm")]],
    title="50 %",
    label="tab:x",
)


def printed(table: TextTable) -> str:
    console = Console(width=40, file=io.StringIO(), color_system="standard", force_terminal=True)
    console.print(rich_table(table))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_screen_shows_names_as_text_and_colours_what_is_marked() -> None:
    text = printed(TABLE)
    assert "[bold]x_1" in text
    assert "\x1b[1;32m-0.5" in text  # bold green
    assert "\x1b[1;31m+1" in text  # bold red


def test_markdown_escapes_what_would_end_a_cell_and_sets_marks_in_bold() -> None:
    assert markdown_table(TABLE) == [
        "|  | a\\|b |",
        "| --- | --- |",
        "| [bold]x_1 | -1<br>**-0.5** |",
        "| y | 2 |",
        "| z | 3<br>**+1** |",
    ]


def test_latex_has_small_second_lines_and_space_between_rows() -> None:
    assert latex_table(TABLE).splitlines()[2:-2] == [
        r"\caption{50 \%}\label{tab:x}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r" & a|b \\",
        r"\midrule",
        r"[bold]x\_1 & $-$1 \\",
        r" & {\footnotesize \bfseries $-$0.5} \\",
        r"\addlinespace",
        r"y & 2 \\",
        r"\addlinespace",
        r"z & 3 \\",
        r" & {\footnotesize \bfseries +1} \\",
        r"\bottomrule",
    ]


def test_latex_text_is_set_as_it_stands() -> None:
    assert latex_escaped("a_b % & # $ {x} ~ ^ \\ < ±").count("\\") == 11
    assert latex_escaped("plain text, 0.5 [1]") == "plain text, 0.5 [1]"
