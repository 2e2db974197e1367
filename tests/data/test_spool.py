from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodal.contracts import InputError
from comodal.data.ragged import RaggedArray
from comodal.data.spool import Spool


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), max_size=4))
def test_blocks_come_back_below_each_other(tmp_path_factory, blocks):
    rng = np.random.default_rng(0)
    spool = Spool(tmp_path_factory.mktemp("spool") / "text", 2)
    rows = [[rng.normal(size=(length, 2)).astype(np.float32) for length in lengths] for lengths in blocks]
    for block in rows:
        spool.append(RaggedArray.from_rows(block))
    array = spool.array()
    frames = [frame.tolist() for block in rows for row in block for frame in row]
    assert array.lengths.tolist() == [length for lengths in blocks for length in lengths]
    assert array.values.tolist() == frames
    assert array.values.dtype == np.float32


def test_what_is_written_to_the_array_is_written_to_the_file(tmp_path):
    spool = Spool(tmp_path / "text", 1)
    spool.append(RaggedArray.from_vectors(np.zeros((3, 1))))
    spool.array().values[1] = 4
    assert spool.array().values[:, 0].tolist() == [0, 4, 0]


def test_doubles_are_not_taken_for_singles(tmp_path):
    """The values of an array made by hand may have another type than its files."""
    spool = Spool(tmp_path / "text", 2)
    spool.append(RaggedArray(np.array([[0.5, -2.0]]), np.array([0, 1])))
    assert spool.array().values.tolist() == [[0.5, -2.0]]


def test_every_other_row_of_memory(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(6, 2)[::2]
    spool = Spool(tmp_path / "text", 2)
    spool.append(RaggedArray.from_vectors(values))
    assert spool.array().values.tolist() == values.tolist()


def test_frames_of_another_width_are_refused(tmp_path):
    spool = Spool(tmp_path / "text", 2)
    with pytest.raises(InputError, match="frames of 3 features among frames of 2"):
        spool.append(RaggedArray.from_vectors(np.zeros((1, 3))))
