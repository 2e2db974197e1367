"""Errors have a stable code; a missing extra's remedy is a command that works."""

from __future__ import annotations

import pickle

import pytest
from refusals import refused

from comodal.contracts import InputError
from comodal.contracts.errors import Code


def test_the_code_survives_a_place_and_another_process() -> None:
    error = pickle.loads(pickle.dumps(InputError("no rows", code="empty").at("table.csv")))
    assert (error.code, str(error)) == ("empty", "table.csv: no rows")


@pytest.mark.parametrize("extra", ["h5", "download", "explain", "report", "serve", "onnx", "tensorboard"])
def test_the_remedy_for_a_missing_extra_names_its_packages(extra: str) -> None:
    command = str(InputError.needs_extra(extra, "these")).partition("pip install ")[2]
    assert command
    assert "comodal" not in command


@pytest.mark.parametrize(
    ("code", "named"), [("empty", ("no rows",)), ("duplicate", ("rows 3",)), ("duplicate", ("twice", "nowhere"))]
)
def test_the_check_of_refusals_can_fail(code: Code, named: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError), refused(code, *named):
        raise InputError("rows given twice", code="duplicate")
    with pytest.raises(AssertionError), refused("empty"):
        raise InputError("two\nlines", code="empty")


def test_an_error_without_a_code_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="code"):
        InputError("no rows")  # type: ignore[call-arg]
