from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from refusals import refused

from comodal.cli.comma_lists import names_of, numbers_of, pairs_of
from comodal.cli.signature_parser import parser_of
from comodal.cli.subcommands import SUBCOMMANDS, subcommand
from comodal.dependency import MEASURES
from comodal.evaluation.grid import WEIGHT_GRID
from comodal.evaluation.scenarios import CHOICES, SEVERITIES
from comodal.fusion import FUSIONS
from comodal.training.config import TrainingConfig

HEAVY = ("accelerate", "lightning", "numpy", "pandas", "pyarrow", "rich", "scipy", "torch", "transformers")


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded when it has run ``code``."""
    script = f"import atexit, sys\natexit.register(lambda: print('\\n', *set({HEAVY}) & set(sys.modules)))\n{code}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["data", *SUBCOMMANDS])
def test_help_loads_nothing_heavy(command: str) -> None:
    words = [*command.split(), "--help"]
    assert loaded_by(f"from comodal.cli import main\nmain({words})") == set()


def test_a_heavy_help_would_be_seen() -> None:
    assert "torch" in loaded_by("import comodal.fusion\nfrom comodal.cli import main\nmain(['train', '--help'])")


def test_lists_forgive_spaces_and_empty_parts() -> None:
    assert names_of(" early, lfn ,,") == ("early", "lfn")
    assert names_of("") == ()
    assert pairs_of("text=a=b, audio=c") == {"text": "a=b", "audio": "c"}
    assert pairs_of(None) is None
    with refused("invalid", "'audio'"):
        pairs_of("text=a,audio")
    with refused("wrong_type", "--weight-grid", "'1,b'"):
        numbers_of("1,b", option="--weight-grid")


def test_defaults_and_choices_are_those_of_the_library(comodal: Callable[..., Any]) -> None:
    """The signatures repeat them, because importing them would import torch."""
    options = parser_of(subcommand("compare"), prog="x").parse_args(["synthetic", "--out", "x"])
    assert numbers_of(options.weight_grid, option="") == WEIGHT_GRID
    assert (options.weight, options.seeds, options.jobs, options.replicate) == ("auto", 32, 1, False)
    options = parser_of(subcommand("robustness"), prog="x").parse_args(["run"])
    assert numbers_of(options.severities, option="") == SEVERITIES
    for name in CHOICES:
        parser_of(subcommand("robustness"), prog="x").parse_args(["run", "--scenarios", name])
    text = comodal("compare --help").out
    assert [name for name in (*FUSIONS, *MEASURES) if name not in text] == []
    assert "<function" not in text


def test_an_unknown_option_offers_the_nearest_of_its_command() -> None:
    parser = parser_of(subcommand("compare"), prog="comodal compare")
    with refused("unknown_name", "--selection-seeds", "comodal compare --help"):
        parser.parse_args(["synthetic", "--out", "x", "--selecton-seeds", "3"])
    with refused("unknown_name", "--zzzz") as raised:
        parser.parse_args(["synthetic", "--out", "x", "--zzzz", "3"])
    assert "did you mean" not in str(raised.value)


def test_a_signature_becomes_arguments_and_options() -> None:
    def wave(
        *friends: str,
        out: str,
        way: Literal["left", "right"] = "left",
        limit: int | None = None,
        map_: str = "m",
        options: dict[str, Any],
        training: Annotated[TrainingConfig, ("lr",)],
    ) -> None:
        """Wave.

        Example: wave Ann
        """

    parser = parser_of(wave, prog="wave")
    line = "Ann Bob -o x --way right --limit 3 --map 1 --options.key 2 --training.patience 4"
    given = parser.instantiate(parser.parse_args(line.split()))
    assert (given.friends, given.out, given.way, given.limit, given.map) == (["Ann", "Bob"], "x", "right", 3, "1")
    assert given.options == {"key": 2}
    assert given.training == TrainingConfig(patience=4)
    with refused("invalid", "friends", "out"):
        parser.parse_args([])
    with refused("invalid", "'up'", "left"):
        parser.parse_args(["Ann", "--out", "x", "--way", "up"])
    with refused("unknown_name", "--training.lr"):
        parser.parse_args(["Ann", "--out", "x", "--training.lr", "1"])
