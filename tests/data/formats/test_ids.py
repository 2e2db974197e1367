"""Ids of every scheme of the field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.formats.ids import identify_splits, parse_id

NUMBERED = "ids that name a video alone were numbered within their video"


def identify(raw, *, where):
    """Of a file with one split."""
    found = identify_splits({"train": raw}, where=where)["train"]
    return found.id, found.group, found.normalised


@pytest.mark.parametrize(
    ("raw", "video", "segment"),
    [
        ("03bSnISJMiM$_$11", "03bSnISJMiM", "11"),
        ("video_0001$_$0003", "video_0001", "0003"),
        ("_dI--eQ6qVU[3]", "_dI--eQ6qVU", "3"),
        ("a_b_7", "a_b", "7"),
        (b"__x_7", "__x", "7"),
        (np.bytes_(b"v_1"), "v", "1"),
        (np.str_(" v_1 \n"), "v", "1"),
        ("dZFV0lyedX4", "dZFV0lyedX4", ""),
        ("-3g5yACwYnA", "-3g5yACwYnA", ""),
        ("v_", "v_", ""),
        ("_7", "_7", ""),
        ("v[x]", "v[x]", ""),
        ("a[1]_2", "a[1]", "2"),
        (b"\xff_1", "\xff", "1"),
        ("\ud800_1", "\ufffd", "1"),
        (12, "12", ""),
        (None, "", ""),
    ],
)
def test_schemes(raw, video, segment):
    assert parse_id(raw) == (video, segment)


@settings(max_examples=25, deadline=None)
@given(
    video=st.text(min_size=1, alphabet="abc_-$[]019"),
    segment=st.integers(0, 99),
    scheme=st.sampled_from(["{}$_${}", "{}[{}]", "{}_{}"]),
)
def test_every_scheme_gives_its_video_back(video, segment, scheme):
    if scheme != "{}$_${}" and "$_$" in video:
        video = video.replace("$_$", "-")
    assert parse_id(scheme.format(video, segment)) == (video, str(segment))


def test_mixed_schemes_in_one_file():
    ids, group, normalised = identify(["a$_$1", "a[2]", "a_3", b"b_0"], where="x")
    assert ids.tolist() == ["a_1", "a_2", "a_3", "b_0"]
    assert group.tolist() == ["a", "a", "a", "b"]
    assert normalised == {"ids were brought to video_segment": 2}


def test_bare_ids_take_free_numbers_and_duplicates_stay():
    ids, _, normalised = identify(["v", "v_0", "v", "w_1", "w_1", "v"], where="x")
    assert ids.tolist() == ["v_1", "v_0", "v_2", "w_1_0", "w_1_1", "v_3"]
    assert normalised == {NUMBERED: 5}
    assert identify(["w_1", "w_1"], where="x")[0].tolist() == ["w_1", "w_1"]


def test_numbers_are_unique_over_splits_and_follow_the_order():
    found = identify_splits({"train": ["v", "v"], "test": ["v"]}, where="x", order={"train": [5, 1], "test": [3]})
    assert found["train"].id.tolist() == ["v_2", "v_0"]
    assert found["test"].id.tolist() == ["v_1"]
    assert found["test"].normalised == {NUMBERED: 1}


def test_rows_without_an_id():
    found = identify_splits({"train": [None, "v", "  ", np.nan, b""], "test": []}, where="x", order=None)
    assert found["train"].id.tolist() == ["train_0", "v_0", "train_2", "train_3", "train_4"]
    assert found["train"].group.tolist() == ["train_0", "v", "train_2", "train_3", "train_4"]
    assert found["train"].normalised["utterances without an id were named by split and row"] == 4
    assert found["test"].id.tolist() == []
    assert identify_splits({}, where="x") == {}


def test_no_string_and_absurdly_long():
    with refused("wrong_type", "id/train"):
        identify_splits({"train": [["v"]]}, where="file, id")
    with refused("too_large", "file", "7", "1000002"):
        identify(["v"] * 7 + ["v" * 10**6] + ["v"] * 1000, where="file")


def test_zero_characters_which_numpy_would_drop_are_no_part_of_an_id():
    found = identify_splits({"train": ["\0", " \0 ", "v[1]\0", "w\0_2"]}, where="x")["train"]
    assert found.id.tolist() == ["train_0", "train_1", "v_1", "w_2"]
    assert found.group.tolist() == ["train_0", "train_1", "v", "w"]
