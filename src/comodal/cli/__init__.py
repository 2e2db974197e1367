"""The `comodal` command: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command line without the program's name; that of the process when not given.

    Returns:
        Exit status: 0 done, 1 `comodal data validate` found something wrong, 2 the input was wrong (one line on
        standard error says how), 130 interrupted, 143 terminated.
    """
    from comodal import __version__
    from comodal.cli.parser import build_parser
    from comodal.contracts import InputError

    try:
        parser = build_parser(__version__)
        parsed = parser.parse_args(list(arguments) if arguments is not None else None)
        chosen = parser.instantiate(parsed)

        from comodal.cli.commands import COMMANDS  # after parsing: it imports what --help does not need

        status = COMMANDS[chosen.command](chosen[chosen.command])
    except InputError as error:
        print(f"comodal: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"comodal: error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("comodal: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except SystemExit as leaving:
        if leaving.code != 143:
            raise
        print("comodal: terminated; the same command goes on from here", file=sys.stderr)
        return 143
    return status or 0
