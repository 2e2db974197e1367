"""The reader on folders with a file a modality and split."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.assemble import assemble, concatenate
from comodal.data.formats.h5_families import open_source, recognises

SIZES = {"train": 6, "valid": 2, "test": 3}
FILES = {"text": "text_{}_emb.h5", "audio": "audio_{}.h5", "vision": "video_{}.h5"}
DIMS = {"text": 5, "audio": 4, "vision": 3}


def put(path, values, key="d1"):
    with h5py.File(path, "w") as root:
        root[key] = values


def sequences(*, seed=0, modalities=tuple(DIMS), aligned=True, longest=4):
    """Unpadded frames by split and modality, the longest among those of each modality."""
    rng = np.random.default_rng(seed)
    found = {}
    for split, n in SIZES.items():
        lengths = {name: rng.integers(1, longest + 1, size=n) for name in modalities}
        for each in lengths.values():
            each[0] = longest
        if aligned:
            lengths = dict.fromkeys(modalities, next(iter(lengths.values())))
        found[split] = {name: [rng.normal(size=(k, DIMS[name])) for k in lengths[name]] for name in modalities}
    return found


def write(folder, frames, *, side="left", steps=6, labels=lambda n: np.linspace(-3, 3, n)):
    steps = dict.fromkeys(DIMS, steps) if isinstance(steps, int) else steps
    for split, modalities in frames.items():
        for name, rows in modalities.items():
            padded = np.zeros((len(rows), steps[name], DIMS[name]))
            for row, each in zip(padded, rows, strict=True):
                row[-len(each) :] = each if side == "left" else 0
                if side == "right":
                    row[: len(each)] = each
            put(folder / FILES[name].format(split), padded)
        put(folder / f"y_{split}.h5", labels(SIZES[split]))
    return folder


def whole(path, features=None):
    source = open_source(path)
    return concatenate(list(source.blocks(list(source.dims) if features is None else features)), where="x")


def check_values(block, frames):
    for name, array in block.modalities.items():
        rows = [each for split in frames for each in frames[split][name]]
        assert array.lengths.tolist() == [len(each) for each in rows]
        np.testing.assert_array_equal(array.values, np.concatenate(rows).astype(np.float32))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    side=st.sampled_from(["left", "right"]),
    modalities=st.sets(st.sampled_from(sorted(DIMS)), min_size=1),
    aligned=st.booleans(),
)
def test_values_come_back(tmp_path_factory, seed, side, modalities, aligned):
    frames = sequences(seed=seed, modalities=sorted(modalities), aligned=aligned)
    steps = 6 if aligned else {"text": 5, "audio": 6, "vision": 7}
    folder = write(tmp_path_factory.mktemp("folder"), frames, side=side, steps=steps)
    block = whole(folder)
    assert list(block.modalities) == [name for name in DIMS if name in modalities]
    check_values(block, frames)


def test_source_says_what_it_holds(tmp_path):
    frames = sequences()
    source = open_source(write(tmp_path, frames))
    assert source.dims == DIMS
    assert source.n_samples == 11
    assert len(source.files) == 12
    assert source.facts == {"alignment": "all features have one length"}
    dataset = assemble(source)
    assert dataset.id[5:7].tolist() == ["train_5", "valid_0"]
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [6, 2, 3]
    assert whole(tmp_path).normalised == {
        "samples without an id were numbered": 11,
        "all features alike: padding on the left was removed": 11,
    }


def test_span_of_aligned_features_does_not_depend_on_what_is_asked(tmp_path):
    frames = sequences()
    frames["train"]["audio"][0][:2] = 0
    write(tmp_path, frames)
    check_values(whole(tmp_path, ["audio"]), frames)


def test_lengths_of_their_own(tmp_path, monkeypatch):
    frames = sequences(aligned=False)
    write(tmp_path, frames, steps={"text": 4, "audio": 6, "vision": 7})
    assert open_source(tmp_path).facts["alignment"] == "features have lengths of their own"
    block = whole(tmp_path)
    shorter = sum(len(each) < 4 for split in frames for each in frames[split]["text"])
    assert block.normalised["audio: padding on the left was removed"] == 11
    assert block.normalised["text: padding on the left was removed"] == shorter
    monkeypatch.setattr("comodal.data.formats.h5_splits._ROWS", 1)
    blocks = list(open_source(tmp_path).blocks(["vision"]))
    assert len(blocks) == 11
    check_values(concatenate(blocks, where="x"), frames)


def test_no_features_asked_for(tmp_path):
    for steps in (6, {"text": 4, "audio": 6, "vision": 7}):
        block = whole(write(tmp_path, sequences(), steps=steps), [])
        assert len(block) == 11
        assert block.modalities == {}


def test_recognised(tmp_path):
    write(tmp_path, sequences(modalities=["audio"]))
    assert recognises(tmp_path)
    assert recognises(tmp_path / "audio_train.h5")
    assert open_source(tmp_path / "audio_train.h5").n_samples == 11
    (tmp_path / "other.h5").write_bytes((tmp_path / "audio_train.h5").read_bytes())
    assert not recognises(tmp_path / "other.h5")
    assert not recognises(tmp_path / "missing")
    for split in SIZES:
        (tmp_path / f"y_{split}.h5").unlink()
    assert not recognises(tmp_path)
    with refused("missing", "y_train.h5"):
        open_source(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere / "audio_train.h5", np.zeros(3))
    put(elsewhere / "y_train.h5", np.zeros(3))
    assert not recognises(elsewhere)


def test_damaged_file_is_named(tmp_path):
    write(tmp_path, sequences(modalities=["audio"]))
    for split in SIZES:
        file = tmp_path / f"audio_{split}.h5"
        file.write_bytes(file.read_bytes()[:500])
    assert recognises(tmp_path)
    with refused("damaged", "audio_train.h5", "HDF5"):
        open_source(tmp_path)
    (tmp_path / "audio_train.h5").write_text("<html>")
    with refused("damaged", "audio_train.h5", "HDF5"):
        open_source(tmp_path)


@pytest.mark.parametrize("dtype", ["i4", "f8"])
def test_numbers_of_words_are_no_features(tmp_path, dtype):
    write(tmp_path, sequences(modalities=["audio", "text"]))
    for split, n in SIZES.items():
        put(tmp_path / f"text_{split}.h5", np.arange(n * 6).reshape(n, 6).astype(dtype))
    source = open_source(tmp_path)
    assert source.dims == {"text": 5, "audio": 4}
    assert "text_train.h5" in source.facts["not read"]
    for split in SIZES:
        (tmp_path / f"text_{split}_emb.h5").unlink()
    source = open_source(tmp_path)
    assert source.dims == {"audio": 4}
    assert "text_train.h5" in source.facts["not read"]


def test_vectors_of_utterances(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 5))
    for split, n in SIZES.items():
        put(tmp_path / f"text_{split}.h5", values[:n])
        put(tmp_path / f"y_{split}.h5", np.zeros((n, 1, 1)))
    block = whole(tmp_path)
    assert block.modalities["text"].is_vectors
    np.testing.assert_array_equal(block.modalities["text"].values[:6], values.astype(np.float32))


def test_what_does_not_fit_together(tmp_path):
    write(tmp_path, sequences())
    put(tmp_path / "audio_valid.h5", np.zeros((3, 6, 4)))
    with refused("mismatch", "_valid.h5", "/d1", "3", "2"):
        open_source(tmp_path)
    put(tmp_path / "audio_valid.h5", np.zeros((2, 6, 9)))
    with refused("mismatch", "'audio'", "4", "9"):
        open_source(tmp_path)
    (tmp_path / "audio_valid.h5").unlink()
    with refused("mismatch"):
        open_source(tmp_path)
    put(tmp_path / "audio_valid.h5", np.zeros((2, 6, 4, 1)))
    with refused("wrong_shape", "float64", "(2", "6", "4"):
        open_source(tmp_path)
    put(tmp_path / "audio_valid.h5", np.full((2, 4), b"word"))
    with refused("wrong_shape", "audio_valid.h5", "/d1", "S4"):
        open_source(tmp_path)


def test_missing_splits(tmp_path):
    frames = sequences(modalities=["audio"])
    write(tmp_path, {split: frames[split] for split in ("valid", "test")})
    assert set(whole(tmp_path).columns["split"]) == {"valid", "test"}
    for file in tmp_path.glob("*_valid.h5"):
        file.unlink()
    with refused("missing"):
        open_source(tmp_path)


def test_labels_alone_are_no_data_set(tmp_path):
    write(tmp_path, sequences(modalities=["audio"]))
    for file in tmp_path.glob("audio*"):
        file.unlink()
    assert not recognises(tmp_path)
    with refused("missing"):
        open_source(tmp_path)
