"""Labels of a user's table: numbers, names of classes, and several columns, all the way to a data set."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusals import refused

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Sentiment
from comodal.data.formats.table import FORMAT
from comodal.data.inspection import examine
from comodal.data.load import load, open_source, read_inputs
from comodal.data.store import write_store

IDS = [f"v{k}_0" for k in range(12)]
SPLIT = ["train"] * 6 + ["valid"] * 3 + ["test"] * 3
MOODS = ["joy", " fear", "anger"] * 4


@pytest.fixture(params=["csv", "parquet"])
def table(request, tmp_path, monkeypatch):
    """Write a table of twelve rows with these further columns, and two modalities; return its folder."""
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))

    def write(**columns):
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        whole = {"id": IDS, "split": SPLIT, **columns}
        if request.param == "parquet":
            pq.write_table(pa.table(whole), folder / "samples.parquet")
        else:
            with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(whole)
                writer.writerows(zip(*whole.values(), strict=True))
        rng = np.random.default_rng(0)
        np.savez(folder / "text.npz", text=rng.normal(size=(12, 2)))
        np.savez(folder / "audio.npz", audio=rng.normal(size=(12, 3)))
        return folder

    return write


def test_names_are_classes(table):
    folder = table(label=MOODS)
    dataset = load(folder)
    assert dataset.spec.task == Multiclass(("anger", "fear", "joy"))
    assert dataset.target.tolist() == [2, 1, 0] * 4
    assert examine(FORMAT.open(folder))[0].classes == {"anger": 4, "fear": 4, "joy": 4}
    ordered = load(folder, task="multiclass:joy,fear,anger")
    assert ordered.target.tolist() == [0, 1, 2] * 4
    assert load(table(label=["yes", "no"] * 6)).spec.task == Binary(("no", "yes"))


def test_a_misspelt_class_is_refused_unless_it_is_given(table):
    folder = table(label=[*MOODS[:11], "angr"])
    with refused("unknown_name", "label 'label'", "row 11", "'angr'", "did you mean 'anger'"):
        open_source(folder)
    given = open_source(folder, task="multiclass:joy,fear,anger,angr")[0]
    assert examine(given)[0].classes == {"joy": 4, "fear": 4, "anger": 3, "angr": 1}
    with refused("unknown_name", "label 'label'", "row 11", "'angr'", "did you mean 'anger'"):
        load(folder, task="multiclass:joy,fear,anger")


def test_a_class_that_is_missing_in_training_is_unlabelled_and_refused_elsewhere(table):
    folder = table(label=["", *MOODS[1:]])
    for clean in (False, True):
        (part,) = load(folder, clean=clean).partitions
        assert (part.unlabelled.tolist(), part.train.tolist()) == ([0], [1, 2, 3, 4, 5])
    assert np.isnan(read_inputs(folder).target[0])
    folder = table(label=[*MOODS[:10], "", ""])
    for clean in (False, True):
        with refused("missing", folder, "test", 2, "v10_0", "unlabelled"):
            load(folder, clean=clean)


@pytest.mark.parametrize("word", ["unlabelled", "Unlabeled"])
def test_a_split_of_unlabelled_samples_whatever_their_labels(table, word):
    folder = table(label=["", *MOODS[1:]], split=[word, word, *SPLIT[2:]])
    (part,) = load(folder).partitions
    assert (part.unlabelled.tolist(), part.train.tolist()) == ([0, 1], [2, 3, 4, 5])


def test_one_class_cannot_be_learnt_but_its_samples_be_predicted(table):
    folder = table(label=["joy"] * 12)
    with refused("invalid", "'joy'", "nothing to learn"):
        load(folder)
    assert np.isnan(read_inputs(folder).target).all()
    assert read_inputs(folder, task=Multiclass(("fear", "joy"))).target.tolist() == [1] * 12


def test_names_among_numbers_stay_an_error(table):
    with refused("wrong_type", "'joy' is not a number"):
        load(table(label=[*map(str, range(11)), "joy"]))


def test_whole_numbers_are_asked_about(table):
    folder = table(label=[0, 1, 2] * 4)
    with refused("missing", "label 'label'", "0, 1, 2", "--task"):
        load(folder)
    assert load(folder, task="multiclass").spec.task == Multiclass(("0", "1", "2"))
    assert load(folder, label="label", task="multiclass").target.tolist() == [0, 1, 2] * 4
    assert load(folder, task="regression").spec.task == Regression(0.0, 2.0)
    assert load(table(label=[1.5, 4, 5] * 4)).spec.task == Regression(1.0, 5.0)
    with refused("wrong_type", "0.5"):
        load(table(label=[0.5, 1, 2] * 4), task="multiclass")
    assert load(table(sentiment=[-1, 0, 3] * 4)).spec.task == Sentiment()


def test_truth_values_are_classes(tmp_path):
    whole = {"id": IDS, "split": SPLIT, "label": [True, False] * 6}
    pq.write_table(pa.table(whole), tmp_path / "samples.parquet")
    np.savez(tmp_path / "a.npz", a=np.eye(12))
    assert load(tmp_path).spec.task == Binary(("False", "True"))


def test_several_columns(table):
    folder = table(label=np.linspace(-1, 1, 12), loud=[0, 1] * 6, sad=[1, 1, 0] * 4, valence=np.linspace(0, 1, 12))
    both = load(folder, label="loud,sad")
    assert both.spec.task == Multilabel(("loud", "sad"))
    assert both.target[:3].tolist() == [[0, 1], [1, 1], [0, 0]]
    outputs = load(folder, label="label,valence")
    assert outputs.spec.task.names == ("label", "valence")
    np.testing.assert_allclose(outputs.target[-1], [1, 1])
    with refused("missing", "label 'loud'", "--task"):
        load(folder, label="loud")
    with refused("unknown_name", "'valence'"):
        load(folder, label="loud,valense")


def test_a_table_without_a_label_column_predicts_another(table):
    folder = table(mood=MOODS)
    assert load(folder, label="mood").spec.task.classes == ("anger", "fear", "joy")
    with refused("empty", "no sample with a label", "--label"):
        load(folder)


def test_converted_with_its_classes(table, tmp_path):
    source = FORMAT.open(table(label=MOODS, loud=[0, 1] * 6))
    write_store(source, tmp_path / "set")
    assert load(tmp_path / "set").spec.task == source.task
    assert load(tmp_path / "set", label="loud", task="binary").spec.task == Binary(("0", "1"))
