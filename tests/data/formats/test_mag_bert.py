"""MAG-BERT's lists of tuples, value for value from what the test wrote."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from format_samples import mag_record as record
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats.misa import MAG_BERT as FORMAT


@pytest.fixture
def content():
    rng = np.random.default_rng(0)
    return {
        split: [
            record(rng, length=1 + k, label=np.float32(k - 1), segment=f"{video}[{k}]")
            for video in (f"{split}_a", f"_{split}-b")
            for k in range(3)
        ]
        for split in ("train", "dev", "test")
    }


@pytest.fixture
def write(tmp_path):
    def to_file(content, *, protocol=4, name="mosi.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=protocol))
        return tmp_path / name

    return to_file


def read(path):
    return assemble(FORMAT.open(path))


def only(block_of):
    (block,) = FORMAT.open(block_of).blocks(["audio", "vision"])
    return block


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_value_for_value(content, write, protocol):
    path = write(content, protocol=protocol)
    assert FORMAT.recognises(path)
    source = FORMAT.open(path)
    assert (dict(source.dims), source.n_samples, source.files) == ({"audio": 74, "vision": 47}, 18, (path,))
    assert source.facts["alignment"] == "word by word"
    dataset = check(read(path), source="made up")
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [6, 6, 6]
    records = [each for split in ("train", "dev", "test") for each in content[split]]
    assert dataset.id.tolist() == [each[2].replace("[", "_").replace("]", "") for each in records]
    assert dataset.group.tolist() == [each[2].split("[")[0] for each in records]
    assert dataset.target.tolist() == [each[1] for each in records]
    assert dataset.transcript.tolist() == [" ".join(each[0][0]) for each in records]
    for name, part in (("vision", 1), ("audio", 2)):
        array = dataset.modalities[name]
        assert array.lengths.tolist() == [len(each[0][0]) for each in records]
        np.testing.assert_array_equal(array.values, np.concatenate([each[0][part] for each in records], dtype="f4"))


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    values=st.floats(width=32, allow_nan=True, allow_infinity=True),
    as_lists=st.booleans(),
    dtype=st.sampled_from(["f4", "f8", ">f8", "f2", "i4"]),
)
def test_any_lengths_and_kinds_of_numbers(tmp_path_factory, lengths, values, as_lists, dtype):
    rng = np.random.default_rng(1)
    rows = [record(rng, length=n, segment=f"v[{k}]", dims=(2, 3)) for k, n in enumerate([*lengths, 1])]
    with np.errstate(all="ignore"):
        whole = np.int32(3) if dtype == "i4" else values
        arrays = [[(np.ones(part.shape) * whole).astype(dtype) for part in row[0][1:]] for row in rows]
    given = [
        ((row[0][0], *(part.tolist() if as_lists else part for part in parts)), *row[1:])
        for row, parts in zip(rows, arrays, strict=True)
    ]
    path = tmp_path_factory.mktemp("mag") / "x"
    path.write_bytes(pickle.dumps({"train": given}))
    assert FORMAT.recognises(path)
    block = only(path)
    for name, part in (("vision", 0), ("audio", 1)):
        assert block.modalities[name].lengths.tolist() == [*lengths, 1]
        with np.errstate(all="ignore"):
            want = np.concatenate([parts[part] for parts in arrays]).astype(np.float32)
        np.testing.assert_array_equal(block.modalities[name].values, want)
    assert [len(text.split()) for text in block.transcript.tolist()] == [*lengths, 1]


@pytest.mark.parametrize(
    "label", [1.5, np.float64(1.5), np.array(1.5), np.array([1.5]), np.array([[1.5]]), [[1.5]], np.full((1, 1, 1), 1.5)]
)
def test_labels_of_one_number(write, label):
    block = only(write({"train": [record(np.random.default_rng(0), label=label)]}))
    assert block.target.tolist() == [1.5]
    assert "label" not in str(block.normalised)


def test_labels_of_seven_numbers_and_none(write):
    rng = np.random.default_rng(0)
    seven = np.array([[2.0, 0, 0, 1, 0, 0, 0]], dtype=np.float32)
    rows = [record(rng, label=label, segment=f"v[{k}]") for k, label in enumerate([seven, seven[0], 1.0, None])]
    block = only(write({"train": rows}))
    np.testing.assert_array_equal(block.target, np.array([2, 2, 1, np.nan], dtype=np.float32))
    assert block.normalised["the first of 7 label columns was taken as sentiment"] == 2
    assert block.normalised["utterances without a label were given none"] == 1


@pytest.mark.parametrize("part", [0, 1, 2])
def test_lengths_that_differ_name_split_index_and_segment(content, write, part):
    (words, vision, audio), label, segment = content["dev"][4]
    parts = [words, vision, audio]
    parts[part] = parts[part][:-1]
    content["dev"][4] = (tuple(parts), label, segment)
    counts = [f"{len(each)} {name}" for each, name in zip(parts, ("words", "vision", "audio"), strict=True)]
    with refused("mismatch", f"mosi.pkl, dev, utterance 4 ({segment})", *counts):
        read(write(content))


def test_mistakes_name_the_utterance(content, write):
    (words, vision, audio), label, segment = content["test"][2]
    for broken, code, named in [
        (((words, vision[:, :35], audio), label, segment), "wrong_shape", "vision"),
        (((words, vision, [["x"]]), label, segment), "wrong_type", "audio"),
        ((([1, 2, 3], vision, audio), label, segment), "wrong_type", "words"),
        (((words, vision, audio), "positive", segment), "wrong_type", "labels"),
        (((words, vision, audio), [1.0, 2.0], segment), "mismatch", "0, 1"),
        (((words, vision, audio), {}, segment), "wrong_type", "labels"),
    ]:
        content["test"][2] = broken
        path = write(content)
        assert FORMAT.recognises(path)
        with refused(code, "mosi.pkl, test, utterance 2 (test_a[2])", named):
            read(path)
    content["test"][2] = ((words, vision), label, segment)
    with refused("damaged", "mosi.pkl", "2"):
        FORMAT.open(write(content))


def test_missing_and_doubled_splits(content, write):
    dataset = read(write({"train": content["train"], "test": content["test"], "vocabulary": [1, 2]}))
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [6, 0, 6]
    with refused("duplicate", "mosi.pkl", "'valid'"):
        FORMAT.open(write({**content, "valid": content["dev"]}))
    assert [len(rows) for rows in read(write({**content, "dev": []})).partitions[0].splits.values()] == [6, 0, 6]


@pytest.mark.parametrize(
    "other",
    [
        {"train": {"text": np.ones(3)}},
        {"train": []},
        {"words": [record(np.random.default_rng(0))]},
        [record(np.random.default_rng(0))],
        {"train": [(([1], np.ones((1, 2)), np.ones((1, 3)), ["so"]), 1.0, "v[0]")]},
        {},
        7,
    ],
)
def test_other_pickles_are_not_taken(write, other):
    assert not FORMAT.recognises(write(other))


def test_other_paths_are_not_taken(tmp_path):
    (tmp_path / "empty.pkl").touch()
    (tmp_path / "text.pkl").write_text("train")
    (tmp_path / "link.pkl").symlink_to(tmp_path / "nowhere")
    for name in ("", "empty.pkl", "text.pkl", "link.pkl", "nothing.pkl"):
        assert not FORMAT.recognises(tmp_path / name)
        with refused("damaged"):
            FORMAT.open(tmp_path / name)
