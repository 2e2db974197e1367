"""The task of raw labels: told by the labels, or asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from refusals import refused

import comodal
from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Sentiment, Task
from comodal.data.targets import target_of


@pytest.mark.parametrize(
    ("labels", "task", "expected"),
    [
        (["b", "a", None], None, Binary(("a", "b"))),
        (["b", "a", "c"], None, Multiclass(("a", "b", "c"))),
        ([True, False], None, Binary(("False", "True"))),
        ([0.5, 1.5], None, Regression(0.5, 1.5)),
        ([1, 3], "regression", Regression(1.0, 3.0)),
        ([10, 9, 10], "binary", Binary(("9", "10"))),
        ([2, 10, 1], "multiclass", Multiclass(("1", "2", "10"))),
        ([1, -2], "sentiment", Sentiment()),
        ([[0.5, 1.0], [0.0, 2.0]], None, Regression(0.0, 2.0, ("0", "1"))),
        ([[0, 1], [1, 1]], "multilabel", Multilabel(("0", "1"))),
        ([[True, False]], None, Multilabel(("0", "1"))),
    ],
)
def test_the_task_of_labels(labels: list, task: str | None, expected: Task) -> None:
    assert target_of(labels, task, where="toy")[0] == expected


@pytest.mark.parametrize("labels", [[0, 1, 2], np.arange(3), pd.array([0, 1, None], dtype="Int64"), [[0, 1], [1, 0]]])
def test_whole_numbers_are_asked_about(labels: object) -> None:
    with refused("missing", "multiclass", "regression", "--task"):
        target_of(labels, where="toy")


@pytest.mark.parametrize(
    ("labels", "options", "code"),
    [
        (["a", "b"], {"task": "multiclas"}, "unknown_name"),
        (["a", "a"], {}, "invalid"),
        ([[1.0], [2.0]], {}, "wrong_shape"),
        ([1.0, 1.0], {}, "invalid"),
        ([np.nan, np.nan], {}, "not_finite"),
        ([["a", "b"], ["b", "a"]], {"task": "multiclass"}, "wrong_shape"),
        (["a", "b"], {"label_range": (0.0, 1.0)}, "conflict"),
        ([1.0, 2.0], {"label_range": (np.nan, 3.0)}, "out_of_range"),
    ],
)
def test_labels_without_a_task_are_refused(labels: list, options: dict, code: str) -> None:
    with refused(code):
        target_of(labels, **options, where="toy")


def test_a_frame_gives_several_labels_their_names() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(30, 4)), columns=list("abcd"))
    frame["happy"], frame["sad"] = rng.integers(0, 2, 30), rng.integers(0, 2, 30)
    features = {"x": ["a", "b"], "y": ["c", "d"]}
    dataset = comodal.from_frame(frame, features=features, target=["happy", "sad"], task="multilabel")
    assert dataset.spec.task == Multilabel(("happy", "sad"))
    assert np.array_equal(dataset.target, frame[["happy", "sad"]].to_numpy())
