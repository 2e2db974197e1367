from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.contracts import InputError, Regression
from comodal.data.assemble import assemble
from comodal.data.cache import cache_folder, cached
from comodal.data.formats.interface import Division
from comodal.data.formats.mosi_utterances import open_source
from comodal.data.load import load


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def counted(tmp_path, source):
    """A source with a file, and how often its blocks were asked for."""
    file = tmp_path / "made.pkl"
    file.write_bytes(b"content")
    calls = []

    def blocks(features):
        calls.append(list(features))
        return source.blocks(features)

    return replace(source, path=file, files=(file,), blocks=blocks), calls


def entries(root):
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_the_environment_says_where(root, monkeypatch, tmp_path):
    assert cache_folder() == root
    monkeypatch.delenv("COMODAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "platform"))
    assert "comodal" in cache_folder().name
    monkeypatch.setenv("COMODAL_CACHE", "")
    assert "comodal" in cache_folder().name


def test_converted_once(counted, root):
    source, calls = counted
    first = cached(source)
    assert first.format == "comodal"
    assert calls == [["text", "audio"]]
    again = cached(source)
    assert len(calls) == 1
    assert again.path == first.path
    assert len(entries(root)) == 1
    for found in (first, again):
        (block,) = found.blocks(["audio"])
        expected = assemble(counted[0]).modalities["audio"]
        assert block.modalities["audio"].values.tobytes() == expected.values.tobytes()


def test_other_content_makes_another_entry(counted, root):
    source, calls = counted
    cached(source)
    source.files[0].write_bytes(b"changed")
    cached(source)
    assert len(calls) == 2
    assert len(entries(root)) == 2


def test_a_file_that_moved_is_the_same(counted, tmp_path):
    source, calls = counted
    cached(source)
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "made.pkl"
    source.files[0].rename(moved)
    cached(replace(source, path=moved, files=(moved,)))
    assert len(calls) == 1


def test_another_way_of_reading_makes_another_entry(counted, root):
    source, _ = counted
    others = (
        {"divisions": {"mine": Division()}},
        {"task": Regression(-4.0, 4.0)},
        {"label": "mine"},
        {"format": "other"},
        {"name": "other"},
        {"facts": {"a": "b"}},
    )
    for changes in ({}, *others):
        cached(replace(source, **changes))
    assert len(entries(root)) == 1 + len(others)


def test_a_source_that_is_damaged_leaves_no_entry(counted, root):
    source, _ = counted

    def blocks(_):
        raise InputError("made.pkl: damaged; get it again", code="damaged")

    with refused("damaged", "made.pkl: damaged; get it again"):
        cached(replace(source, blocks=blocks))
    assert entries(root) == []


def test_a_cache_that_cannot_be_written(counted, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is needed")
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "taken" / "cache"))
    with refused("cannot_write", "COMODAL_CACHE"):
        cached(counted[0])


def test_a_damaged_entry_says_what_to_remove(counted):
    found = cached(counted[0])
    (found.path / "samples.parquet").write_bytes(b"")
    with refused("damaged", "samples.parquet", f"remove the folder {found.path}"):
        list(cached(counted[0]).blocks(["text"]))
    text = (found.path / "dataset.json").read_text()
    (found.path / "dataset.json").write_text(text[:500])
    with refused("damaged", "dataset.json", f"remove the folder {found.path}"):
        cached(counted[0])
    shutil.rmtree(found.path)
    assert len(list(cached(counted[0]).blocks(["text"]))) == 1


def test_something_else_at_the_place_of_an_entry(counted):
    found = cached(counted[0])
    (found.path / "dataset.json").unlink()
    with refused("exists", f"remove the folder {found.path}"):
        cached(counted[0])


def test_of_two_at_once_the_faster_makes_the_entry(counted, root):
    source, calls = counted

    def blocks(features):
        cached(source)  # as another process would, meanwhile
        return source.blocks(features)

    (block,) = cached(replace(source, blocks=blocks)).blocks(["audio"])
    assert len(calls) == 2
    assert len(entries(root)) == 1
    assert block.modalities["audio"].values.tobytes() == assemble(source).modalities["audio"].values.tobytes()


@pytest.mark.mosi
def test_the_real_file_through_the_cache_is_bit_for_bit_the_direct_one(mosi_dir, monkeypatch, root):
    monkeypatch.setenv("COMODAL_MOSI_DIR", str(mosi_dir))
    direct = assemble(open_source(Path(mosi_dir)), protocol="clean")
    for _ in range(2):
        through = load("mosi:clean")
        equal(through, direct)
        assert through.cleaning is None
    (entry,) = entries(root)
    equal(load(root / entry, protocol="clean"), direct)


def equal(found, expected):
    assert found.spec == expected.spec
    for name in ("id", "group", "target", "transcript"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.target.tobytes() == expected.target.tobytes()
    assert set(found.columns) == set(expected.columns)
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)
        assert found.columns[name].dtype.kind == column.dtype.kind
    for name, array in expected.modalities.items():
        assert found.modalities[name].values.tobytes() == array.values.tobytes()
        assert found.modalities[name].offsets.tobytes() == array.offsets.tobytes()
    for mine, theirs in zip(found.partitions, expected.partitions, strict=True):
        assert mine.name == theirs.name
        for split, index in theirs.splits.items():
            np.testing.assert_array_equal(mine.splits[split], index)
