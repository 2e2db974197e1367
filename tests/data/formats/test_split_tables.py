"""The raw tables of the dense families, and damaged files of each of these families."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from format_samples import dense_contents
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.formats import bclstm, mmsa, mult
from comodal.data.formats.split_tables import identified, not_read, part_of, require_rows, split_tables, table_keys

FORMATS = {each.name: each for each in (mmsa.FORMAT, mult.FORMAT, mult.LMF, bclstm.FORMAT)}


def read(path):
    """What the reader that recognises a file makes of it, ``None`` where none does."""
    chosen = [each for each in FORMATS.values() if each.recognises(path)]
    assert len(chosen) < 2
    return assemble(chosen[0].open(path)) if chosen else None


@pytest.fixture
def tables(tmp_path):
    """The tables of a pickle with some content."""

    def call(content):
        (tmp_path / "f").write_bytes(pickle.dumps(content))
        return split_tables(tmp_path / "f", labels="y")

    return call


@pytest.mark.parametrize("name", FORMATS)
def test_each_family_is_recognised_by_its_own_reader_alone(tmp_path, name):
    file = tmp_path / "file"
    file.write_bytes(pickle.dumps(dense_contents()[name]))
    assert [each for each, known in FORMATS.items() if known.recognises(file)] == [name]
    assert len(read(file)) in (3, 13)


def test_a_hostile_file_is_recognised_by_none(tmp_path):
    file = tmp_path / "x.pkl"
    file.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert read(file) is None
    for known in FORMATS.values():
        with refused("unsafe", "x.pkl"):
            known.open(file)


def test_tables_in_order_without_empty_ones(tables, tmp_path):
    content = {
        "test": {"y": np.zeros((2, 1))},
        b"Dev": {b"y": np.zeros((0, 1, 1))},
        "train": {"y": [[1.0] * 7], "x": 0},
        "words": [],
        3: {},
    }
    found = tables(content)
    assert [(table.split, table.where, len(table)) for table in found] == [
        ("train", f"{tmp_path / 'f'}, train", 1),
        ("test", f"{tmp_path / 'f'}, test", 2),
    ]
    assert found[0].labels.normalised == {"the first of 7 label columns was taken as sentiment": 1}
    assert found[1].labels.normalised == {}
    assert table_keys(content) == {"y", "x"}
    assert not_read(found, {"y"}) == {"not read": "x"}
    assert not_read(found, {"x", "y"}) == {}
    assert tables([]) == []


@pytest.mark.parametrize("content", [None, [], "train", {"train": [1]}, {"x": {"y": 1}}, {("train",): {"y": 1}}])
def test_no_tables(content):
    assert table_keys(content) == frozenset()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "'y'"),
        ({"x": 1}, "'y'"),
        ({"x\ny": 1}, "'y'"),
        ({"x" * 10**6: 1}, "'y'"),
        (None, ""),
        ({"y": 3.0}, "train/y"),
    ],
)
def test_bad_tables(tables, table, message):
    with refused(("missing", "wrong_shape", "wrong_type"), message):
        tables({"train": table})


def test_rows_are_those_of_the_labels(tables):
    (table,) = tables({"train": {"y": [0.0, 1.0], "x": np.zeros((3, 1)), "z": np.float32(1)}})
    for key, found in (("x", 3), ("z", 0)):
        with refused("mismatch", f"f, train/{key}", found):
            require_rows(table, key)
    with refused("mismatch", "train/x", "3"):
        part_of(table, identified("f", [table]), {"text": "x"})
    assert part_of(table, identified("f", [table]), {"text": "absent"}).padded == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ["train_0", "train_1"]),
        ([], ["train_0", "train_1"]),
        (["a_1", b"b_1"], ["a_1", "b_1"]),
        (np.array(["a_1", "b_1"]), ["a_1", "b_1"]),
        (np.array([["a_1", "0", "1"], ["b_1", "1", "2"]]), ["a_1", "b_1"]),
        (np.array([[["a_1"]], [["b_1"]]]), ["a_1", "b_1"]),
        ([np.array([b"a_1"]), ("b_1", 1.0)], ["a_1", "b_1"]),
    ],
)
def test_ids_of_every_shape(tables, given, expected):
    found = tables({"train": {"y": [0.0, 1.0], "id": given}})
    assert identified("f", found)["train"].id.tolist() == expected


def test_keys_of_a_damaged_file_can_be_printed(tables):
    with refused("missing", "'y'", "x00"):
        tables({"train": {"x\0": [1.0]}})
