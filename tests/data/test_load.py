from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from comodal.contracts import InputError
from comodal.data.assemble import assemble
from comodal.data.cache import cached
from comodal.data.checks import check
from comodal.data.cleaning import clean
from comodal.data.formats import FORMATS
from comodal.data.formats.interface import Division, Format
from comodal.data.load import load
from comodal.data.ragged import RaggedArray
from comodal.data.store import write_store
from comodal.data.stored_array import StoredArray
from comodal.data.synthetic import PRESETS, SyntheticConfig, synthetic

SMALL = SyntheticConfig(n_train=40, n_valid=16, n_test=16)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_by_name(preset):
    dataset = load(f"synthetic:{preset}")
    assert dataset.spec.name == f"synthetic:{preset}"
    np.testing.assert_array_equal(dataset.target, synthetic(PRESETS[preset]).target)


def test_configurations_and_datasets_pass_through():
    dataset = load(SMALL)
    assert len(dataset) == 72
    assert load(dataset) is dataset


@pytest.mark.parametrize(
    ("source", "options", "code", "named"),
    [
        ("sinthetic", {}, "unknown_name", "'synthetic'"),
        ("digit", {}, "unknown_name", "'digits'"),
        ("digits:left", {}, "unknown_name", "'digits'"),
        ("digits", {"protocol": "nested"}, "conflict", "digits"),
        ("synthetic:redundnt", {}, "unknown_name", "'redundant'"),
        ("some/folder", {}, "missing", "some/folder"),
        ("data.npz", {}, "missing", "data.npz"),
        (SMALL, {"features": {"text": "txt"}}, "unknown_name", "'text'"),
        ("synthetic", {"protocol": "nested"}, "conflict", "synthetic"),
        ("mosi:clean", {"protocol": "nested"}, "conflict", "mosi:clean"),
    ],
)
def test_unknown_names(source, options, code, named):
    with refused(code, named):
        load(source, **options)


def test_a_file_no_reader_knows(tmp_path):
    path = tmp_path / "notes.npz"
    path.write_text("not an archive")
    with refused("unsupported", path, "mosi_utterances"):
        load(path)


def test_checks_run_and_cleaning_is_on_request():
    dataset = synthetic(SMALL)
    values = dataset.modalities["audio"].values.copy()
    values[5, 2] = np.inf
    broken = dataset.with_features({**dataset.modalities, "audio": RaggedArray.from_vectors(values)})
    with refused("not_finite", "synthetic", "audio", 1):
        load(broken)
    cleaned = load(broken, clean=True)
    assert cleaned.cleaning is not None
    assert cleaned.cleaning.replaced_values["audio"] == 1
    train = dataset.partitions[0].train
    expected = np.median(np.delete(dataset.modalities["audio"].values[train, 2], 5))
    assert cleaned.modalities["audio"].values[5, 2] == np.float32(expected)


@pytest.fixture
def raw(tmp_path, monkeypatch, make_block, make_source):
    """A path of a format made up here, and its source, where some of what a user may do wrong can be asked for."""
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "raw.toy"
    path.write_text("made up")

    def make(*, nan=(), label=None, divisions=None):
        lengths = {"train": [2, 1, 3, 1], "none": [1], "valid": [1, 4], "test": [5, 1, 2]}
        blocks = []
        for split, runs in lengths.items():
            fold = np.arange(len(runs)) % 3
            block = make_block(split, runs)
            columns = {**block.columns, "fold": fold - 9 * (split == "none")}
            blocks.append(replace(block, columns=columns, target=block.target - np.float32(len(blocks) / 100)))
        for name, count in nan:
            for block in blocks:
                block.modalities[name].values[:count, 0] = np.nan
        if label is not None:
            blocks[3].target[1] = label
        source = replace(make_source(*blocks), path=path, files=(path,), divisions=divisions or {"file": Division()})
        path.write_text(repr((nan, label, divisions)))
        toy = Format("made", lambda given: given == path, lambda _: source)
        monkeypatch.setitem(FORMATS, "made", toy)
        return path, source

    return make


def test_a_path_through_the_cache_equals_the_direct_way(raw):
    path, source = raw()
    for _ in range(2):
        dataset, direct = load(path), check(assemble(source), source="toy")
        assert dataset.spec == direct.spec
        assert dataset.id.tolist() == direct.id.tolist()
        assert dataset.cleaning is None
        for name, array in direct.modalities.items():
            assert dataset.modalities[name].values.tobytes() == array.values.tobytes()
        assert [r.tolist() for r in dataset.partitions[0].splits.values()] == [
            r.tolist() for r in direct.partitions[0].splits.values()
        ]


