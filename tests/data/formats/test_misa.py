"""MISA's and MMIM's three pickles, value for value from what the test wrote."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from format_samples import misa_record as misa
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats.misa import FORMAT, MAG_BERT

WORDS = ["so", "good", "film's", "a"]
SPLITS = ("train", "dev", "test")


def mmim(rng, *, n_words=3, vision=7, audio=9, label=0.5, segment="v_0"):
    """Each modality at its own rate, no numbers of words: what MMIM's script writes."""
    words = [WORDS[k % 4] for k in range(n_words)]
    frames = rng.normal(size=(vision, 20)).astype(np.float32), rng.normal(size=(audio, 5)).astype(np.float32)
    return (([], *frames, words, np.int64(vision), np.int64(audio)), np.array([[label]], dtype=np.float32), segment)


def listed(make, **of):
    rng = np.random.default_rng(0)
    return {split: [make(rng, label=k - 1.0, segment=f"{split}_a[{k}]", **of) for k in range(3)] for split in SPLITS}


def write(folder, content, *, ending=".pkl", protocol=4):
    for split, records in content.items():
        (folder / f"{split}{ending}").write_bytes(pickle.dumps(records, protocol=protocol))
    return folder


def read(path, **options):
    return assemble(FORMAT.open(path), **options)


def one(tmp_path, record):
    """The only block of a file with one utterance of interest."""
    (block,) = FORMAT.open(write(tmp_path, {"train": [record]})).blocks(["audio", "vision"])
    return block


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("by_file", [False, True])
def test_misa_value_for_value(tmp_path, protocol, by_file):
    content = listed(misa)
    folder = write(tmp_path, content, protocol=protocol)
    path = folder / "dev.pkl" if by_file else folder
    assert FORMAT.recognises(path)
    source = FORMAT.open(path)
    assert dict(source.dims) == {"audio": 74, "vision": 35, "word_ids": 1}
    assert source.defaults == ("audio", "vision")
    assert source.facts["alignment"] == "word by word"
    assert source.files == tuple(folder / f"{split}.pkl" for split in SPLITS)
    assert source.n_samples == 9
    dataset = check(read(path), source="made up")
    assert dataset.spec.modalities == ("audio", "vision")
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [3, 3, 3]
    records = [each for split in SPLITS for each in content[split]]
    assert dataset.id.tolist() == [f"{split}_a_{k}" for split in SPLITS for k in range(3)]
    assert dataset.transcript.tolist() == [" ".join(each[0][3]) for each in records]
    assert dataset.target.tolist() == [-1, 0, 1] * 3
    numbered = read(path, features={"text": "word_ids", "audio": "audio", "vision": "vision"})
    for name, part in (("text", 0), ("vision", 1), ("audio", 2)):
        want = np.concatenate([np.asarray(each[0][part], dtype="f4").reshape(3, -1) for each in records])
        np.testing.assert_array_equal(numbered.modalities[name].values, want)
        assert (numbered.modalities[name].lengths == 3).all()


def test_mmim_value_for_value(tmp_path):
    content = listed(mmim)
    folder = write(tmp_path, content)
    assert FORMAT.recognises(folder)
    source = FORMAT.open(folder)
    assert dict(source.dims) == {"audio": 5, "vision": 20}
    assert source.facts["alignment"] == "unaligned"
    dataset = check(read(folder), source="made up")
    records = [each for split in SPLITS for each in content[split]]
    assert dataset.modalities["audio"].lengths.tolist() == [9] * 9
    np.testing.assert_array_equal(dataset.modalities["vision"].values, np.concatenate([r[0][1] for r in records]))
    np.testing.assert_array_equal(dataset.modalities["audio"].values, np.concatenate([r[0][2] for r in records]))
    assert dataset.transcript.tolist() == ["so good film's"] * 9


@settings(max_examples=25, deadline=None)
@given(
    n_words=st.integers(0, 4),
    stated=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    left=st.booleans(),
)
def test_stated_lengths_cut_padding_on_either_side(tmp_path_factory, n_words, stated, padding, left):
    rng = np.random.default_rng(2)
    rest = mmim(rng, segment="v_1")
    real = [rng.normal(size=(n, d)).astype(np.float32) for n, d in zip(stated, (20, 5), strict=True)]
    padded = [
        np.concatenate([each, np.zeros((more, each.shape[1]), np.float32)][:: -1 if left else 1])
        for each, more in zip(real, padding, strict=True)
    ]
    words = [WORDS[k] for k in range(n_words)]
    record = (([], *padded, words, *stated), np.array([[1.0]]), "v_0")
    folder = write(tmp_path_factory.mktemp("misa"), {"train": [rest, record]})
    (block,) = FORMAT.open(folder).blocks(["audio", "vision"])
    for name, want in zip(("vision", "audio"), real, strict=True):
        found = block.modalities[name].take(np.array([1])).values
        np.testing.assert_array_equal(found, want)
    told = [each for each in block.normalised if "padding" in each]
    assert len(told) == sum(more > 0 for more in padding)
    if left and all(stated):
        assert all("on the left" in each for each in told)


def test_zero_frames_in_mid_sequence_and_real_ones_beyond_stay(tmp_path):
    (words, vision, audio, spoken, *_), label, segment = mmim(np.random.default_rng(0), vision=5, audio=4)
    vision[2] = 0
    block = one(tmp_path, ((words, vision, audio, spoken, 4, 4), label, segment))
    np.testing.assert_array_equal(block.modalities["vision"].values, vision)
    assert block.normalised["vision: real frames beyond the stated length were kept"] == 1
    assert not any(each.startswith("audio") for each in block.normalised)


