"""The reader on files as the memory fusion network has them, value for value."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.assemble import assemble, concatenate
from comodal.data.formats.h5_families import MFN_H5, open_mfn, recognises_mfn

SIZES = {"train": 6, "valid": 2, "test": 3}
SPANS = {"text": slice(0, 300), "audio": slice(300, 305), "vision": slice(305, 325)}
STEPS = 4


def sequences(seed=0, sizes=SIZES):
    """Unpadded words of each utterance; none of the first frames is zero, but single modalities are."""
    rng = np.random.default_rng(seed)
    found = {}
    for split, n in sizes.items():
        found[split] = [rng.normal(size=(rng.integers(1, STEPS + 1), 325)) for _ in range(n)]
        for words in found[split]:
            words[0, SPANS["audio"]] = 0
    return found


def pad(words, side="left", steps=STEPS):
    zeros = np.zeros((steps - len(words), 325))
    return np.concatenate([zeros, words] if side == "left" else [words, zeros])


def write(folder, words, *, side="left", labels=None, key="data", x_name="X_{}.h5", **options):
    for split, rows in words.items():
        with h5py.File(folder / x_name.format(split), "w") as root:
            root.create_dataset(key, data=np.stack([pad(each, side) for each in rows]), **options)
        with h5py.File(folder / f"y_{split}.h5", "w") as root:
            y = np.linspace(-3, 3, len(rows)) if labels is None else labels(len(rows))
            root.create_dataset(key, data=y, **options)
    return folder


def whole(path, features=("text", "audio", "vision")):
    return concatenate(list(open_mfn(path).blocks(features)), where="x")


def check_values(block, words):
    rows = [each for split in words for each in words[split]]
    for name, array in block.modalities.items():
        assert array.lengths.tolist() == [len(each) for each in rows]
        expected = np.concatenate([each[:, SPANS[name]] for each in rows]).astype(np.float32)
        np.testing.assert_array_equal(array.values, expected)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), side=st.sampled_from(["left", "right"]), compression=st.sampled_from([None, "gzip"]))
def test_values_come_back(tmp_path_factory, seed, side, compression):
    words = sequences(seed)
    words["train"][0] = words["train"][0][:1]
    folder = write(tmp_path_factory.mktemp("mfn"), words, side=side, compression=compression)
    block = whole(folder)
    check_values(block, words)
    np.testing.assert_array_equal(block.columns["split"], np.repeat(list(SIZES), list(SIZES.values())))
    expected = np.concatenate([np.linspace(-3, 3, n) for n in SIZES.values()])
    np.testing.assert_array_equal(block.target, expected.astype(np.float32))


def test_source_says_what_it_holds(tmp_path):
    words = sequences()
    words["train"][0] = words["train"][0][:1]
    source = open_mfn(write(tmp_path, words))
    assert source.dims == {"text": 300, "audio": 5, "vision": 20}
    assert source.n_samples == 11
    assert sorted(each.name for each in source.files) == sorted(f"{k}_{s}.h5" for k in "Xy" for s in SIZES)
    dataset = assemble(source)
    assert dataset.id[:7].tolist() == [*(f"train_{row}" for row in range(6)), "valid_0"]
    np.testing.assert_array_equal(dataset.group, dataset.id)
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == list(SIZES.values())
    shorter = sum(len(each) < STEPS for rows in words.values() for each in rows)
    assert whole(tmp_path).normalised == {
        "samples without an id were numbered": 11,
        "all features alike: padding on the left was removed": shorter,
    }


def test_one_file_stands_for_its_folder(tmp_path):
    write(tmp_path, sequences())
    assert recognises_mfn(tmp_path)
    for name in ("X_test.h5", "y_train.h5"):
        assert recognises_mfn(tmp_path / name)
        assert open_mfn(tmp_path / name).n_samples == 11


def test_recognised_by_content(tmp_path):
    folder = tmp_path / "wide"
    folder.mkdir()
    with h5py.File(folder / "X_train.h5", "w") as root:
        root["data"] = np.zeros((2, 3, 326))
    assert not recognises_mfn(folder)
    (folder / "X_train.h5").write_text("words")
    assert not recognises_mfn(folder)
    (folder / "X_train.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert recognises_mfn(folder)
    with refused("missing", "X_train.h5", "y_train.h5"):
        MFN_H5.open(folder)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as root:
        root["data"] = np.zeros((2, 3, 325))
    assert not recognises_mfn(other)
    assert not recognises_mfn(tmp_path / "missing")


def test_memory_is_that_of_a_few_rows(tmp_path, monkeypatch):
    """Blocks of any size give the same utterances, also where a block alone looks padded on the other side."""
    words = sequences()
    words["valid"] = [np.concatenate([np.ones((3, 325)), np.zeros((1, 325))])] * 2
    write(tmp_path, words)
    one = whole(tmp_path)
    check_values(one, words)
    monkeypatch.setattr("comodal.data.formats.h5_splits._BYTES", 2 * STEPS * 325 * 8)
    blocks = list(open_mfn(tmp_path).blocks(["audio"]))
    assert [len(block) for block in blocks] == [2, 2, 2, 2, 2, 1]
    many = concatenate(blocks, where="x")
    assert list(many.modalities) == ["audio"]
    np.testing.assert_array_equal(many.modalities["audio"].values, one.modalities["audio"].values)
    np.testing.assert_array_equal(many.modalities["audio"].offsets, one.modalities["audio"].offsets)
    np.testing.assert_array_equal(many.id, one.id)
    assert many.normalised == one.normalised


@pytest.mark.parametrize(("shape", "taken"), [((), 0), ((1,), 0), ((1, 1), 0), ((7,), 11), ((1, 7), 11)])
def test_label_shapes(tmp_path, shape, taken):
    def labels(n):
        found = np.full((n, *shape), 9.0)
        found.reshape(n, -1)[:, 0] = np.arange(n) / 4
        return found

    block = whole(write(tmp_path, sequences(), labels=labels))
    np.testing.assert_array_equal(block.target, np.concatenate([np.arange(n) / 4 for n in SIZES.values()]))
    assert block.normalised.get("the first of 7 label columns was taken as sentiment", 0) == taken


@pytest.mark.parametrize(
    "labels",
    [
        lambda n: np.zeros((n, 6, 3)),
        lambda n: np.zeros((n, 2, 1)),
        lambda n: np.full(n, b"good"),
        lambda n: np.zeros(n + 1),
    ],
)
def test_labels_that_are_refused(tmp_path, labels):
    write(tmp_path, sequences(), labels=labels)
    with refused(("mismatch", "wrong_shape"), "y_train.h5", "/data"):
        open_mfn(tmp_path)


def test_missing_files(tmp_path):
    write(tmp_path, sequences())
    (tmp_path / "y_valid.h5").unlink()
    with refused("missing", "X_valid.h5", "y_valid.h5"):
        open_mfn(tmp_path)
    (tmp_path / "X_valid.h5").unlink()
    assert set(whole(tmp_path).columns["split"]) == {"train", "test"}
    for kind in "Xy":
        (tmp_path / f"{kind}_train.h5").unlink()
    with refused("missing"):
        open_mfn(tmp_path)
    with refused("cannot_read"):
        open_mfn(tmp_path / "nowhere" / "X_train.h5")


def test_split_names_in_use_and_two_of_one(tmp_path):
    write(tmp_path, sequences(sizes={"train": 2, "dev": 2}))
    assert set(whole(tmp_path).columns["split"]) == {"train", "valid"}
    write(tmp_path, sequences(sizes={"valid": 2}))
    with refused("duplicate", "X_valid.h5", "X_dev.h5"):
        open_mfn(tmp_path)


def test_other_names_of_the_array_are_told(tmp_path):
    source = open_mfn(write(tmp_path, sequences(), key="values"))
    assert "X_train.h5: values" in source.facts["arrays under other names"]
    with h5py.File(tmp_path / "X_train.h5", "a") as root:
        root["more"] = np.zeros(3)
    with refused("damaged", "X_train.h5", "'more'", "'values'", "'data'"):
        open_mfn(tmp_path)
    with h5py.File(tmp_path / "X_train.h5", "a") as root:
        root["data"] = root["values"][:]
    assert open_mfn(tmp_path).n_samples == 11
    with h5py.File(tmp_path / "X_train.h5", "w"):
        pass
    with refused("missing", "X_train.h5", "HDF5"):
        open_mfn(tmp_path)


def test_values_that_are_not_finite_pass(tmp_path):
    words = sequences()
    words["train"][0] = np.ones((2, 325))
    words["train"][0][0, 300], words["train"][0][1, 0], words["train"][0][1, 1] = np.nan, -np.inf, 1e300
    block = whole(write(tmp_path, words))
    assert np.isnan(block.modalities["audio"].values[0, 0])
    assert block.modalities["text"].values[1, :2].tolist() == [-np.inf, np.inf]


def test_swapped_and_flat_files(tmp_path):
    write(tmp_path, sequences())
    x, y = (tmp_path / f"{kind}_train.h5" for kind in "Xy")
    one, two = x.read_bytes(), y.read_bytes()
    x.write_bytes(two)
    y.write_bytes(one)
    with refused("wrong_shape", "X_train.h5", "/data", "(6,)"):
        open_mfn(tmp_path)
    x.write_bytes(one)
    with refused("wrong_shape", "y_train.h5", "/data", "(6, "):
        open_mfn(tmp_path)