@pytest.mark.parametrize(("nan", "label"), [([("audio", 2)], None), ([], 7.0)])
def test_what_is_wrong_with_a_path_is_said_as_for_arrays(raw, nan, label):
    """The same line, and its remedy works; a label is never repaired."""
    divisions = {"folds": Division("fold", 3)} if label is None else None
    path, source = raw(nan=nan, label=label, divisions=divisions)
    whole = replace(source, divisions={"all": Division()}, path=path)
    blocks = [replace(b, columns={"split": np.full(len(b), "train")}) for b in whole.blocks(list(whole.dims))]
    arrays = assemble(replace(whole, blocks=lambda _: iter(blocks)))
    with pytest.raises(InputError) as by_arrays:
        check(arrays, source=str(path))
    with pytest.raises(InputError) as by_path:
        load(path)
    assert str(by_path.value) == str(by_arrays.value)
    assert by_path.value.code == by_arrays.value.code
    assert ("clean=True" in str(by_path.value)) == (label is None)
    assert "\n" not in str(by_path.value)
    if label is None:
        assert len(load(path, features={"text": "text"}, clean=True)) > 0
    else:
        with refused("out_of_range", path):
            load(path, clean=True)


def test_cleaned_as_arrays_are_and_reported_under_the_names_of_modalities(raw):
    path, source = raw(nan=[("audio", 2), ("text", 1)])
    dataset = load(path, features={"speech": "audio", "text": "text"}, clean=True)
    direct = clean(assemble(source, features={"speech": "audio", "text": "text"}))
    report = direct.cleaning
    for name, array in direct.modalities.items():
        assert dataset.modalities[name].values.tobytes() == array.values.tobytes()
    assert list(dataset.cleaning.replaced_values) == ["speech", "text"]
    # The sample in no part is cleaned, too: 1 value of each.
    assert dataset.cleaning.replaced_values["text"] == report.replaced_values["text"] + 1
    assert dataset.cleaning.replaced_values["speech"] == report.replaced_values["speech"] + 1


def test_features_that_are_not_used_may_be_dirty(raw):
    path, _ = raw(nan=[("audio", 2)])
    dataset = load(path, features={"text": "text"})
    assert dataset.spec.modalities == ("text",)
    assert dataset.cleaning is None
    with refused("not_finite", "audio"):
        load(path)


def test_clean_always_reports(raw):
    path, _ = raw()
    report = load(path, clean=True).cleaning
    assert not report.changed
    assert report.replaced_values == {"text": 0, "audio": 0}


TWO = {"file": Division(), "folds": Division("fold", 3)}


def test_every_protocol_is_filled_from_its_own_train_part(raw):
    """The stored values are those of the first protocol; for another they would come from its test part."""
    path, source = raw(nan=[("audio", 2)], divisions=TWO)
    by_protocol = {}
    for protocol in TWO:
        dataset = load(path, protocol=protocol, clean=True)
        direct = clean(assemble(source, protocol=protocol))
        by_protocol[protocol] = dataset.modalities["audio"].values
        assert by_protocol[protocol].tobytes() == direct.modalities["audio"].values.tobytes()
        assert dataset.spec.note == ""
    assert by_protocol["file"].tobytes() != by_protocol["folds"].tobytes()


def test_a_converted_set_says_when_its_fill_is_of_another_protocol(raw, tmp_path):
    _, source = raw(nan=[("audio", 2)], divisions=TWO)
    write_store(source, tmp_path / "set")
    assert load(tmp_path / "set").spec.note == ""
    assert load(tmp_path / "set", protocol="folds", features={"text": "text"}).spec.note == ""
    other = load(tmp_path / "set", protocol="folds")
    assert other.spec.note == "cleaned: non-finite features were filled in from the train part of another protocol"
    assert other.cleaning.replaced_values == {"text": 0, "audio": 7}


def test_a_converted_set_by_folder_and_by_description(source, tmp_path, monkeypatch):
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    write_store(source, tmp_path / "set")
    for path in (tmp_path / "set", tmp_path / "set" / "dataset.json", str(tmp_path / "set")):
        dataset = load(path)
        assert dataset.spec.name == "made"
        assert isinstance(dataset.modalities["text"], StoredArray)
    assert not (tmp_path / "cache").exists()


def test_errors_name_the_path_that_was_given(raw, tmp_path):
    path, source = raw()
    with refused("unknown_name", path, "txt"):
        load(path, features={"text": "txt"})
    with refused("unknown_name", path, "fil", "file"):
        load(path, protocol="fil")
    entry = cached(source).path
    (entry / "samples.parquet").write_bytes(b"")
    with refused("damaged", entry):
        load(path)
    assert (tmp_path / "cache").is_dir()
