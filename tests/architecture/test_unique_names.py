"""No two modules and no two public classes of the package share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "comodal"

# A reader of files and the model of the paper that published them; packages and their main module.
SHARED = {"misa", "mult", "data", "explain"}


def shared_names(package: Path) -> dict[str, list[str]]:
    """Return modules and public classes that have one name, with the files they are in."""
    files: dict[str, list[str]] = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package).as_posix()
        if (name := path.parent.name if path.name == "__init__.py" else path.stem) != "__main__":
            files[name].append(where)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files[node.name].append(where)
    return {name: places for name, places in files.items() if len(places) > 1}


def test_no_two_modules_or_classes_share_a_name() -> None:
    assert {name: places for name, places in shared_names(PACKAGE).items() if name not in SHARED} == {}


def test_twins_are_found(tmp_path: Path) -> None:
    for name in ("one/rows.py", "two/rows.py", "two/tables.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("class _Plan: ...\n")
    (tmp_path / "one" / "arms.py").write_text("class Arm: ...\n")
    (tmp_path / "two" / "grid.py").write_text("class Arm: ...\n")
    assert shared_names(tmp_path) == {
        "Arm": ["one/arms.py", "two/grid.py"],
        "rows": ["one/rows.py", "two/rows.py"],
    }
