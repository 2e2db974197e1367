"""The parser of a function: arguments and options from its signature, their help from its annotations."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import jsonargparse

from comodal.cli.config_file import ConfigFile
from comodal.contracts.errors import InputError

__all__ = ["Parser", "parser_of"]

_COMMON = 10
"""Options that are listed before those of a dataclass."""


class Parser(jsonargparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest known option."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as an InputError."""
        del ex
        line = " ".join(message.split())
        unknown = re.search(r"(?:unrecognized arguments: --|does not accept option ')([\w.-]+)", line)
        known = [option.lstrip("-") for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(unknown[1], known, n=1) if unknown else []
        hint = f": did you mean --{near[0]}?" if near else ""
        raise InputError(f"{line}{hint} (see {self.prog} --help)", code="unknown_name" if unknown else "invalid")

    def format_help(self, *arguments: Any) -> str:
        """Return the help without the markup of docstrings and without empty defaults."""
        text: str = super().format_help(*arguments)
        plain = re.sub(r",\s+default:\s+(null)?\)", ")", text.replace("``", "`"))
        return re.sub(r"\s+\(default:\s+(null|False|)\)", "", plain)


def parser_of(function: Callable[..., Any], *, prog: str) -> Parser:
    """Return the parser of a subcommand.

    Positional parameters are arguments, keyword-only ones are options. ``Annotated[T, "..."]`` holds the help. A
    dataclass is a group of options, after the first ten others; ``Annotated[T, ("a", "b")]`` leaves fields out. With a
    dataclass, options are also read from a YAML file. The docstring is the description, ``Example: ...`` its end.

    Example:
        >>> def wave(name: str, *, times: Annotated[int, "how often"] = 1, loud: bool = False) -> None:
        ...     '''Wave at a friend.'''
        >>> parser = parser_of(wave, prog="wave")
        >>> vars(parser.parse_args(["Ann", "--times", "3"]))
        {'name': 'Ann', 'times': 3, 'loud': False}
    """
    about, _, example = str(inspect.getdoc(function)).partition("\n\nExample: ")
    hints = {name: _type_and_note(hint) for name, hint in get_type_hints(function, include_extras=True).items()}
    parameters = list(inspect.signature(function).parameters.values())
    arguments = [each for each in parameters if each.kind is not each.KEYWORD_ONLY]
    configs = [each for each in parameters if is_dataclass(hints[each.name][0])]
    options = [each for each in parameters if each not in (*arguments, *configs)]

    usage = " ".join([prog, *(each.name.upper() for each in arguments), "[options]"])
    parser = Parser(prog=prog, usage=usage, description=about, epilog=f"Example: {example}" if example else None)
    for each in arguments:
        count = "+" if each.kind is each.VAR_POSITIONAL else "?" if each.default is None else None
        parser.add_argument(each.name, metavar=each.name.upper(), help=hints[each.name][1], nargs=count)
    for each in options[:_COMMON]:
        _add_option(parser, each, *hints[each.name])
    if configs:
        about_config = "YAML file with any of these options, or preset:NAME for a published setting (docs/models.md)"
        parser.add_argument("--config", action=ConfigFile, help=about_config)
    for each in configs:
        config, left_out = hints[each.name]
        parser.add_class_arguments(config, each.name, skip=set(left_out))
    more = parser.add_argument_group("more options")
    for each in options[_COMMON:]:
        _add_option(more, each, *hints[each.name])
    return parser


def _type_and_note(hint: Any) -> tuple[Any, Any]:
    """Split ``Annotated[T | None, note]`` into ``T`` and its note, empty when there is none."""
    kind, note = get_args(hint) if get_origin(hint) is Annotated else (hint, "")
    needed = [each for each in get_args(kind) if each is not NoneType]
    return (needed[0] if NoneType in get_args(kind) else kind), note


class _Text:
    """A value as it is on the command line; a list of a YAML file has commas there."""

    def __call__(self, value: Any) -> str:
        return ",".join(map(self, value)) if isinstance(value, list) else str(value)

    def __repr__(self) -> str:  # what --help shows as the type
        return "text"


def _add_option(group: Any, parameter: inspect.Parameter, kind: Any, text: str) -> None:
    name = parameter.name.rstrip("_")
    flags = [f"--{name.replace('_', '-')}", *(["-o"] if name == "out" else [])]
    given: dict[str, Any] = {"default": parameter.default, "type": kind}
    if kind is bool:
        given = {"action": "store_true"}
    elif get_origin(kind) is dict:  # its keys are options too: --fusion_config.hidden 8
        flags, given = [f"--{name}"], {"type": kind, "default": {}}
    elif get_origin(kind) is Literal:
        given = {"choices": get_args(kind), "default": parameter.default}
    elif kind is str:
        given["type"] = _Text()
    if given.get("default") is parameter.empty:
        del given["default"]
        given["required"] = True
    group.add_argument(*flags, dest=name, help=text or None, **given)
