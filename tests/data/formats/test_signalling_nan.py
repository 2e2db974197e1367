"""Signalling NaN, which flipped bits make and which warn when they are cast: not finite, and no warning (an error)."""

from __future__ import annotations

import pickle

import format_samples
import numpy as np
import pytest

from comodal.data.formats import recognise
from comodal.data.formats.label_fields import label_values
from comodal.data.formats.padding import dense
from comodal.data.formats.record_lists import frame_table
from comodal.data.ragged import RaggedArray

DOUBLE = np.array([0x7FF0000000000001], dtype=np.uint64).view(np.float64)
CALLS = {
    "dense": lambda values: dense(values[None], where="x"),
    "labels": lambda values: label_values(values[:, 0], where="x").target,
    "frames": lambda values: frame_table(values, where="x"),
    "vectors": lambda values: RaggedArray.from_vectors(values).values,
}


@pytest.mark.parametrize("call", CALLS)
def test_it_is_cast_to_nan(call):
    found = CALLS[call](np.tile(DOUBLE, (3, 2)))
    assert found.dtype == np.float32
    assert np.isnan(found).all()


def spoilt(content):
    """The same with every number of every array of floats one of these."""
    if isinstance(content, dict):
        return {key: spoilt(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(spoilt(value) for value in content)
    if isinstance(content, np.ndarray) and content.dtype.kind == "f":
        return np.tile(DOUBLE, (content.size, 1)).reshape(content.shape)
    return content


@pytest.mark.parametrize("family", ["mmsa", "mult", "lmf", "bclstm", "mag_bert", "misa"])
def test_a_pickle_of_them_is_read(tmp_path, family):
    opened = format_samples.FORMAT_SAMPLES[family][0](tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(pickle.dumps(spoilt(pickle.loads(file.read_bytes()))))
    source = recognise(opened).open(opened)
    assert source.format == family
    for block in source.blocks(list(source.dims)):
        # The labels of one family are no arrays.
        assert np.isnan(block.target).any() == (family != "mag_bert")
        held = [array.values for name, array in block.modalities.items() if name not in ("text_bert", "word_ids")]
        assert all(len(values) and np.isnan(values).all() for values in held)


@pytest.mark.parametrize("layout", ["keyed", "dense"])
def test_a_table_of_them_is_read(tmp_path, layout):
    folder = format_samples.table_csv(tmp_path)
    ids = format_samples.IDS
    values = np.tile(DOUBLE, (6, 2, 2))
    np.savez(folder / "acoustic.npz", **(dict(zip(ids, values, strict=True)) if layout == "keyed" else {"x": values}))
    source = recognise(folder).open(folder)
    (block,) = source.blocks(["audio"])
    assert block.modalities["audio"].values.shape == (12, 2)
    assert np.isnan(block.modalities["audio"].values).all()


def test_an_archive_of_them_is_read(tmp_path):
    columns = format_samples.mosi_columns()
    np.savez(
        tmp_path / "utterances.npz", **{**columns, "sentiment": np.tile(DOUBLE, 18), "audio": np.tile(DOUBLE, (18, 4))}
    )
    (block,) = recognise(tmp_path).open(tmp_path).blocks(["audio"])
    assert np.isnan(block.target).all()
    assert np.isnan(block.modalities["audio"].values).all()


def test_hdf5_files_of_them_are_read(tmp_path):
    format_samples.modality_h5(tmp_path)
    values = np.tile(DOUBLE, (4, 5, 3))
    for name, array in (("audio_train.h5", values), ("y_train.h5", values[:, 0, :1])):
        (tmp_path / name).unlink()
        format_samples.put(tmp_path / name, "d1", array)
    block = next(recognise(tmp_path).open(tmp_path).blocks(["audio"]))
    assert np.isnan(block.modalities["audio"].values).all()
    assert np.isnan(block.target).all()
