"""A reader that does with each damaged file another thing that no reader may do, by the number of the case."""

from __future__ import annotations

import os
import signal
import threading
import warnings

import numpy as np

from comodal.contracts import InputError

_KEPT = []


def hang(_):
    threading.Event().wait()


def crash(_):
    os.kill(os.getpid(), signal.SIGSEGV)


def fail(_):
    raise ValueError("no such key")


def warn(_):
    warnings.warn("invalid value", RuntimeWarning, stacklevel=1)


def grow(_):
    _KEPT.append(np.ones(600 * 2**17))


def claim(_):
    np.zeros(2**33)


def blame_memory(path):
    try:
        claim(path)
    except MemoryError as error:
        raise InputError(f"{path}: too large; get the file again", code="too_large") from error


def ramble(path):
    raise InputError(f"{path}: damaged\nsomewhere; get the file again", code="damaged")


def forget_the_file(_):
    raise InputError("damaged; get the file again", code="damaged")


def forget_the_remedy(path):
    raise InputError(f"{path}: damaged", code="damaged")


def invent(_):
    return "something else"


ACTS = (hang, crash, grow, fail, warn, claim, blame_memory, ramble, forget_the_file, forget_the_remedy, None)


def misbehave(path, _):
    """Content that is always the same, but for the damaged file of a case below the number of acts."""
    case = path.parents[1].name
    act = ACTS[int(case)] if case.isdigit() and int(case) < len(ACTS) else None
    return (act(path) if act else None) or "content"


def misread(path, _):
    """Another content for every damaged file."""
    return invent(path) if path.parents[1].name.isdigit() else "content"