@pytest.mark.parametrize("stated", [10, -1, None, 2.5, "9", [9]])
def test_stated_lengths_that_cannot_be(tmp_path, stated):
    (*content, _), label, segment = mmim(np.random.default_rng(0))[0], 1.0, "v_0"
    folder = write(tmp_path, {"train": [((*content, stated), label, segment)]})
    with refused("mismatch", "train.pkl, utterance 0 (v_0)", "9"):
        read(folder)


@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_aligned_lengths_that_differ_name_file_index_and_segment(tmp_path, part):
    content = listed(misa)
    parts, label, segment = content["dev"][1]
    broken = tuple(each[:-1] if k == part else each for k, each in enumerate(parts))
    content["dev"][1] = (broken, label, segment)
    with refused("mismatch", "dev.pkl", "1", "(dev_a[1])"):
        read(write(tmp_path, content))


def test_numbers_of_words_are_as_many_as_words_also_without_alignment(tmp_path):
    (_, *content), label, segment = mmim(np.random.default_rng(0))
    rest = listed(mmim)
    for numbers, code in [([1, 2], "mismatch"), ([1.5, 2, 3], "wrong_type")]:
        with refused(code, "train.pkl, utterance 0 (v_0)"):
            read(write(tmp_path, {**rest, "train": [((numbers, *content), label, segment)]}))
    folder = write(tmp_path, {**rest, "train": [(([1, 2, 3], *content), label, segment)]})
    assert FORMAT.open(folder).dims["word_ids"] == 1
    assert read(folder, features={"text": "word_ids"}).modalities["text"].lengths.tolist() == [3] + [0] * 6


@pytest.mark.parametrize("numbers", ["abc", {}, None, [[1, 2, 3]], ["so", "good", "a"], [-1, 2, 3], [2**30, 1, 2]])
def test_numbers_of_words_that_are_none(tmp_path, numbers):
    (_, *content), label, segment = misa(np.random.default_rng(0))
    with refused("wrong_type", "0", "(v[0])"):
        read(write(tmp_path, {"train": [((numbers, *content), label, segment)]}))


def test_files_that_are_missing_or_named_otherwise(tmp_path):
    content = listed(misa)
    folder = write(tmp_path, {"test": content["test"], "valid": content["dev"]}, ending=".pickle")
    (folder / "notes.pkl").write_bytes(pickle.dumps("notes"))
    assert FORMAT.recognises(folder)
    dataset = read(folder)
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [0, 3, 3]
    write(folder, {"mine": content["train"]})
    assert FORMAT.recognises(folder / "mine.pkl")
    with refused("invalid", "mine.pkl", "train.pkl"):
        FORMAT.open(folder / "mine.pkl")
    write(folder, {"dev": content["dev"]})
    with refused("duplicate", "valid.pickle", "dev.pkl", "'valid'"):
        FORMAT.open(folder)


def test_a_file_with_another_ending_is_read_beside_the_others(tmp_path):
    content = listed(misa)
    folder = write(tmp_path, {"train": content["train"]})
    write(folder, {"test": content["test"]}, ending=".data")
    assert [file.name for file in FORMAT.open(folder / "test.data").files] == ["train.pkl", "test.data"]


def test_a_sibling_of_another_kind_is_named(tmp_path):
    content = listed(misa)
    folder = write(tmp_path, {**content, "dev": {"train": 1}})
    with refused("wrong_type", "dev.pkl"):
        FORMAT.open(folder)
    (folder / "dev.pkl").write_bytes(b"")
    assert FORMAT.recognises(folder)
    with refused("damaged", "dev.pkl"):
        FORMAT.open(folder)
    write(folder, {"dev": [((["a"], np.ones((1, 2)), np.ones((1, 3))), 1.0, "v[0]")]})
    with refused("damaged", "dev.pkl", "0", "4", "6"):
        FORMAT.open(folder)


def test_nothing_in_a_file_or_a_folder(tmp_path):
    empty = (([], np.zeros((0, 35)), np.zeros((0, 74)), []), 1.0, "v[0]")
    with refused("empty"):
        FORMAT.open(write(tmp_path, {"train": [empty]}))
    (tmp_path / "train.pkl").unlink()
    with refused("missing"):
        FORMAT.open(tmp_path)


def test_mag_and_misa_are_told_apart(tmp_path):
    aligned = listed(misa)
    (tmp_path / "mag.pkl").write_bytes(pickle.dumps({s: [(r[0][1:], *r[1:]) for r in aligned[s]] for s in SPLITS}))
    folder = tmp_path / "misa"
    folder.mkdir()
    write(folder, aligned)
    assert not MAG_BERT.recognises(folder)
    assert not MAG_BERT.recognises(folder / "train.pkl")
    assert not FORMAT.recognises(tmp_path)
    assert not FORMAT.recognises(tmp_path / "mag.pkl")


def test_other_paths_are_not_taken(tmp_path):
    (tmp_path / "train.pkl").mkdir()
    (tmp_path / "dev.pkl").write_text("text")
    (tmp_path / "test.pkl").symlink_to(tmp_path / "nowhere")
    for name in ("", "train.pkl", "dev.pkl", "test.pkl", "nothing"):
        assert not FORMAT.recognises(tmp_path / name)


@pytest.mark.parametrize("place", ["link", "folder"])
def test_what_lies_in_the_place_of_a_split_and_is_no_file_is_named(tmp_path, place):
    """A link to a file that was moved is no split that was never there."""
    folder = write(tmp_path, listed(misa))
    (folder / "dev.pkl").unlink()
    assert len(read(folder)) == 6
    (folder / "dev.pkl").symlink_to("nowhere") if place == "link" else (folder / "dev.pkl").mkdir()
    for path in (folder, folder / "train.pkl"):
        assert FORMAT.recognises(path)
        with refused("missing", "dev.pkl", "'valid'"):
            read(path)
