"""A parser whose errors are one line."""

from __future__ import annotations

import difflib
import re
from typing import NoReturn

import jsonargparse

from comodal.contracts import InputError

__all__ = ["Parser"]


class Parser(jsonargparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest known option."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what the command prints."""
        del ex
        line = " ".join(message.split())
        raise InputError(_with_nearest(line, self) + f" (see {self.prog.replace(' [options]', '')} --help)")


def _with_nearest(line: str, parser: jsonargparse.ArgumentParser) -> str:
    unknown = re.search(r"(?:unrecognized arguments: --|does not accept option ')([\w.-]+)", line)
    if not unknown:
        return line
    known = [option.lstrip("-") for action in parser._actions for option in action.option_strings]  # noqa: SLF001
    near = difflib.get_close_matches(unknown[1], known, n=1)
    return f"{line}: did you mean --{near[0]}?" if near else line
