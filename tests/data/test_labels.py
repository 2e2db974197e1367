"""Another label or task than the reader's own: of blocks, converted sets, the cache and samples to predict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Sentiment
from comodal.data.assemble import concatenate
from comodal.data.cache import cached
from comodal.data.formats import FORMATS
from comodal.data.formats.interface import Format, Label
from comodal.data.inspection import examine
from comodal.data.labels import with_label
from comodal.data.load import load, read_inputs
from comodal.data.store import open_store, write_store

MOODS = ["joy", "anger", "fear"]


@pytest.fixture
def several(make_block, make_source):
    """Blocks of six, three and three samples with labels of every kind among their columns."""
    blocks = []
    for split, lengths in {"train": [1] * 6, "valid": [1] * 3, "test": [1] * 3}.items():
        block = make_block(split, lengths)
        rows = np.arange(len(lengths))
        columns = {
            "mood": np.array(MOODS)[rows % 3],
            "liked": np.where(rows % 2, "yes", ""),
            "stars": rows % 3 + 1,
            "loud": rows % 2,
            "sad": (rows % 3 == 0).astype(int),
            "valence": rows / 4 - 0.5,
        }
        blocks.append(replace(block, columns={**block.columns, **columns}))
    return make_source(*blocks)


def targets(source):
    return concatenate(list(source.blocks([])), where="toy").target


def test_a_column_of_names_becomes_classes(several):
    source = with_label(several, label="mood")
    assert source.task == Multiclass(("anger", "fear", "joy"))
    wanted = [sorted(MOODS).index(each) for each in MOODS * 4]
    assert targets(source).tolist() == wanted
    assert examine(source)[0].classes == {"anger": 4, "fear": 4, "joy": 4}
    assert source.label == "mood"
    np.testing.assert_array_equal(targets(several), targets(replace(source, blocks=several.blocks)))


def test_names_with_commas(make_block, make_source):
    blocks = []
    for split in ("train", "valid", "test"):
        block = make_block(split, [1] * 4)
        columns = {"well, or not": np.array(["yes", "no, never", "-x=1", "日本"]), "a": np.arange(4) / 4}
        blocks.append(replace(block, columns={**block.columns, **columns}))
    source = make_source(*blocks)
    alone = with_label(source, label="well, or not", task='multiclass:"no, never",yes,-x=1, 日本')
    assert alone.task == Multiclass(("no, never", "yes", "-x=1", "日本"))
    assert targets(alone).tolist() == [1, 0, 2, 3] * 3
    with refused("unknown_name", "b, c"):
        with_label(source, label='a,"b, c"')


def test_a_task_fixes_the_order_of_the_classes_and_refuses_others_by_name(several):
    source = with_label(several, label="mood", task="multiclass:joy,anger,fear")
    assert targets(source).tolist() == [0, 1, 2] * 4
    with refused("unknown_name", "label 'mood'", "'fear'", "did you mean 'feer'"):
        with_label(several, label="mood", task="multiclass:joy,anger,feer")


def test_whole_numbers_are_asked_about(several):
    with refused("missing", "label 'stars'", "--task"):
        with_label(several, label="stars")
    assert with_label(several, label="stars", task="multiclass").task == Multiclass(("1", "2", "3"))
    assert with_label(several, label="stars", task="regression").task == Regression(1.0, 3.0)
    assert with_label(several, label="stars", task="regression:0,5").task == Regression(0.0, 5.0)
    assert with_label(several, label="loud", task="binary").task == Binary(("0", "1"))


def test_several_columns(several):
    source = with_label(several, label="loud, sad")
    assert source.task == Multilabel(("loud", "sad"))
    assert targets(source)[:4].tolist() == [[0, 1], [1, 0], [0, 0], [1, 1]]
    assert examine(source)[0].classes == {"loud": 5, "sad": 4}
    outputs = with_label(several, label="valence,stars", task="regression")
    assert outputs.task.names == ("valence", "stars")
    assert targets(outputs)[2].tolist() == [0.0, 3.0]
    with refused("missing", "stars,loud"):
        with_label(several, label="stars,loud")


def test_the_reader_s_own_label_stays_the_very_source(several):
    for options in ({}, {"task": "sentiment"}, {"task": Sentiment()}):
        assert with_label(several, **options) is several
    assert with_label(several, task="regression").task.kind == "regression"


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"label": "mod"}, "unknown_name", "'mood'"),
        ({"label": "mood,nothing"}, "unknown_name", "'nothing'"),
        ({"label": "valence", "task": "multiclass"}, "wrong_type", "-0.5"),
        ({"label": "mood", "task": "regression"}, "wrong_type", "mood"),
        ({"label": "mood", "task": "clases"}, "unknown_name", "multiclass"),
        ({"label": "liked"}, "invalid", "'yes'"),
        ({"label": "stars,loud", "task": "multilabel"}, "out_of_range", "stars"),
        ({"task": "sentiment:0,1"}, "conflict", "sentiment"),
        ({"task": "regression:0"}, "invalid", "regression:0,5"),
    ],
)
def test_what_cannot_be_a_label(several, options, code, named):
    with refused(code, named):
        with_label(several, **options)


def test_a_missing_name_is_a_missing_label(several):
    source = with_label(several, label="liked", task="binary:no,yes")
    assert np.isnan(targets(source)).sum() == 7
    assert examine(source)[0].unlabelled == 7


def test_a_label_whose_task_must_be_given(several):
    """What a reader does with whole numbers that it knows nothing about."""
    unsettled = replace(several, label="stars", labels={"stars": Label(("stars",))})
    with refused("missing", "--task"):
        with_label(unsettled)
    assert with_label(unsettled, task="multiclass").task == Multiclass(("1", "2", "3"))


@pytest.mark.parametrize("label", ["mood", "loud,sad", "valence"])
def test_stored_with_its_task(several, label, tmp_path):
    source = with_label(several, label=label)
    write_store(source, tmp_path / "set")
    stored = open_store(tmp_path / "set")
    assert (stored.task, stored.label, stored.labels) == (source.task, label, source.labels)
    np.testing.assert_array_equal(targets(stored), targets(source))
    assert load(tmp_path / "set", label=label).spec.task == source.task
    np.testing.assert_array_equal(load(tmp_path / "set").target, targets(source))
    again = load(tmp_path / "set", label="mood", task="multiclass:joy,anger,fear")
    assert again.target.tolist() == [0, 1, 2] * 4


def test_every_label_has_its_own_entry_of_the_cache(several, tmp_path, monkeypatch):
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "raw.toy"
    path.write_text("made up")
    source = replace(several, path=path, files=(path,))
    monkeypatch.setitem(FORMATS, "made", Format("made", lambda given: given == path, lambda _: source))
    dataset = load(path, label="mood")
    assert dataset.spec.task.classes == ("anger", "fear", "joy")
    assert load(path).spec.task == Sentiment()
    np.testing.assert_array_equal(dataset.target, targets(cached(with_label(source, label="mood"))))
    with refused("missing", "missing labels", "valid", 2, "valid0_0", "unlabelled"):
        load(path, label="liked", task="binary:no,yes", clean=True)

    given = read_inputs(path, label="mood", task=Multiclass(("joy", "anger", "fear")))
    assert given.target.tolist() == [0, 1, 2] * 4
    assert np.isnan(read_inputs(path, label="elsewhere").target).all()
    np.testing.assert_array_equal(read_inputs(path).target, targets(source))


@pytest.mark.parametrize("options", [{"label": "disagree"}, {"task": "multiclass"}])
def test_data_in_memory_keep_their_label(options):
    with refused("conflict", "synthetic", "--task"):
        load("synthetic", **options)
    assert load("synthetic", task="sentiment").spec.task == Sentiment()
    assert load("digits", task="multiclass").spec.task.kind == "multiclass"
