"""The subcommands: each is a function with a typed signature and a docstring, imported when it is called."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from comodal.contracts.errors import InputError

__all__ = ["SUBCOMMANDS", "run", "subcommand"]

SUBCOMMANDS = {
    "data inspect": "data_commands",
    "data validate": "data_commands",
    "data convert": "data_commands",
    "data download": "data_commands",
    "train": "training_commands",
    "compare": "training_commands",
    "probe": "model_commands",
    "evaluate": "result_commands",
    "robustness": "result_commands",
    "explain": "explain_command",
    "report": "result_commands",
    "serve": "result_commands",
    "predict": "model_commands",
    "export": "model_commands",
    "estimate": "model_commands",
}
"""Subcommand to the module of its function, which has the last word as its name."""

_ABOUT = "Multimodal fusion trained with dependency penalties, compared over many seeds."


def subcommand(name: str) -> Callable[..., int | None]:
    """Return the function of a subcommand."""
    module = importlib.import_module(f"comodal.cli.{SUBCOMMANDS[name]}")
    function: Callable[..., int | None] = getattr(module, name.removeprefix("data "))
    return function


def run(words: Sequence[str]) -> int | None:
    """Run the subcommand that a command line begins with, or print an overview or the version."""
    family, words = ("data ", words[1:]) if words[:1] == ["data"] else ("", words)
    first, known = words[0] if words else "", [name for name in SUBCOMMANDS if name.startswith(family)]
    if family + first in SUBCOMMANDS:
        return _call(family + first, words[1:])
    if first in {"-h", "--help"}:
        print(_overview(family, known))
    elif first == "--version":
        from comodal import __version__

        print(f"comodal {__version__}")
    elif first:
        raise InputError.unknown("subcommand", family + first, known)
    else:
        raise InputError(f"comodal {family}needs a subcommand: {', '.join(known)}", code="missing")
    return None


def _call(name: str, words: Sequence[str]) -> int | None:
    from comodal.cli.signature_parser import parser_of

    function = subcommand(name)
    parser = parser_of(function, prog=f"comodal {name}")
    given: dict[str, Any] = vars(parser.instantiate(parser.parse_args(list(words))))
    parameters = inspect.signature(function).parameters.values()
    several = [value for each in parameters if each.kind is each.VAR_POSITIONAL for value in given[each.name]]
    named = {each.name: given[each.name.rstrip("_")] for each in parameters if each.kind is not each.VAR_POSITIONAL}
    return function(*several, **named)


def _overview(family: str, known: Sequence[str]) -> str:
    summaries = {name: str(inspect.getdoc(subcommand(name))).partition("\n")[0] for name in known}
    listed = "\n".join(f"  {name:<15} {summary}" for name, summary in summaries.items())
    return (
        f"usage: comodal {family}SUBCOMMAND [options]\n\n{_ABOUT}\n\nAvailable subcommands:\n{listed}\n\n"
        "`comodal SUBCOMMAND --help` explains its options; `comodal --version` prints the version."
    )
