"""Text out of what a file holds."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.texts import as_text, column, listing, one_line, transcripts


def test_as_text():
    shared = ["x"]
    for _ in range(60):
        shared = [shared, shared]
    assert as_text(shared) == "<list>"
    assert as_text("\ud800é") == "\ufffdé"
    assert as_text(b"\xff") == "ÿ"
    assert as_text(10**10_000).startswith("0x")
    assert as_text(float("nan")) == as_text(np.float32("nan")) == as_text(None) == ""
    assert as_text(np.int64(3)) == "3"


@pytest.mark.parametrize(
    "raw", [["a  b", b"c", None], np.array([["a\tb"], ["c"], [" "]]), (np.str_("a b"), np.bytes_(b"c"), "")]
)
def test_transcripts_of_every_kind(raw):
    assert transcripts(raw, where="x")[0].tolist() == ["a b", "c", ""]


def test_white_space_is_counted():
    assert transcripts(["a  b", "c d", "e "], where="x")[1] == {
        "white space in transcripts was brought to single spaces": 2
    }


@pytest.mark.parametrize("raw", ["text", None, [1], [["a", "b"]], {"a": "b"}, np.ones(2)])
def test_no_transcripts(raw):
    with refused("wrong_type"):
        transcripts(raw, where="file, key")


def test_one_absurdly_long_text_is_refused():
    assert column([], where="x").tolist() == []
    assert column(["a" * 10_000] * 20, where="x").shape == (20,)
    with refused("too_large", "1", "1000000"):
        column(["a", "a" * 10**6, *["b"] * 1000], where="file, key")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("a\n b\t", "a b"),
        ("\x00\x1b[2J", "\\x00\\x1b[2J"),
        ("caf\u00e9 \ud800\u200b", "caf\u00e9 \\ud800\\u200b"),
        (ValueError("no\r\nsuch"), "no such"),
        ("x" * 301, "x" * 300 + "..."),
        ("", ""),
    ],
)
def test_one_line(said, line):
    assert one_line(said) == line
    assert line.isprintable()


def test_names_of_a_damaged_file_can_be_printed():
    assert listing(["b\x00", "a"]) == "a, b\\x00"
