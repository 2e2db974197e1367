"""Laws of the source tree: no module for leftovers, no overlong file, no path of one machine, a complete sdist."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFTOVER_NAMES = {"utils", "util", "utilities", "helpers", "misc", "common"}
LONGEST_FILE = 400
# Home and working folders of one machine.
ABSOLUTE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users|mnt)/\w")


def repository_files(root: Path) -> list[Path]:
    """Return tracked files and untracked ones that are not ignored; without git, all that .gitignore does not name."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or no git here
        return sorted(walk(root, ignored_names(root)))
    return sorted(path for name in listed.split("\0") if name and (path := root / name).is_file())


def ignored_names(root: Path) -> list[str]:
    """Return the patterns of .gitignore that are plain names, and git's own folder."""
    lines = (root / ".gitignore").read_text(encoding="utf-8").split()
    return [".git", *(line.strip("/") for line in lines)]


def walk(folder: Path, ignored: list[str]) -> Iterator[Path]:
    """Yield files below a folder, without ignored names."""
    for path in folder.iterdir():
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from walk(path, ignored)
        else:
            yield path


def texts(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield path and content of text files."""
    for path in files:
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def absolute_paths(files: list[Path]) -> list[str]:
    """Return ``file:line: text`` of every absolute path into a home or working folder."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts(files)
        for number, line in enumerate(text.splitlines(), start=1)
        if ABSOLUTE_PATH.search(line)
    ]


def leftover_modules(files: list[Path]) -> list[Path]:
    """Return modules and packages with names for leftovers."""
    return [path for path in files if path.suffix == ".py" and LEFTOVER_NAMES & {path.stem, *path.parts[-3:-1]}]


def overlong_files(files: list[Path]) -> list[str]:
    """Return Python files that are too long."""
    python = [path for path in files if path.suffix == ".py"]
    lengths = {path: len(text.splitlines()) for path, text in texts(python)}
    return [f"{path}: {length} lines" for path, length in lengths.items() if length > LONGEST_FILE]


def left_out_of_sdist(files: list[Path], root: Path, manifest: str) -> list[str]:
    """Return files that neither the package nor a line of MANIFEST.in puts into the source distribution."""
    lines = [line.split() for line in manifest.splitlines() if line and not line.startswith("#")]
    folders = ("src/", *(f"{name}/" for verb, *names in lines if verb == "graft" for name in names))
    by_setuptools = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    named = by_setuptools | {name for verb, *names in lines if verb == "include" for name in names}
    relative = [path.relative_to(root).as_posix() for path in files]
    return [name for name in relative if name not in named and not name.startswith(folders)]


@pytest.fixture(scope="module")
def files() -> list[Path]:
    found = repository_files(ROOT)
    assert ROOT / "pyproject.toml" in found
    return found


def test_no_file_names_a_folder_of_one_machine(files: list[Path]) -> None:
    assert absolute_paths(files) == []


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_an_absolute_path_is_seen(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a.md").write_text(f"see\n`/{folder}/me/data.npz`\n")
    assert [line.split(":")[1] for line in absolute_paths([tmp_path / "a.md"])] == ["2"]


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_a_relative_path_or_an_address_is_accepted(tmp_path: Path, folder: str) -> None:
    parents = ("..", "framework", "https://example.org", "~")
    (tmp_path / "a.md").write_text(" ".join(f"{parent}/{folder}/x" for parent in parents))
    assert absolute_paths([tmp_path / "a.md"]) == []


def test_no_module_is_for_leftovers(files: list[Path]) -> None:
    assert leftover_modules(files) == []
    assert leftover_modules([Path("src/comodal/utils.py"), Path("src/comodal/helpers/a.py")])


def test_files_are_short(files: list[Path], tmp_path: Path) -> None:
    assert overlong_files(files) == []
    (tmp_path / "long.py").write_text("\n" * (LONGEST_FILE + 1))
    assert overlong_files([tmp_path / "long.py"])


def test_source_distribution_holds_every_file(files: list[Path]) -> None:
    assert left_out_of_sdist(files, ROOT, (ROOT / "MANIFEST.in").read_text(encoding="utf-8")) == []
    given = [Path("tests/a.py"), Path("docs/b.md"), Path("Makefile")]
    assert left_out_of_sdist(given, Path(), "graft docs\ninclude Makefile\n") == ["tests/a.py"]


def test_listing_without_git_agrees(files: list[Path]) -> None:
    assert set(walk(ROOT, ignored_names(ROOT))) >= set(files)


def test_listing_without_git_leaves_out_what_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(".venv/\n*.egg-info/\n")
    for name in (".venv/a.py", "src/comodal.egg-info/b.py", "src/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert repository_files(tmp_path) == [tmp_path / ".gitignore", tmp_path / "src" / "c.py"]
