"""Numbers of single classes, labels or outputs as ``breakdown.csv``, ``breakdown.md`` and ``breakdown.tex``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comodal.contracts import BreakdownRow
from comodal.reports.long_csv import csv_text, written
from comodal.reports.text_table import Cell, TextTable, latex_table, markdown_table

__all__ = ["breakdown_tables", "write_breakdown"]

_SHARES = ("precision", "recall", "f1")
_NOTE = (
    "Mean ± standard deviation over seeds, each on all test samples. Precision, recall and F1 are in percent; support "
    "is the number of samples. An empty cell is not defined, such as the precision of a class that is never predicted."
)


def breakdown_tables(rows: Sequence[BreakdownRow]) -> dict[str, TextTable]:
    """Return arm to a table with one row per class, label or output, and one column per number.

    >>> numbers = {"precision": 50.0, "support": 4.0}
    >>> rows = [BreakdownRow("early", "kl", 0.3, "class", "joy", *each, None, 1) for each in numbers.items()]
    >>> table = breakdown_tables(rows)["early/kl"]
    >>> table.heads, [cell.text for cell in table.rows[0]]
    (('class', 'precision', 'support'), ['joy', '50.0', '4'])
    """
    arms: dict[str, dict[str, dict[str, Cell]]] = {}
    for row in rows:
        arms.setdefault(f"{row.fusion}/{row.measure}", {}).setdefault(row.name, {})[row.number] = _cell(row)
    numbers = tuple(dict.fromkeys(row.number for row in rows))
    return {
        arm: TextTable(
            (rows[0].noun, *numbers),
            [[Cell(name), *(cells[number] for number in numbers)] for name, cells in names.items()],
            f"{arm}, by {rows[0].noun}",
            f"tab:{arm.replace('/', '-')}",
        )
        for arm, names in arms.items()
    }


def write_breakdown(rows: Sequence[BreakdownRow], folder: str | Path, *, title: str = "") -> list[Path]:
    """Write the three files, each of them atomically, and return them; none without rows."""
    if not rows:
        return []
    tables = breakdown_tables(rows).values()
    lines = [f"# {title}", ""] if title else []
    for table in tables:
        lines += [f"## {table.title}", "", *markdown_table(table), ""]
    texts = {
        "breakdown.csv": csv_text(rows),
        "breakdown.md": "\n".join([*lines, _NOTE, ""]),
        "breakdown.tex": f"% {_NOTE}\n" + "\n".join(map(latex_table, tables)),
    }
    return list(written(folder, texts).values())


def _cell(row: BreakdownRow) -> Cell:
    if row.mean is None:
        return Cell()
    if row.number == "support":  # the same for every seed
        return Cell(f"{row.mean:.0f}")
    digits = 1 if row.number in _SHARES else 3
    return Cell(f"{row.mean:.{digits}f}" + ("" if row.std is None else f" ± {row.std:.{digits}f}"))
