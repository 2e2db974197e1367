"""Tasks: labels to targets and back, errors by hand, weights of classes against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from sklearn.utils.class_weight import compute_class_weight

from comodal.contracts import Binary, Multiclass, Multilabel, NoTask, Regression, Sentiment, Task
from comodal.contracts.tasks import TASKS, task_from_dict
from comodal.metrics import breakdown

TASKS_MADE: list[Task] = [
    Regression(0.0, 5.0),
    Regression(names=("valence", "arousal")),
    Sentiment(),
    Binary(("no", "yes")),
    Multiclass(("a", "b", "c")),
    Multilabel(("happy", "sad")),
]


def test_every_kind_is_tried() -> None:
    assert {task.kind for task in (*TASKS_MADE, NoTask())} == set(TASKS)


def test_no_task_lacks_no_label_and_predicts_nothing() -> None:
    task = NoTask()
    assert task_from_dict(json.loads(json.dumps(task.to_dict()))) == task
    target = task.encode(["a", None, 3], where="toy")
    assert target.tolist() == [0.0, 0.0, 0.0]
    prediction = task.predict(torch.ones(3, task.width)).numpy()
    assert np.isnan(prediction).all()
    assert np.isnan(task.error(prediction, target)).all()
    assert not task.is_collapsed(target, prediction)
    assert task.readable(target).tolist() == ["", "", ""]
    assert [each for each in (*TASKS_MADE, task) if not each.predicts] == [task]
    with refused("conflict", "l1"):
        task.require_loss("l1")


@pytest.mark.parametrize("task", TASKS_MADE, ids=lambda task: task.kind)
def test_a_task_survives_its_file(task: Task) -> None:
    assert task_from_dict(json.loads(json.dumps(task.to_dict(), allow_nan=False))) == task
    assert task.metrics[0] in task.reported
    assert set(task.reported) <= set(task.metrics)
    assert task.require_loss("auto") == task.losses[0]
    with refused("conflict", "l3"):
        task.require_loss("l3")


@pytest.mark.parametrize("task", TASKS_MADE, ids=lambda task: task.kind)
def test_predictions_have_the_form_of_the_targets(task: Task) -> None:
    prediction = task.predict(torch.zeros(5, task.width)).numpy()
    assert task.decide(prediction).shape in {(5,), (5, task.width)}
    assert len(task.readable(task.decide(prediction))) == 5
    assert list(task.probabilities(prediction)) == list(task.classes)
    assert task.of_decided(prediction, prediction).shape[0] == 5


@pytest.mark.parametrize("task", TASKS_MADE, ids=lambda task: task.kind)
def test_figures_and_tables_are_known_and_parts_are_tasks_of_one_output(task: Task) -> None:
    assert set(task.diagnostics) <= {"confusion", "reliability", "scatter"}
    assert bool(task.diagnostics) == bool(task.breakdown) == bool(task.all_names)
    prediction = task.predict(torch.zeros(5, task.width)).numpy()
    target = task.decide(prediction).astype(np.float32)
    found = breakdown(task, target, prediction)
    assert list(found) == list(task.breakdown)
    assert {each.shape for each in found.values()} <= {(len(task.all_names),)}
    for name, (own, wanted, guess) in task.parts(target, prediction).items():
        assert name == "" or name in task.all_names
        assert wanted.shape == (5,)
        assert own.decide(guess).tolist() == wanted.tolist()


def test_errors_by_hand() -> None:
    assert Regression().error(np.array([1.0, 2.0]), np.array([0.0, 4.0])).tolist() == [1.0, 2.0]
    several = Regression(names=("a", "b"))
    assert several.error(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])).tolist() == [1.5]
    assert Binary(("n", "y")).error(np.array([0.25, 0.25]), np.array([1.0, 0.0])).tolist() == [0.75, 0.25]
    three = Multiclass(("a", "b", "c"))
    assert three.error(np.array([[0.5, 0.25, 0.25]]), np.array([1.0])).tolist() == [0.75]
    assert Multilabel(("a", "b")).error(np.array([[0.5, 0.75]]), np.array([[1.0, 1.0]])).tolist() == [0.375]


def test_labels_become_numbers_and_names_again() -> None:
    task = Multiclass(("1", "2", "10"))
    target = task.encode([2, 10.0, None, np.nan, "1"], where="toy")
    assert np.array_equal(target, [1.0, 2.0, np.nan, np.nan, 0.0], equal_nan=True)
    assert task.readable(target).tolist() == ["2", "10", "", "", "1"]
    numbered = Multiclass(("joy", "anger", "fear"))
    assert np.array_equal(numbered.encode([2, None, 0.0, "1"], where="toy"), [2.0, np.nan, 0.0, 1.0], equal_nan=True)
    labels = Multilabel(("happy", "sad")).encode([[1, 0], [1, 1], [None, None]], where="toy")
    frame = pd.DataFrame({"happy": [1, 1, None], "sad": [0, 1, None]}, dtype="Int64").astype(object)
    before = frame.to_numpy()
    assert np.array_equal(Multilabel(("happy", "sad")).encode(before, where="toy"), labels, equal_nan=True)
    assert before[2, 0] is pd.NA  # what was given stays
    assert Multilabel(("happy", "sad")).readable(labels).tolist() == ["happy", "happy+sad", ""]


@pytest.mark.parametrize(
    ("task", "labels", "code", "named"),
    [
        (Binary(("no", "yes")), ["yes", "yess"], "unknown_name", ["toy, row 1", "yess", "yes"]),
        (Multiclass(("0", "1")), [0, 2], "unknown_name", ["2"]),
        (Multiclass(("1", "2", "3")), [0, 1], "unknown_name", ["'0'"]),  # names that are numbers stay names
        (Multiclass(("joy", "anger")), [0, 2], "unknown_name", ["row 0"]),
        (Multiclass(("joy", "anger")), ["joy", 1], "unknown_name", ["row 1"]),
        (Multiclass(("0", "1")), [0.2, 0.8], "unknown_name", ["0.2"]),  # probabilities
        (Multilabel(("a", "b")), [[1, 0], [0.5, 1]], "out_of_range", ["row 1", "a", 0.5]),
        (Multilabel(("a", "b")), [[1, 0], [1, None]], "missing", ["row 1"]),
        (Multilabel(("a", "b")), [[1, 0, 1]], "wrong_shape", [(1, 3)]),
        (Regression(), ["one"], "wrong_type", ["toy"]),
        (Regression(names=("a", "b")), [1.0, 2.0], "wrong_shape", [(2,)]),
    ],
)
def test_a_label_that_the_task_does_not_have_is_named(task: Task, labels: list, code: str, named: list) -> None:
    with refused(code, *named):
        task.encode(labels, where="toy")


def test_a_masked_label_is_missing() -> None:
    masked = np.ma.masked_equal(np.array([1.0, 99999.0]), 99999.0)
    assert np.array_equal(Regression().encode(masked, where="toy"), [1.0, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Regression(3.0, -3.0),
        lambda: Regression(float("nan"), 3.0),
        lambda: Binary(("only",)),
        lambda: Binary(("a", "b", "c")),
        lambda: Multiclass(("a", "a")),
        lambda: Multiclass(("a", " ")),
        lambda: Multilabel(("a\nb",)),
    ],
)
def test_a_task_without_sense_is_refused(make: object) -> None:
    with refused(("out_of_range", "empty", "wrong_shape", "duplicate", "invalid")):
        make()


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    target = np.array([0.0] * 7 + [1.0] * 2 + [2.0] * 1)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=target.astype(int))
    found = Multiclass(("a", "b", "c")).balance(np.append(target, np.nan))
    assert found == pytest.approx(expected)
    assert found[target.astype(int)].mean() == pytest.approx(1.0)
    labels = np.stack([target == 0, target == 1], axis=1).astype(float)
    of_each = Multilabel(("a", "b")).balance(labels)
    assert of_each[1] == pytest.approx(
        compute_class_weight("balanced", classes=np.arange(2), y=labels[:, 1].astype(int))
    )
    with refused("conflict"):
        Regression().balance(target)


def test_collapse_is_one_decision_for_different_labels() -> None:
    target = np.array([0.0, 1.0, 0.0])
    assert Binary(("n", "y")).is_collapsed(target, np.array([0.1, 0.3, 0.4]))
    assert not Binary(("n", "y")).is_collapsed(target, np.array([0.1, 0.7, 0.4]))
    assert not Binary(("n", "y")).is_collapsed(np.zeros(3), np.array([0.1, 0.3, 0.4]))
    several = Regression(names=("a", "b"))
    moving = np.stack([np.arange(4.0), np.arange(4.0)], axis=1)
    assert several.is_collapsed(moving, np.ones((4, 2)))
    assert not several.is_collapsed(moving, moving * [1.0, 0.0])


def test_many_classes_are_described_by_the_first_and_the_last() -> None:
    names = tuple(f"species {k}" for k in range(100))
    told = Multiclass(names).described
    assert told.startswith("100 classes: species 0, ")
    assert told.endswith(", species 99")
    assert "species 50" not in told
    assert all(name in Multiclass(names[:20]).described for name in names[:20])
