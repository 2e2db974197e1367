"""LMF's pickle with its keys as bytes or text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pickle_files import write_pickle
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats.mult import FORMAT as MULT
from comodal.data.formats.mult import LMF as FORMAT


def build(rng, n, *, steps=0):
    """One split; text is padded on the left with as many zero frames as the row's number, up to three."""
    shape = (n, steps, 5) if steps else (n, 5)
    glove = rng.uniform(1, 2, size=(n, 6, 4))
    for i in range(n):
        glove[i, : i % 4] = 0
    return {
        "covarep": rng.uniform(1, 2, size=shape),
        "facet": rng.uniform(1, 2, size=(n, 3)).astype(np.float32),
        "glove": glove,
        "label": np.linspace(-3, 3, n).reshape(n, 1),
    }


def content(*, steps=0):
    rng = np.random.default_rng(0)
    return {split: build(rng, n, steps=steps) for split, n in (("train", 7), ("valid", 5), ("test", 6))}


def as_bytes(tables):
    return {split.encode(): {key.encode(): value for key, value in t.items()} for split, t in tables.items()}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mosi.pkl"


@pytest.mark.parametrize("keys", [dict, as_bytes])
def test_values_come_back(file, keys):
    tables = content()
    assert FORMAT.recognises(write_pickle(file, keys(tables)))
    assert not MULT.recognises(file)
    source = FORMAT.open(file)
    assert list(source.dims.items()) == [("text", 4), ("audio", 5), ("vision", 3)]
    for block, (split, table) in zip(source.blocks(list(source.dims)), tables.items(), strict=True):
        assert block.modalities["audio"].is_vectors
        np.testing.assert_array_equal(block.modalities["audio"].values, np.float32(table["covarep"]))
        np.testing.assert_array_equal(block.modalities["vision"].values, table["facet"])
        text = [row[i % 4 :] for i, row in enumerate(np.float32(table["glove"]))]
        np.testing.assert_array_equal(block.modalities["text"].values, np.concatenate(text))
        assert block.modalities["text"].lengths.tolist() == [len(row) for row in text]
        np.testing.assert_array_equal(block.target, np.float32(table["label"].ravel()))
        assert block.id[1] == block.group[1] == f"{split}_1"
        assert block.normalised["utterances without an id were named by split and row"] == len(block)
        assert block.normalised["text: padding on the left was removed"] == sum(i % 4 > 0 for i in range(len(block)))
    dataset = check(assemble(source), source="x")
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [7, 5, 6]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("label", None, "mosi.pkl"),
        ("label", lambda x: x.astype(str), "test/label"),
        ("facet", lambda x: x[1:], "test/facet"),
        ("facet", None, ""),
        ("glove", lambda x: x[..., 0, 0], "test/glove"),
    ],
)
def test_bad_values_name_file_split_and_key(file, key, value, message):
    tables = content()
    if value is None:
        del tables["test"][key]
    else:
        tables["test"][key] = value(tables["test"][key])
    with refused(("invalid", "mismatch", "missing", "wrong_shape", "wrong_type"), message):
        FORMAT.open(write_pickle(file, tables))


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 8), steps=st.integers(0, 3), missing=st.sampled_from(["covarep", "facet", "glove", ""]))
def test_round_trip_with_any_two_modalities(tmp_path_factory, n, steps, missing):
    table = build(np.random.default_rng(n), n, steps=steps)
    table.pop(missing, None)
    source = FORMAT.open(write_pickle(tmp_path_factory.mktemp("lmf") / "x.pkl", {"test": table}))
    (block,) = source.blocks(list(source.dims))
    for name, key in (("text", "glove"), ("audio", "covarep"), ("vision", "facet")):
        assert (name in source.dims) == (key != missing)
        if key not in (missing, "glove"):
            np.testing.assert_array_equal(
                block.modalities[name].values, np.float32(table[key]).reshape(-1, table[key].shape[-1])
            )
