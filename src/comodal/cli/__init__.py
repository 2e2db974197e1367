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
        Exit status: 0 success, 1 `comodal data validate` found an error, 2 wrong input (one line on standard error),
        130 interrupted, 143 terminated.
    """
    from comodal.cli.subcommands import run
    from comodal.contracts.errors import InputError

    try:
        status = run(list(sys.argv[1:] if arguments is None else arguments))
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
