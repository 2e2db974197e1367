"""Lists of videos from files, and the splits they give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.assemble import assemble, concatenate
from comodal.data.folds import read_folds, with_folds
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.ragged import RaggedArray

LISTS = {"train": ["a", "b"], "valid": ["c"], "test": ["d", "e"]}
READ = {split: tuple(videos) for split, videos in LISTS.items()}
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "folds"


def written(file, content):
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_videos_of_unlabelled_samples(file):
    lists = read_folds(written(file, {**LISTS, "unlabelled": ["f"]}))
    assert lists == {**READ, "unlabelled": ("f",)}
    names = np.array(list("abcdef"))
    text = {"text": RaggedArray.from_vectors(np.eye(6))}
    source = Source(
        Path("x"), "toy", {"text": 6}, {}, lambda _: iter([Block(names, names, np.arange(6, dtype=np.float32), text)])
    )
    (part,) = assemble(with_folds(source, lists)).partitions
    assert (part.train.tolist(), part.unlabelled.tolist()) == ([0, 1], [5])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(NAMES, st.sampled_from(["train", "valid", "test"])), unique_by=lambda pair: pair[0]))
def test_json_and_python_say_the_same(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("folds")
    lists = {split: [video for video, home in pairs if home == split] for split in ("train", "valid", "test")}
    expected = {split: tuple(videos) for split, videos in lists.items()}
    assert read_folds(written(folder / "f.json", lists)) == expected
    lines = [f"standard_{split}_fold = {lists[split]!r}" for split in ("train", "test", "valid")]
    found = read_folds(written(folder / "f.py", "# folds\n" + "\n\n".join(lines)))
    assert found == expected
    assert list(found) == ["train", "valid", "test"]


def test_names_in_use_and_nested_lists(file):
    assert read_folds(written(file, {"Training": ["a", "b"], "dev": ["c"], "testing": ["d", "e"]})) == READ
    several = {
        "other": {"train": ["x"], "test": ["y"]},
        "standard": LISTS,
        "crossed": {str(k): [f"v{k}"] for k in range(4)},
    }
    written(file, several)
    assert read_folds(file) == READ
    assert read_folds(file, "other") == {"train": ("x",), "test": ("y",)}
    assert read_folds(file, "crossed") == {str(k): (f"v{k}",) for k in range(4)}
    with refused("unknown_name", "'standart'", "'standard'"):
        read_folds(file, "standart")
    written(file, {"one": LISTS, "two": LISTS})
    with refused("unknown_name", "'standard'", "one, two"):
        read_folds(file)
    with refused("conflict", "'one'"):
        read_folds(written(file, LISTS), "one")


def test_repeats_and_byte_order_marks_are_harmless(file):
    assert read_folds(written(file, "\ufeff" + json.dumps({**LISTS, "test": ["d", "e", "d"]}))) == READ


def test_python_is_never_run(file, tmp_path):
    mark = tmp_path / "ran"
    effect = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    plain = "standard_train_fold = ['a', 'b']\nstandard_valid_fold = ['c']\nstandard_test_fold = ['d', 'e']\n"
    assert read_folds(written(file, f"{plain}\nother = {effect}\n{effect}\nimport nothing_of_this_name")) == READ
    for line in (f"standard_test_fold = [{effect}]", "standard_test_fold = ['a'] * 10**9", "test = [x for x in 'ab']"):
        with refused("unsafe", line.partition(" ")[0]):
            read_folds(written(file, "\n".join(plain.splitlines()[:2]) + "\n" + line))
    assert not mark.exists()
    with refused("duplicate", "train"):
        read_folds(written(file, plain + "train = ['x']"))


@pytest.mark.parametrize(
    ("content", "code", "named"),
    [
        ("", "empty", ""),
        ("{", "damaged", "JSON"),
        ("[1, 2]", "empty", ""),
        ("{}", "empty", ""),
        ("[" * 100_000, "damaged", "JSON"),
        ("x = " + "(" * 100_000, "damaged", "Python"),
        ("<html>", "damaged", "Python"),
        ("a\0b", "damaged", "Python"),
        ({"train": ["a"], "words": ["b"]}, "unknown_name", "'words'"),
        ({"train": ["a"], "dev": ["b"], "valid": ["c"]}, "duplicate", "valid"),
        ({"train": ["a"]}, "missing", "train"),
        ({"valid": ["a"], "test": ["b"]}, "missing", "valid, test"),
        ({"train": "abc", "test": ["b"]}, "wrong_type", "train"),
        ({"train": [1, 2], "test": ["b"]}, "wrong_type", "train"),
        ({"train": ["a", "b"], "test": ["b"]}, "duplicate", "'b' is in 'train' and in 'test'"),
        ({"0": ["a"], "1": ["b"]}, "out_of_range", "0, 1"),
        ({"0": ["a"], "1": ["b"], "3": ["c"]}, "out_of_range", "0, 1, 3"),
        ({"0": ["a"], "1": ["b"], "2": ["a"]}, "duplicate", "'a' is in '0' and in '2'"),
        ({"0": ["a"], "1": ["b"], "test": ["c"]}, "unknown_name", "'0'"),
    ],
)
def test_files_that_are_refused(file, content, code, named):
    with refused(code, named) as caught:
        read_folds(written(file, content))
    assert str(caught.value).startswith(str(file))
    assert len(str(caught.value)) < 500


def test_files_that_cannot_be_read(file, monkeypatch):
    for path in (file, file.parent):
        with refused("cannot_read", file.parent):
            read_folds(path)
    file.write_bytes(b"\xff\xfe\xff")
    with refused("cannot_read", file.parent):
        read_folds(file)
    monkeypatch.setattr("comodal.data.folds._MOST_BYTES", 10)
    with refused("too_large", file):
        read_folds(written(file, LISTS))


def source(*videos, divisions=None, **columns):
    """One block a video, of two samples each."""

    def blocks(features):
        for k, video in enumerate(videos):
            yield Block(
                id=np.array([f"{video}_1", f"{video}_2"]),
                group=np.array([video, video]),
                target=np.zeros(2, dtype=np.float32),
                modalities={name: RaggedArray.from_vectors(np.full((2, 2), k)) for name in features},
                columns=columns,
                normalised={"made up": 2},
            )

    return Source(Path("made.up"), "toy", {"text": 2, "audio": 2}, divisions or {}, blocks)


def test_samples_get_the_split_of_their_video():
    dataset = assemble(with_folds(source("a", "c", "d", "b", "e"), READ))
    assert {name: dataset.group[rows].tolist() for name, rows in dataset.partitions[0].splits.items()} == {
        "train": ["a", "a", "b", "b"],
        "valid": ["c", "c"],
        "test": ["d", "d", "e", "e"],
    }
    assert dataset.partitions[0].name == "split"


def test_videos_in_no_fold_are_in_no_split_and_both_are_counted():
    divided = with_folds(source("a", "x", "c", "y"), READ)
    assert divided.facts["videos of the folds"] == "train 2, valid 1, test 2"
    block = concatenate(list(divided.blocks([])), where="x")
    assert block.columns["split"].tolist() == ["train"] * 2 + ["none"] * 2 + ["valid"] * 2 + ["none"] * 2
    assert block.normalised == {
        "made up": 8,
        "videos in no fold, so in no split": 4,
        "videos of the folds that have no sample": 3,
    }
    dataset = assemble(divided)
    assert set(dataset.group) == {"a", "c"}
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [2, 2, 0]
    whole = concatenate(list(with_folds(source("a", "b", "c", "d", "e"), READ).blocks([])), where="x")
    assert whole.normalised == {"made up": 10}


def test_numbered_folds_are_a_cross_validation():
    folds = {str(k): [f"v{k}"] for k in range(4)}
    divided = with_folds(source("v3", "v0", "x", "v2", "v1"), folds)
    assert divided.divisions["folds"].folds == 4
    dataset = assemble(divided)
    assert [dataset.group[p.test].tolist() for p in dataset.partitions] == [[f"v{k}"] * 2 for k in range(4)]
    assert "x" not in dataset.group
    block = concatenate(list(divided.blocks([])), where="x")
    assert block.columns["split"].tolist() == [3, 3, 0, 0, -1, -1, 2, 2, 1, 1]


def test_folds_of_another_data_set_are_refused():
    with refused("mismatch", "'a'"):
        assemble(with_folds(source("p", "q"), READ))


def test_a_partition_of_the_source_is_overruled():
    own = {
        "mine": Division("split"),
        "folds": Division("other"),
        "nested": Division("nested", 5, {"text": "text"}, "leaky: {features} bad", frozenset({"text"})),
    }
    given = source("a", "c", "d", divisions=own, split=np.array(["test", "train"]), nested=np.array([0, 1]))
    divided = with_folds(given, READ)
    assert list(divided.divisions) == ["folds", "nested"]
    assert divided.divisions["folds"].column == "split"
    dataset = assemble(divided)
    assert dataset.columns["split"].tolist() == ["train"] * 2 + ["valid"] * 2 + ["test"] * 2
    assert dataset.spec.note.startswith("unchecked: text feature was learnt with labels of some videos")
    features = assemble(with_folds(source("a", divisions={"x": Division("x", None, {"text": "audio"})}), READ)).spec
    assert dict(features.dims) == {"text": 2}


@pytest.mark.mosi
def test_real_lists(mosi_dir):
    standard = read_folds(mosi_dir / "folds.json")
    assert {split: len(videos) for split, videos in standard.items()} == {"train": 52, "valid": 10, "test": 31}
    assert [len(videos) for videos in read_folds(mosi_dir / "folds.json", "nested").values()] == [7, 6, 6, 6, 6]
