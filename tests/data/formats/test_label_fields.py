"""Label columns in the shapes of the field, and every one of them through every reader that has several."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from csd_files import run, write
from pickle_files import write_pickle
from refusals import refused

from comodal.contracts import Multiclass, Multilabel, Regression, Sentiment
from comodal.data.assemble import concatenate
from comodal.data.formats import recognise
from comodal.data.formats.label_fields import Fields, fields_of, label_values, shared_fields
from comodal.data.labels import with_label
from comodal.data.load import load
from comodal.data.store import write_store

EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
GIVEN = [-3.0, 0.0, 1.5, 2.0]
SIZES = {"train": 6, "valid": 3, "test": 4}


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
@pytest.mark.parametrize("kind", [np.float64, np.float16, list, object])
def test_one_number_a_sample(shape, kind):
    labels = np.array(GIVEN).reshape(shape)
    found = label_values(labels.tolist() if kind is list else labels.astype(kind), where="x")
    assert found.target.dtype == np.float32
    assert found.target.tolist() == GIVEN
    assert (found.columns, found.normalised) == ({}, {})


@pytest.mark.parametrize("shape", [(4, 7), (4, 1, 7)])
def test_sentiment_is_the_first_of_seven(shape):
    found = label_values(np.arange(28.0).reshape(shape), where="x")
    assert found.target.tolist() == [0, 7, 14, 21]
    assert tuple(found.columns) == EMOTIONS
    assert found.columns["fear"].tolist() == [6, 13, 20, 27]
    assert found.normalised == {"the first of 7 label columns was taken as sentiment": 4}


def test_columns_without_names_are_numbered_and_keep_their_type():
    found = label_values(np.arange(34).reshape(2, 17), where="x")
    assert np.isnan(found.target).all()
    assert list(found.columns) == [str(k) for k in range(17)]
    assert found.columns["16"].tolist() == [16, 33]
    assert found.columns["0"].dtype.kind == "i"


def test_pairs_of_absent_and_present():
    present = np.array([[0, 1, 1, 0], [1, 0, 0, 0]])
    found = label_values(np.stack([1 - present, present], axis=2), where="x")
    np.testing.assert_array_equal(np.stack([*found.columns.values()], axis=1), present)
    assert tuple(found.columns) == ("neutral", "happy", "sad", "angry")
    with refused("wrong_shape", "x"):
        label_values(np.ones((2, 4, 2)), where="x")


def test_missing_huge_and_whole_numbers():
    assert np.isnan(label_values([None, np.nan], where="x").target).all()
    assert np.isinf(label_values([1e300], where="x").target).all()
    assert label_values(np.array([1, 0], np.int8), where="x").target.tolist() == [1, 0]
    assert label_values([True, False], where="x").target.tolist() == [1, 0]
    assert label_values([], where="x").target.shape == (0,)


@pytest.mark.parametrize("labels", [3.0, np.zeros((2, 2, 1)), np.zeros((2, 1, 1, 1)), np.zeros((2, 0))])
def test_labels_of_another_shape(labels):
    with refused("wrong_shape", "file, key", np.shape(labels)):
        label_values(labels, where="file, key")


def test_labels_that_are_not_numbers():
    with refused("wrong_type", "file, key", "str"):
        label_values(["Negative", "Positive"], where="file, key")


def test_what_parts_share():
    seven, one = (fields_of((3, width), where="x") for width in (7, 1))
    assert shared_fields({"a": seven, "b": one}) == Fields("sentiment")
    assert shared_fields({"a": seven, "b": seven}) == seven
    with refused("mismatch", "b", "a"):
        shared_fields({"a": seven, "b": fields_of((3, 17), where="x")})
    with refused("mismatch", "b", "a"):
        shared_fields({"a": fields_of((3, 6), where="x"), "b": fields_of((3, 17), where="x")})


def labels_of(width):
    """Sentiment from -3 to 3 and amounts from 0 to 3, a third of them 0, by split."""
    rng = np.random.default_rng(0)
    found = {}
    for split, n in SIZES.items():
        table = np.round(rng.uniform(-1, 3, size=(n, width)).clip(0), 2)
        table[:, 0] = np.round(rng.uniform(-3, 3, size=n), 2)
        table[-1] = 1.25
        found[split] = table
    return found


def mult_file(folder, labels):
    rng = np.random.default_rng(1)
    content = {
        split: {
            "text": rng.normal(size=(len(table), 4, 3)),
            "labels": table[:, None],
            "id": [f"{split}{row}_0" for row in range(len(table))],
        }
        for split, table in labels.items()
    }
    return write_pickle(folder / "mosei_senti_data.pkl", content)


def lmf_file(folder, labels):
    rng = np.random.default_rng(1)
    content = {split: {"covarep": rng.normal(size=(len(table), 4)), "label": table} for split, table in labels.items()}
    return write_pickle(folder / "pom.pkl", content)


def mmsa_file(folder, labels):
    rng = np.random.default_rng(1)
    content = {
        split: {"audio": rng.normal(size=(len(table), 4, 3)), "regression_labels": table}
        for split, table in labels.items()
    }
    return write_pickle(folder / "unaligned_50.pkl", content)


def mag_file(folder, labels):
    rng = np.random.default_rng(1)

    def record(name, label):
        return (["so"], rng.normal(size=(1, 5)), rng.normal(size=(1, 4))), label[None], name

    content = {
        split: [record(f"{split}{row}[0]", label) for row, label in enumerate(table)] for split, table in labels.items()
    }
    return write_pickle(folder / "mosei.pkl", content)


def h5_files(folder, labels):
    rng = np.random.default_rng(1)
    for split, table in labels.items():
        for name, values in (("audio", rng.normal(size=(len(table), 4, 3))), ("y", table)):
            with h5py.File(folder / f"{name}_{split}.h5", "w") as file:
                file["d1"] = values
    return folder


def csd_folder(folder, labels):
    rng = np.random.default_rng(1)
    videos = {f"{split}{k}": row[None] for split, table in labels.items() for k, row in enumerate(table)}
    write(folder / "labels.csd", "All Labels", {name: (row, run(0, 1, 1.0)) for name, row in videos.items()})
    write(folder / "covarep.csd", "COVAREP", {name: (rng.normal(size=(4, 3)), run(0, 4, 0.25)) for name in videos})
    return folder


WRITERS = [mult_file, lmf_file, mmsa_file, mag_file, h5_files, csd_folder]


@pytest.fixture(params=WRITERS, ids=lambda each: each.__name__)
def written(request, tmp_path):
    """Open a file of one family with labels of a width; the labels of each sample, in the order of the source."""

    def make(width):
        labels = labels_of(width)
        path = request.param(tmp_path, labels)
        source = recognise(path).open(path)
        by_name = {f"{split}{row}": label for split, table in labels.items() for row, label in enumerate(table)}
        return source, np.array([by_name[named(each)] for each in whole(source).id.tolist()])

    return make


def named(identifier):
    """Split and row, however the reader writes them: train_0, train0_0, train0_1."""
    split = next(each for each in SIZES if identifier.startswith(each))
    rest = identifier.removeprefix(split)
    return split + (rest[1:] if rest.startswith("_") else rest.split("_")[0])


def whole(source):
    return concatenate(list(source.blocks([])), where="toy")


def test_seven_columns_of_mosei(written):
    source, table = written(7)
    wanted = np.float32(table)
    assert (source.label, source.task) == ("sentiment", Sentiment())
    np.testing.assert_array_equal(whole(source).target, wanted[:, 0])
    emotion = with_label(source, label="emotion")
    assert emotion.task == Multilabel(EMOTIONS)
    np.testing.assert_array_equal(whole(emotion).target, table[:, 1:] > 0)
    strong = with_label(source, label="emotion_intensity")
    assert strong.task == Regression(0.0, 3.0, EMOTIONS)
    np.testing.assert_array_equal(whole(strong).target, wanted[:, 1:])
    anger = with_label(source, label="anger")
    assert anger.task == Regression(0.0, 3.0)
    np.testing.assert_array_equal(whole(anger).target, wanted[:, 3])
    two = with_label(source, label="fear,happy")
    assert two.task == Regression(0.0, 3.0, ("fear", "happy"))
    np.testing.assert_array_equal(whole(two).target, wanted[:, [6, 1]])
    present = with_label(source, label="fear,happy", task="multilabel")
    np.testing.assert_array_equal(whole(present).target, table[:, [6, 1]] > 0)
    yes = with_label(source, label="fear", task="binary:absent,present")
    assert yes.task.classes == ("absent", "present")
    np.testing.assert_array_equal(whole(yes).target, table[:, 6] > 0)
    with refused("unknown_name", "'angry'", "did you mean 'anger'"):
        with_label(source, label="angry")


def test_ratings_by_number(written):
    source, table = written(17)
    with refused("missing", "--label", "16"):
        with_label(source)
    for column in (3, 16):
        rating = with_label(source, label=str(column))
        np.testing.assert_array_equal(whole(rating).target, np.float32(table[:, column]))
        assert rating.task == Regression(*np.float32([table[:, column].min(), table[:, column].max()]).tolist())
    every = with_label(source, label="labels")
    np.testing.assert_array_equal(whole(every).target, np.float32(table))
    with refused("unknown_name", "'17'"):
        with_label(source, label="17")


def test_the_label_of_the_reader_stays_after_another_was_stored(tmp_path):
    """The sentiment is no column of the file's blocks; it must not become the emotion that was chosen."""
    labels = labels_of(7)
    path = mult_file(tmp_path, labels)
    source = with_label(recognise(path).open(path), label="happy")
    write_store(source, tmp_path / "set")
    wanted = np.float32(np.concatenate([*labels.values()]))
    for label, column in (("sentiment", 0), (None, 1), ("fear", 6)):
        np.testing.assert_array_equal(load(tmp_path / "set", label=label).target, wanted[:, column])
    assert load(tmp_path / "set", label="sentiment").spec.task == Sentiment()


