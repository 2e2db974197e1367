"""Ids and groups of a user's table; the other columns are covered with the reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.table_file import Table
from comodal.data.formats.table_samples import samples_of


def found(**columns):
    count = len(columns["id"])
    arrays = {name: np.array(values) for name, values in {"label": np.zeros(count), **columns}.items()}
    return samples_of(Table(Path("t.csv"), arrays, [f"line {k + 2}" for k in range(count)]))


def said(samples):
    return {what: int(rows.sum()) for what, rows in samples.changed.items() if rows.any()}


def test_schemes_of_ids_become_one():
    samples = found(id=["a$_$3", "b[4]", "c_d_5", "e"])
    assert samples.block.id.tolist() == ["a_3", "b_4", "c_d_5", "e"]
    assert samples.block.group.tolist() == ["a", "b", "c_d", "e"]
    assert samples.written == ["a$_$3", "b[4]", "c_d_5", "e"]
    assert said(samples)["ids were brought to video_segment"] == 2


@pytest.mark.parametrize("column", ["group", "video", "speaker"])
def test_a_column_says_the_group(column):
    samples = found(id=["x_1", "y_1", "0012"], **{column: ["s", "s", ""]})
    assert samples.block.group.tolist() == ["s", "s", "0012"]
    assert said(samples) == {"samples without a group are their own": 1}
    assert samples.facts["groups"] == f"column {column}"
    assert column not in samples.block.columns


def test_a_speaker_beside_the_video_is_kept():
    samples = found(id=["x_1", "y_1"], video=["v", "w"], speaker=["s", "s"])
    assert samples.block.group.tolist() == ["v", "w"]
    assert samples.block.columns["speaker"].tolist() == ["s", "s"]


def test_ids_that_are_the_video_are_numbered():
    samples = found(id=["v", "v", "w", "x_1"], video=["v", "v", "w", "x"])
    assert samples.block.id.tolist() == ["v_0", "v_1", "w_0", "x_1"]
    assert said(samples) == {"ids that name a video alone were numbered within their video": 3}


def test_a_video_of_each_own_leaves_the_ids_alone():
    samples = found(id=["v", "w", "w_2"], video=["v", "w", "w"])
    assert samples.block.id.tolist() == ["v", "w", "w_2"]


def test_repeated_ids_stay_for_the_checks():
    assert found(id=["v_1", "v_1", "w_1"]).block.id.tolist() == ["v_1", "v_1", "w_1"]


@pytest.mark.parametrize(
    "columns",
    [
        {"id": ["clip_0", "clip_1", "clip_2"]},
        {"id": ["train_0", "train_1", "test_0"], "split": ["train", "train", "test"]},
    ],
)
def test_numbered_words_are_no_videos(columns):
    samples = found(**columns)
    assert samples.block.group.tolist() == columns["id"]
    assert said(samples) == {"the ids name no videos, each sample is its own group": 3}


def test_whole_numbers_may_be_ids():
    assert found(id=[3, 4]).block.id.tolist() == ["3", "4"]
    with refused("wrong_type", "'id'", "float64"):
        found(id=[3.0, 4.0])


def test_transcripts_may_be_missing_but_not_numbers():
    assert found(id=["a", "b"], text=[np.nan, np.nan]).block.transcript.tolist() == ["", ""]
    assert found(id=["a", "b"]).block.transcript is None
    with refused("wrong_type", "'text'"):
        found(id=["a", "b"], text=[1, 2])


def test_transcript_wins_over_text_which_is_kept():
    block = found(id=["a", "b"], transcript=["x", "y"], text=["p", "q"]).block
    assert block.transcript.tolist() == ["x", "y"]
    assert block.columns["text"].tolist() == ["p", "q"]
