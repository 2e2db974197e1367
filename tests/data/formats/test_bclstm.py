"""bc-LSTM's unimodal pickles: made-up ones, and the real one where it is."""

from __future__ import annotations

import numpy as np
import pytest
from pickle_files import write_pickle
from refusals import refused

from comodal.contracts import Binary, Multiclass, Regression, Sentiment
from comodal.data.assemble import assemble
from comodal.data.formats.bclstm import FORMAT
from comodal.data.labels import with_label


def build(train=(3, 1, 2), test=(2, 4), dim=5, classes=2):
    rng = np.random.default_rng(0)
    longest = max(*train, *test)
    parts = []
    for lengths in (train, test):
        values = np.zeros((len(lengths), longest, dim))
        labels = np.zeros((len(lengths), longest))
        for k, length in enumerate(lengths):
            values[k, :length] = rng.normal(size=(length, dim))
            labels[k, :length] = rng.integers(0, classes, size=length)
        parts += [values, labels]
    return (*parts, longest, list(train), list(test))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "video_mosi.pickle"


@pytest.mark.parametrize("kind", [tuple, list])
def test_values_come_back(file, kind):
    content = build()
    assert FORMAT.recognises(write_pickle(file, kind(content)))
    source = FORMAT.open(file)
    assert source.dims == {"vision": 5}
    assert source.task == Binary(("0", "1"))
    assert source.n_samples == 12
    train, test = source.blocks(["vision"])
    assert train.id.tolist() == ["train_0_0", "train_0_1", "train_0_2", "train_1_0", "train_2_0", "train_2_1"]
    assert train.group.tolist() == ["train_0"] * 3 + ["train_1"] + ["train_2"] * 2
    assert test.id.tolist()[1:3] == ["test_0_1", "test_1_0"]
    real = [content[0][0, :3], content[0][1, :1], content[0][2, :2]]
    np.testing.assert_array_equal(train.modalities["vision"].values, np.float32(np.concatenate(real)))
    assert train.modalities["vision"].is_vectors
    np.testing.assert_array_equal(test.target, np.float32([*content[3][0, :2], *content[3][1]]))
    assert train.normalised == {
        "utterances without an id were named by split, video and position": 6,
        "rows beyond the length of their video were removed": 6,
        "the modality was taken from the name of the file: vision": 6,
    }
    dataset = assemble(source)
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [6, 0, 6]
    assert "--folds" in source.facts["validation"]


def test_a_file_whose_name_tells_nothing(tmp_path):
    source = FORMAT.open(write_pickle(tmp_path / "x.pkl", build()))
    assert source.dims == {"features": 5}
    (block, _) = source.blocks(["features"])
    assert block.normalised["the file does not say its modality: it was called features"] == 6


def test_more_classes_and_labels_that_are_none(file):
    content = build(classes=6)
    content[1][0, 0] = 5
    assert FORMAT.open(write_pickle(file, content)).task == Multiclass(tuple("012345"))
    content[1][0, 0] = 1e300
    assert np.isinf(next(FORMAT.open(write_pickle(file, content)).blocks([])).target[0])
    content[1][0, 0] = -0.5
    assert FORMAT.open(write_pickle(file, content)).task == Sentiment()
    content[1][0, 0] = 1e9
    assert FORMAT.open(write_pickle(file, content)).task == Regression(0.0, 1e9)


def test_classes_one_hot_and_their_names(file):
    content = list(build(classes=3))
    numbers = content[1]
    content[1:4:2] = [np.eye(3)[part.astype(int)] for part in content[1:4:2]]
    content[1][0, 3:] = 0  # padding need not have a class
    source = FORMAT.open(write_pickle(file, content))
    assert source.task == Multiclass(("0", "1", "2"))
    named = with_label(source, task="multiclass:neutral,joy,anger")
    target = next(iter(named.blocks([]))).target
    assert named.task.readable(target).tolist() == [
        ("neutral", "joy", "anger")[int(numbers[row, place])]
        for row, length in enumerate(content[5])
        for place in range(length)
    ]
    with refused("unknown_name", "'2'", "neutral"):
        with_label(source, task="multiclass:neutral,joy")


def test_a_vector_of_zeros_is_an_utterance_and_not_finite_values_pass(file):
    content = build()
    content[0][0, 0] = 0
    content[0][0, 1, :2] = [np.nan, -np.inf]
    values = next(FORMAT.open(write_pickle(file, content)).blocks(["vision"])).modalities["vision"]
    assert values.lengths.tolist() == [1] * 6
    assert values.values[0].tolist() == [0] * 5
    np.testing.assert_array_equal(values.values[1, :2], np.float32([np.nan, -np.inf]))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (0, lambda x: x.astype(str), "0"),
        (1, lambda x: x[:, :2], "(3"),
        (1, lambda x: x.astype(str), "1"),
        (1, lambda x: np.zeros((*x.shape, 2)), "1"),
        (1, lambda x: np.ones((*x.shape, 2)), "1"),
        (2, lambda x: x[..., :3], "2"),
        (5, lambda _: [3, 1], "5"),
        (5, lambda _: [3, 1, 9], "5"),
        (5, lambda _: [3, 1, -1], "5"),
        (5, lambda _: [3, 1, 0.5], "5"),
        (6, lambda _: None, "6"),
        (6, lambda _: "ab", "6"),
    ],
)
def test_bad_parts_are_named(file, part, value, message):
    content = list(build())
    content[part] = value(content[part])
    with refused(("damaged", "mismatch", "wrong_type"), message):
        FORMAT.open(write_pickle(file, content))


def test_what_is_another_file_is_not_recognised(file):
    for content in ((1, 2), [1] * 7, [np.zeros(2)] * 7, dict.fromkeys(range(7), 1), "1234567"):
        assert not FORMAT.recognises(write_pickle(file, content))
    with refused("damaged"):
        FORMAT.open(file)


@pytest.mark.slow
@pytest.mark.mosi
def test_the_real_file_has_the_audio_of_the_utterance_file(mosi_dir):
    file = mosi_dir / "audio_utterances_py2.pickle"
    assert FORMAT.recognises(file)
    dataset = assemble(FORMAT.open(file))
    assert dataset.spec.dims == {"audio": 73}
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [1447, 0, 752]
    assert len(set(dataset.group.tolist())) == 93
    with np.load(mosi_dir / "utterances.npz") as archive:
        audio, sentiment = archive["audio"], archive["sentiment"]
    ours, theirs = dataset.modalities["audio"].values, audio.astype(np.float32)
    ours_order, theirs_order = np.lexsort(ours.T), np.lexsort(theirs.T)
    np.testing.assert_array_equal(ours[ours_order], theirs[theirs_order])
    # Equal rows may have swapped labels, so counts are compared and not rows.
    assert dataset.target.sum() == (sentiment >= 0).sum()