def test_emotions_as_pairs(tmp_path):
    """The labels of MulT's file of IEMOCAP: (N, 4, 2), the second is 1 where an emotion is present."""
    rng = np.random.default_rng(0)
    content, wanted = {}, []
    for split, n in SIZES.items():
        present = rng.integers(0, 2, size=(n, 4))
        content[split] = {"text": rng.normal(size=(n, 5, 3)), "labels": np.eye(2)[present]}
        wanted.append(present)
    path = write_pickle(tmp_path / "iemocap_data.pkl", content)
    dataset = load(path, label="emotion")
    assert dataset.spec.task == Multilabel(("neutral", "happy", "sad", "angry"))
    np.testing.assert_array_equal(dataset.target, np.concatenate(wanted))


def test_classes_of_mmsa(tmp_path):
    rng = np.random.default_rng(0)
    words, content = np.array(["Negative", "Neutral", "Positive"]), {}
    for split, n in SIZES.items():
        classes = np.arange(n) % 3
        content[split] = {
            "audio": rng.normal(size=(n, 4, 3)),
            "regression_labels": classes - 1.0,
            "regression_labels_V": classes * 0.5,
            "classification_labels": classes.astype(float),
            "annotations": words[classes].tolist(),
        }
    path = write_pickle(tmp_path / "unaligned_39.pkl", content)
    wanted = np.concatenate([np.arange(n) % 3 for n in SIZES.values()])
    assert load(path).spec.task == Regression(-1.0, 1.0)
    numbers, named = load(path, label="classification_labels"), load(path, label="annotations")
    assert numbers.spec.task == Multiclass(("0", "1", "2"))
    assert named.spec.task == Multiclass(tuple(words))
    for each in (numbers, named):
        np.testing.assert_array_equal(each.target, wanted)
    np.testing.assert_array_equal(load(path, label="regression_labels_V").target, wanted * 0.5)
    both = load(path, label="sentiment,regression_labels_V").spec.task
    assert both == Regression(-1.0, 1.0, ("sentiment", "regression_labels_V"))
    given = load(path, label="classification_labels", task="multiclass:bad,so-so,good")
    assert given.spec.task.classes == ("bad", "so-so", "good")
    np.testing.assert_array_equal(given.target, wanted)
    content["test"]["annotations"] = ["Neutral"]
    write_pickle(path, content)
    with refused("unknown_name", "'annotations'"):
        load(path, label="annotations")
