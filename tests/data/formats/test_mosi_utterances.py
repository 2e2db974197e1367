"""The reader on made-up files, and on the real one where it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from format_samples import MOSI_VIDEOS, mosi_columns, mosi_lists
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats import recognise
from comodal.data.formats.mosi_utterances import PROTOCOLS, locate, open_source, recognises
from comodal.data.load import load


def read(path, *, protocol=None, features=None):
    return assemble(open_source(path), protocol=protocol, features=features)


@pytest.fixture
def columns():
    return mosi_columns()


@pytest.fixture
def folder(columns, tmp_path):
    return write(tmp_path, columns)


def write(folder, columns):
    np.savez(folder / "utterances.npz", **columns)
    return folder


def test_recognised_by_content(folder, tmp_path):
    assert recognises(folder)
    assert recognises(folder / "utterances.npz")
    np.savez(tmp_path / "views.npz", a=np.ones(3))
    assert not recognises(tmp_path / "views.npz")
    assert recognise(folder).name == "mosi_utterances"
    assert not recognises(tmp_path / "nothing")


def test_nested_is_cross_validation_over_the_clean_videos(folder, columns):
    dataset = check(read(folder, protocol="nested"), source="fake")
    assert len(dataset) == 10
    assert dataset.spec.dims == {"text": 5, "audio": 4, "vision": 3}
    assert [p.name for p in dataset.partitions] == [f"fold {k}" for k in range(5)]
    for k, partition in enumerate(dataset.partitions):
        assert set(dataset.group[partition.test]) == {MOSI_VIDEOS[4 + k]}
        assert set(dataset.group[partition.valid]) == {MOSI_VIDEOS[4 + (k + 1) % 5]}
        assert set(dataset.group[partition.train]) == {MOSI_VIDEOS[4 + (k + j) % 5] for j in (2, 3, 4)}
    np.testing.assert_array_equal(dataset.modalities["audio"].values, columns["audio"][8:])
    assert dataset.transcript[0] == "WORDS 8"
    assert dataset.spec.note == ""


def test_clean_takes_the_disjoint_split_and_honest_features(folder, columns):
    dataset = check(read(folder, protocol="clean"), source="fake")
    assert list(dataset.modalities) == ["text", "audio"]
    np.testing.assert_array_equal(dataset.modalities["text"].values, columns["text_minilm"].astype(np.float32))
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [4, 4, 10]
    assert dataset.spec.note == ""
    assert dataset.spec.name == "mosi:clean"


@pytest.mark.parametrize(
    ("protocol", "features", "note"),
    [
        ("clean", {"text": "text_minilm", "vision": "vision"}, "contaminated: vision feature was learnt"),
        ("clean", {"text": "text"}, "contaminated: text feature was learnt"),
        ("contaminated", None, "contaminated: text and vision features were learnt"),
        ("contaminated", {"text": "text_minilm", "audio": "audio"}, ""),
        ("leaky", None, "leaky: text and vision.*never report"),
        ("leaky", {"text": "text_minilm"}, ""),
        ("nested", {"text": "text_minilm", "vision": "vision"}, ""),
    ],
)
def test_leaking_combinations_carry_a_note(folder, protocol, features, note):
    import re

    found = read(folder, protocol=protocol, features=features).select_modalities(["text"]).spec.note
    assert re.match(note, found)
    assert bool(found) == bool(note)


def test_load_by_path_and_by_environment(folder, monkeypatch):
    assert len(load(folder)) == 10
    assert len(load(folder / "utterances.npz", protocol="clean", features={"audio": "audio"})) == 18
    monkeypatch.setenv("COMODAL_MOSI_DIR", str(folder))
    assert len(load("mosi:clean")) == 18
    assert load("mosi").spec.name == "mosi:nested"


def test_found_beside_a_parent_of_the_current_folder(folder, tmp_path, monkeypatch):
    beside = tmp_path / "shared" / "data" / "cmu_mosi"
    beside.mkdir(parents=True)
    (folder / "utterances.npz").rename(beside / "utterances.npz")
    inside = tmp_path / "project" / "runs"
    inside.mkdir(parents=True)
    monkeypatch.delenv("COMODAL_MOSI_DIR", raising=False)
    monkeypatch.chdir(inside)
    assert locate() == beside


def test_not_found_says_both_ways(tmp_path, monkeypatch):
    from comodal.data.formats import folders

    monkeypatch.delenv("COMODAL_MOSI_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "__file__", str(tmp_path / "folders.py"))
    with refused("missing", "COMODAL_MOSI_DIR", "/shared/data/cmu_mosi"):
        locate()
    monkeypatch.setenv("COMODAL_MOSI_DIR", str(tmp_path))
    with refused("missing", "COMODAL_MOSI_DIR", "utterances.npz"):
        locate()


def test_folds_that_agree_are_accepted_and_others_refused(folder):
    file = folder / "folds.json"
    file.write_text(json.dumps(mosi_lists()))
    for protocol in PROTOCOLS:
        read(folder, protocol=protocol)
    wrong = mosi_lists()
    wrong["disjoint"]["test"].remove("video8")
    wrong["disjoint"]["train"].append("video8")
    file.write_text(json.dumps(wrong))
    with refused("mismatch", "folds.json", "'video8'", "'train'", "'test'"):
        read(folder, protocol="clean")
    file.write_text("{")
    with refused("damaged", "folds.json"):
        read(folder)


def test_unknown_protocol_and_features(folder):
    with refused("unknown_name", "'nestd'", "'nested'"):
        read(folder, protocol="nestd")
    with refused("unknown_name", "'text_mini'", "'text_minilm'"):
        read(folder, features={"text": "text_mini"})
    with refused("unknown_name", "'sentiment'"):
        read(folder, features={"text": "sentiment"})


def test_damaged_files(folder, columns):
    file = folder / "utterances.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with refused("damaged", "utterances.npz"):
        read(folder)
    for content, code in ((b"", "damaged"), (b"text", "damaged"), (None, "missing")):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with refused(code, "utterances.npz"):
            read(folder)
        file.touch()
    write(folder, {**columns, "sentiment": columns["sentiment"].astype(object)})
    with refused("unsafe", "utterances.npz"):
        read(folder)
    write(folder, {name: column for name, column in columns.items() if name != "nested_fold"})
    with refused("missing", "'nested_fold'"):
        read(folder)


def test_bad_values_name_file_and_utterance(folder, columns):
    columns["audio"][9, 2] = np.nan
    write(folder, columns)
    with refused("not_finite", "audio", 1, "'video4_2'"):
        load(folder)
    assert load(folder, clean=True).cleaning.replaced_values == {"text": 0, "audio": 1, "vision": 0}
    columns["sentiment"][9] = 3.4
    write(folder, columns)
    with refused("out_of_range", 1, "video4_2", 3.4):
        load(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"PK\x01\x02", b"PK\x01\x03"), (b"PK\x01\x02\x2d\x03\x2d", b"PK\x01\x02\x2d\x03\xff")],
    ids=["no directory", "a version that there is not"],
)
def test_a_damaged_directory_is_told_and_not_raised_by_the_recogniser(folder, tmp_path, old, new):
    file = folder / "utterances.npz"
    damaged = file.read_bytes().replace(old, new)
    assert damaged != file.read_bytes()
    file.write_bytes(damaged)
    assert recognises(folder)
    with refused("damaged", "utterances.npz"):
        read(folder)
    (tmp_path / "other.npz").write_bytes(damaged)
    assert not recognises(tmp_path / "other.npz")
    with refused("unsupported", "other.npz"):
        recognise(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("id", np.arange(18), "int64"),
        ("video", np.float32(1), "(N,)"),
        ("sentiment", np.full(18, "good"), "U4"),
        ("audio", np.ones(18), "(N, features)"),
        ("audio", np.ones((17, 4)), "(17"),
        ("vision", np.ones((18, 0)), "(N, features)"),
        ("transcript", np.full((18, 2), "good"), "(N,)"),
        ("id", np.array([*"abcdefgh", "", *"jklmnopqr"]), "8"),
        ("nested_fold", np.ones((18, 1)), "nested_fold"),
    ],
)
def test_columns_of_another_kind_are_named(folder, columns, name, values, message):
    write(folder, {**columns, name: values})
    with refused(("missing", "wrong_shape", "wrong_type"), message):
        read(folder, features={"audio": "audio"})


@pytest.mark.parametrize("content", [b"\x89HDF\r\n" + bytes(5000), b"[" * 100_000, b"[]", b'{"nested": {"0": 1}}'])
def test_lists_of_folds_that_are_none_are_refused_in_one_short_line(folder, content):
    (folder / "folds.json").write_bytes(content)
    with refused("damaged", "folds.json") as error:
        read(folder)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400 + len(str(folder))


@pytest.mark.mosi
class TestRealFile:
    def test_sizes_of_the_protocols(self, mosi_dir):
        sizes = {
            protocol: [[len(rows) for rows in p.splits.values()] for p in load(mosi_dir, protocol=protocol).partitions]
            for protocol in PROTOCOLS
        }
        assert sizes["clean"] == sizes["contaminated"] == [[1209, 238, 752]]
        assert sizes["leaky"] == [[1284, 229, 686]]
        assert [fold[2] for fold in sizes["nested"]] == [138, 156, 126, 196, 136]
        assert all(sum(fold) == 752 for fold in sizes["nested"])

    def test_nested_are_the_test_videos_of_the_disjoint_split(self, mosi_dir):
        nested, clean = load(mosi_dir, protocol="nested"), load(mosi_dir, protocol="clean")
        assert sorted(nested.id) == sorted(clean.id[clean.partitions[0].test])
        assert len(set(nested.group)) == 31

    def test_labels_and_dims(self, mosi_dir):
        dataset = load(mosi_dir, protocol="leaky")
        assert dict(dataset.spec.dims) == {"text": 100, "audio": 73, "vision": 100}
        assert (dataset.target == 0).sum() == 96
        assert np.abs(dataset.target).max() <= 3

    def test_ridge_on_nested_text_gives_the_published_figure(self, mosi_dir):
        """The data's README has 76.8 % and MAE 0.948: ids, labels, features and folds all belong together."""
        from sklearn.linear_model import Ridge

        from comodal.data.standardize import Standardizer

        dataset = load(mosi_dir, protocol="nested", features={"text": "text"})
        prediction = np.zeros(len(dataset))
        for p in dataset.partitions:
            x = Standardizer.fit(dataset, p.train).transform(dataset).modalities["text"].values
            fits = [Ridge(alpha).fit(x[p.train], dataset.target[p.train]) for alpha in (100, 300, 1000)]
            errors = [np.abs(f.predict(x[p.valid]) - dataset.target[p.valid]).mean() for f in fits]
            prediction[p.test] = fits[int(np.argmin(errors))].predict(x[p.test])
        some = dataset.target != 0
        assert 100 * ((prediction > 0) == (dataset.target > 0))[some].mean() == pytest.approx(76.8, abs=1.5)
        assert np.abs(prediction - dataset.target).mean() == pytest.approx(0.948, abs=0.03)
