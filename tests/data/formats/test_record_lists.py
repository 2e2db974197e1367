"""Parts of a listed utterance, each by itself; whole files are in the tests of the readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.record_lists import (
    Listing,
    frame_table,
    listing_source,
    looks_like_records,
    require_records,
    speak,
    word_texts,
)

RECORD = ((["so"], np.ones((1, 2)), [[3.0]]), 0.5, "v[0]")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([RECORD], True),
        ([None, 3, RECORD], True),
        ((RECORD,), True),
        ([None] * 8 + [RECORD], False),
        ([], False),
        (None, False),
        ("text", False),
        ({"train": RECORD}, False),
        ([RECORD[:2]], False),
        ([(RECORD[0][:2], 0.5, "v[0]")], False),
        ([((["so"], "x", [[3.0]]), 0.5, "v[0]")], False),
        ([((["so"], np.array(1.0), [[3.0]]), 0.5, "v[0]")], False),
        ([("abc", 0.5, "v[0]")], False),
    ],
)
def test_recognised_by_the_first_records(content, found):
    assert looks_like_records(content, {3}) is found


def test_every_record_is_required_to_have_the_form():
    assert require_records([RECORD, RECORD], {3}, split="train", where="x").split == "train"
    with refused("damaged", "1", "3", "5"):
        require_records([RECORD, RECORD[:2]], {5, 3}, split="train", where="x")
    with refused("wrong_type"):
        require_records({}, {3}, split="train", where="x")
    with refused("wrong_type", "0"):
        require_records([(*RECORD[:2], ["v", 0])], {3}, split="train", where="x")


def source_of(*listings):
    return listing_source(Path("file"), listings, family="toy", files=[], facts={})


def test_width_is_that_of_the_first_utterance_with_frames():
    empty = ((["so"], [], np.zeros((0, 7))), 0.5, "v[0]")
    listings = [Listing("train", "x", [empty]), Listing("valid", "y", [empty, RECORD])]
    assert source_of(*listings).dims == {"audio": 1, "vision": 2}
    with refused("empty", "file"):
        source_of(listings[0])
    with refused("empty", "file"):
        source_of(Listing("train", "x", []))
    with refused("wrong_shape", "x, utterance 0 (v[0])", "(2,)"):
        source_of(Listing("train", "x", [(([], [1.0, 2.0], []), 0.5, b"v[0]")]))


@pytest.mark.parametrize("raw", [np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]], [np.arange(3), np.arange(3, 6)]])
def test_frames_of_arrays_and_lists(raw):
    found = frame_table(raw, where="x")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


def test_frames_that_are_not_finite_pass_on():
    found = frame_table(np.array([[np.nan, -np.inf, 1e300]]), where="x")
    np.testing.assert_array_equal(found, np.array([[np.nan, -np.inf, np.inf]], dtype=np.float32))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([[1.0], [1.0, 2.0]], ""),
        ([["a"]], ""),
        (np.array([["a", "b"]]), ""),
        (np.ones((2, 4)), "(frames, 2)"),
        (np.ones((1, 2, 2)), "(frames, features)"),
        (np.ones((2, 0)), "(frames, features)"),
        ([1.0, 2.0], "(2,)"),
        (np.ones((1, 2), dtype=complex), ""),
    ],
)
def test_frames_that_are_none(raw, says):
    with refused(("wrong_shape", "wrong_type"), "x, audio", says):
        speak((["so"], [], raw), {"audio": 2}, "x")


@pytest.mark.parametrize("raw", [[], (), np.zeros(0), np.zeros((0, 9)), np.zeros((0, 2))])
def test_no_frame_in_any_shape(raw):
    assert speak(([], raw, raw), {"audio": 2}, "x").frames["audio"].shape == (0, 2)


@pytest.mark.parametrize(
    "raw", [["so", "good"], ("so", b"good"), np.array(["so", "good"]), np.array([["so"], ["good"]], dtype=object)]
)
def test_words_of_lists_and_arrays(raw):
    assert word_texts(raw, where="x") == ["so", "good"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ([3, 4], "wrong_type"),
        (np.array([3, 4]), "wrong_type"),
        (["so", None], "wrong_type"),
        ("so good", "wrong_type"),
        (None, "wrong_type"),
        (np.array(3.0), "wrong_type"),
        (["a" * 2**16] * 17, "too_large"),
    ],
)
def test_words_that_are_none(raw, code):
    with refused(code, "x"):
        word_texts(raw, where="x")


def test_white_space_in_words_keeps_words_and_frames_together():
    frames = {1: np.arange(4.0)[:, None], 2: np.arange(3.0)[:, None]}
    found = speak(
        ([5, 6, 7, 8], frames[1], frames[2], ["so\n", "\t ", "very good", "a"], 4, 3), {"audio": 1, "vision": 1}, "x"
    )
    assert found.words == ["so", "verygood", "a"]
    assert found.frames["word_ids"].ravel().tolist() == [5, 7, 8]
    # The frames are not of words, though one feature has as many.
    assert found.frames["vision"].ravel().tolist() == [0, 1, 2, 3]
    changed = {
        "white space within words was removed",
        "words of nothing but white space were left out, with their frames",
    }
    assert found.changed == changed
    found = speak((["so\n", "\t ", "very good"], frames[2], frames[2] + 5), {"audio": 1, "vision": 1}, "x")
    assert {name: each.ravel().tolist() for name, each in found.frames.items()} == {"audio": [5, 7], "vision": [0, 2]}
    assert found.changed == changed
    assert not speak((["so"], [[1.0]], [[1.0]]), {"audio": 1, "vision": 1}, "x").changed


def test_blocks_of_some_hundred_utterances_with_numbers_of_the_whole_file():
    """Ids, labels and splits go on over the ends of blocks, and ids are numbered once for the file."""
    counts = {"train": 700, "test": 3}
    listings = [
        Listing(
            split, split, [((["w"], [[2.0]], [[1.0]]), row / 1000, None if row % 2 else "v") for row in range(count)]
        )
        for split, count in counts.items()
    ]
    blocks = list(source_of(*listings).blocks([]))
    assert [len(block) for block in blocks] == [512, 188, 3]
    ids = [each for block in blocks for each in block.id.tolist()]
    train = [f"train_{row}" if row % 2 else f"v_{row // 2}" for row in range(700)]
    assert ids == [*train, "v_350", "test_1", "v_351"]
    groups = [each for block in blocks for each in block.group.tolist()]
    assert groups == [each if each.startswith("t") else "v" for each in ids]
    np.testing.assert_allclose(
        np.concatenate([block.target for block in blocks]), [*np.arange(700) / 1000, 0, 0.001, 0.002], rtol=1e-6
    )
    assert [set(block.columns["split"].tolist()) for block in blocks] == [{"train"}, {"train"}, {"test"}]
    assert (
        sum(block.normalised.get("utterances without an id were named by split and row", 0) for block in blocks) == 351
    )
