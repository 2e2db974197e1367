"""The reader on made-up files, and on the real one where it is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats import recognise
from comodal.data.formats.mosi_utterances import PROTOCOLS, locate, open_source, recognises
from comodal.data.load import load

VIDEOS = [f"video{k}" for k in range(9)]
PART = ["train"] * 2 + ["valid"] * 2 + ["test"] * 5
FOLD = [-1, -1, -1, -1, 0, 1, 2, 3, 4]


def read(path, *, protocol=None, features=None):
    return assemble(open_source(path), protocol=protocol, features=features)


@pytest.fixture
def columns():
    """Nine videos of two utterances; the five test videos are the five folds."""
    rng = np.random.default_rng(0)
    video = np.repeat(VIDEOS, 2)
    return {
        "id": np.array([f"{v}_{1 + i % 2}" for i, v in enumerate(video)]),
        "video": video,
        "segment": np.tile([1, 2], 9).astype(np.int16),
        "transcript": np.array([f"WORDS {i}" for i in range(18)]),
        "sentiment": np.linspace(-3, 3, 18).astype(np.float32),
        "text": rng.normal(size=(18, 5)).astype(np.float32),
        "audio": rng.normal(size=(18, 4)).astype(np.float32),
        "vision": rng.normal(size=(18, 3)).astype(np.float32),
        "text_minilm": rng.normal(size=(18, 6)).astype(np.float16),
        "standard_split": np.repeat(PART[::-1], 2),
        "disjoint_split": np.repeat(PART, 2),
        "nested_fold": np.repeat(FOLD, 2).astype(np.int8),
    }


@pytest.fixture
def folder(columns, tmp_path):
    return write(tmp_path, columns)


def write(folder, columns):
    np.savez(folder / "utterances.npz", **columns)
    return folder


def fold_lists():
    def lists(parts):
        return {part: [v for v, p in zip(VIDEOS, parts, strict=True) if p == part] for part in dict.fromkeys(parts)}

    nested = {str(k): [VIDEOS[4 + k]] for k in range(5)}
    return {"standard": lists(PART[::-1]), "disjoint": lists(PART), "nested": nested}


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
        assert set(dataset.group[partition.test]) == {VIDEOS[4 + k]}
        assert set(dataset.group[partition.valid]) == {VIDEOS[4 + (k + 1) % 5]}
        assert set(dataset.group[partition.train]) == {VIDEOS[4 + (k + j) % 5] for j in (2, 3, 4)}
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


def test_leaky_takes_the_standard_split(folder):
    dataset = read(folder, protocol="leaky")
    assert set(dataset.group[dataset.partitions[0].train]) == {"video7", "video8"}


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
    from comodal.data.formats import mosi_utterances

    monkeypatch.delenv("COMODAL_MOSI_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mosi_utterances, "__file__", str(tmp_path / "mosi_utterances.py"))
    with pytest.raises(InputError, match=r"set COMODAL_MOSI_DIR .* or put that folder at ../shared/data/cmu_mosi"):
        locate()
    monkeypatch.setenv("COMODAL_MOSI_DIR", str(tmp_path))
    with pytest.raises(InputError, match=r"COMODAL_MOSI_DIR=.*no utterances.npz there"):
        locate()


def test_folds_that_agree_are_accepted_and_others_refused(folder):
    file = folder / "folds.json"
    file.write_text(json.dumps(fold_lists()))
    for protocol in PROTOCOLS:
        read(folder, protocol=protocol)
    wrong = fold_lists()
    wrong["disjoint"]["test"].remove("video8")
    wrong["disjoint"]["train"].append("video8")
    file.write_text(json.dumps(wrong))
    with pytest.raises(InputError, match=r"folds.json: video 'video8' is in 'train' there and in 'test'"):
        read(folder, protocol="clean")
    file.write_text("{")
    with pytest.raises(InputError, match=r"folds.json: not a readable list of folds"):
        read(folder)


def test_unknown_protocol_and_features(folder):
    with pytest.raises(InputError, match="unknown protocol 'nestd': did you mean 'nested'"):
        read(folder, protocol="nestd")
    with pytest.raises(InputError, match="unknown features 'text_mini': did you mean 'text_minilm'"):
        read(folder, features={"text": "text_mini"})
    with pytest.raises(InputError, match="unknown features 'sentiment'"):
        read(folder, features={"text": "sentiment"})


def test_damaged_files(folder, columns):
    file = folder / "utterances.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"utterances.npz: not a readable .npz file"):
        read(folder)
    broken = bytearray(whole)
    start = whole.index(b"audio.npy") + 200
    broken[start : start + 20] = b"\xff" * 20
    file.write_bytes(bytes(broken))
    with pytest.raises(InputError, match=r"utterances.npz: not a readable .npz file"):
        read(folder)
    for content in (b"", b"text", None):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InputError, match=r"utterances.npz: not a readable .npz file"):
            read(folder)
        file.touch()
    write(folder, {**columns, "sentiment": columns["sentiment"].astype(object)})
    with pytest.raises(InputError, match=r"utterances.npz: not a readable .npz file"):
        read(folder)
    write(folder, {name: column for name, column in columns.items() if name != "nested_fold"})
    with pytest.raises(InputError, match="no column 'nested_fold', which its protocols need"):
        read(folder)


def test_bad_values_name_file_and_utterance(folder, columns):
    columns["audio"][9, 2] = np.nan
    write(folder, columns)
    with pytest.raises(InputError, match=r"/.*: modality 'audio' has 1 NaN .* first 'video4_2'"):
        load(folder)
    assert load(folder, clean=True).cleaning.replaced_values == {"text": 0, "audio": 1, "vision": 0}
    columns["sentiment"][9] = 3.4
    write(folder, columns)
    with pytest.raises(InputError, match=r"1 of 18 labels .first: utterance 'video4_2'.*it is 3.4"):
        load(folder)


def test_columns_of_other_length(folder, columns):
    write(folder, {**columns, "audio": columns["audio"][:-1]})
    with pytest.raises(InputError, match="numbers of utterances differ"):
        read(folder)


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
