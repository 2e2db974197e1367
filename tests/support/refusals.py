"""Expect an InputError by its code and by the names and numbers its message must hold, not by its wording."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from comodal.contracts import InputError
from comodal.contracts.errors import Code


@contextlib.contextmanager
def refused(code: Code | tuple[Code, ...], *named: object) -> Iterator[pytest.ExceptionInfo[InputError]]:
    """Pass when the block raises an InputError of this code (or one of these), on one line, with all of ``named``."""
    with pytest.raises(InputError) as caught:
        yield caught
    error = caught.value
    assert error.code in ((code,) if isinstance(code, str) else code), f"{error.code}: {error}"
    assert "\n" not in str(error), str(error)
    for each in named:
        assert str(each) in str(error), f"{each!r} is not named in: {error}"
