"""Python in the documentation runs, its commands exist, its links resolve.

- The ```` ```python ```` blocks of one file run one after another in one namespace, in an empty folder. A block marked
  ```` ```python no-run ```` must have a comment that it needs a network.
- In ```` ```bash ```` blocks every ``comodal`` command is checked: the subcommand must exist and each ``--option``
  must be in its help. Blocks marked ```` ```bash run ```` are executed as well, in the folder of the file's Python.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from comodal.cli import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^( *)```(\w+)?[ \t]*([^\n`]*)\n(.*?)^\1```[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block: its language, the rest of that line, its text and its first line."""

    language: str
    tag: str
    text: str
    line: int


def blocks(document: str, language: str) -> list[Block]:
    """Return the fenced blocks of one language, without the indentation of list items."""
    found = []
    for match in FENCE.finditer(document):
        indent, name, tag, text = match.groups()
        text = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        found.append(Block(name or "", tag.strip(), text, document.count("\n", 0, match.start(4))))
    return [block for block in found if block.language == language]


def run_python(path: Path, document: str, folder: Path) -> dict[str, Any]:
    """Execute a document's Python in one namespace; a traceback names the document's own lines."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with chdir(folder):
        for block in blocks(document, "python"):
            if block.tag == "no-run":
                assert "network" in block.text, (
                    f"{path}:{block.line}: only a block that needs a network may be left out"
                )
                continue
            code = compile("\n" * block.line + block.text, str(path), "exec", dont_inherit=True)
            exec(code, namespace)
    return namespace


def run_shell(path: Path, document: str, folder: Path) -> None:
    """Execute the ``bash run`` blocks, with this interpreter's commands first in PATH."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for block in (block for block in blocks(document, "bash") if block.tag == "run"):
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{path}:{block.line}: {result.stdout}{result.stderr}"


def commands(document: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and words of each ``comodal`` command in shell blocks; continued lines joined, comments dropped."""
    for block in blocks(document, "bash"):
        joined = re.sub(r"\\\n\s*", " ", block.text)
        for line in joined.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*|time", words[0]):  # variables set for one command
                words = words[1:]
            if words and words[0] == "comodal":
                yield block.line, words[1:]


@cache
def help_of(subcommand: str) -> str:
    """Return the output of ``comodal SUBCOMMAND --help``; empty if there is no such subcommand."""
    printed = io.StringIO()
    wide = patch.dict(os.environ, COLUMNS="200")
    with wide, redirect_stdout(printed), redirect_stderr(io.StringIO()):
        try:
            status: Any = main([*subcommand.split(), "--help"])
        except SystemExit as leaving:
            status = leaving.code
    return printed.getvalue() if status == 0 else ""


def command_faults(words: list[str]) -> list[str]:
    """Return the unknown subcommand or options of a command."""
    subcommand = words[0] if words and not words[0].startswith("-") else ""
    text = help_of(subcommand)
    if "Available subcommands" in text:
        subcommand = " ".join(words[:2])
        text = help_of(subcommand)
    if not text:
        return [f"no subcommand {subcommand!r}"]
    options = [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-zA-Z]", word)]
    known = set(re.findall(r"(?<![\w-])-{1,2}[a-zA-Z][\w.-]*", text))
    dicts = re.findall(r"(--[\w.-]+) [A-Z_]+\s[^-]*?\(type: dict", text)  # their keys are options too
    return [
        f"comodal {subcommand}: no option {option}"
        for option in options
        if option not in known and not option.startswith(tuple(f"{each}." for each in dicts))
    ]


def dead_links(path: Path, document: str) -> list[str]:
    """Return relative links without a target file."""
    targets = [target.partition("#")[0] for target in LINK.findall(document) if "://" not in target]
    return [target for target in targets if target and not (path.parent / target).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_of_the_document_runs(path: Path, tmp_path: Path) -> None:
    document = path.read_text(encoding="utf-8")
    run_python(path, document, tmp_path)
    run_shell(path, document, tmp_path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_the_document_exist(path: Path) -> None:
    found = commands(path.read_text(encoding="utf-8"))
    faults = [f"line {line}: {fault}" for line, words in found for fault in command_faults(words)]
    assert faults == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_document_resolve(path: Path) -> None:
    assert dead_links(path, path.read_text(encoding="utf-8")) == []


def fenced(language: str, text: str) -> str:
    """Return a document of one block."""
    return f"Words.\n\n```{language}\n{text}\n```\n"


def test_documents_are_found() -> None:
    assert ROOT / "README.md" in DOCUMENTS


def test_python_blocks_share_a_namespace(tmp_path: Path) -> None:
    document = fenced("python", "a = 1") + fenced("text", "a = 5") + fenced("python", "b = a + 1")
    assert run_python(Path("x.md"), document, tmp_path)["b"] == 2


def test_an_indented_block_runs(tmp_path: Path) -> None:
    document = "1. item\n\n   ```python\n   if True:\n       a = 3\n   ```\n"
    assert run_python(Path("x.md"), document, tmp_path)["a"] == 3


def test_a_wrong_block_fails_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        run_python(Path("x.md"), fenced("python", "a = 1\nassert a == 2"), tmp_path)
    assert caught.traceback[-1].lineno == 4  # counted from 0: the fifth line of the document


def test_a_block_is_left_out_for_a_network_alone(tmp_path: Path) -> None:
    run_python(Path("x.md"), fenced("python no-run", "1 / 0  # needs a network"), tmp_path)
    with pytest.raises(AssertionError, match="needs a network"):
        run_python(Path("x.md"), fenced("python no-run", "1 / 0"), tmp_path)


def test_python_runs_in_the_given_folder(tmp_path: Path) -> None:
    run_python(Path("x.md"), fenced("python", "open('made', 'w').close()"), tmp_path)
    assert (tmp_path / "made").exists()


def test_shell_blocks_run_when_marked(tmp_path: Path) -> None:
    run_shell(Path("x.md"), fenced("bash run", "touch made") + fenced("bash", "false"), tmp_path)
    assert (tmp_path / "made").exists()
    with pytest.raises(AssertionError, match=r"x\.md:3"):
        run_shell(Path("x.md"), fenced("bash run", "false\ntrue"), tmp_path)


def test_commands_are_taken_apart() -> None:
    text = "$ comodal train synthetic \\\n    --seed 3  # a remark\nmake test\nOMP_NUM_THREADS=1 comodal estimate a.npz"
    found = [words for _, words in commands(fenced("bash", text))]
    assert found == [["train", "synthetic", "--seed", "3"], ["estimate", "a.npz"]]


def test_an_unknown_subcommand_or_option_is_a_fault() -> None:
    assert command_faults(["train", "synthetic", "--help"]) == []
    assert command_faults(["polish", "synthetic"]) == ["no subcommand 'polish'"]
    assert command_faults(["data", "polish", "mosi"]) == ["no subcommand 'data polish'"]
    assert command_faults(["data", "convert", "mosi", "new", "--folds=f"]) == []
    assert command_faults(["data", "convert", "mosi", "--split", "test"]) == ["comodal data convert: no option --split"]
    assert command_faults(["train", "synthetic", "--sede=3"]) == ["comodal train: no option --sede"]
    assert command_faults(["train", "synthetic", "--fusion_config.hidden", "4"]) == []
    assert command_faults(["train", "synthetic", "--fusion.hidden", "4"]) == [
        "comodal train: no option --fusion.hidden"
    ]


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "here.md").touch()
    document = "[a](here.md#part) [b](https://example.org/x) [c](#part) [d](gone.md)"
    assert dead_links(tmp_path / "index.md", document) == ["gone.md"]
