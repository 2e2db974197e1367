"""Figures and samples of an explanation, for tasks of classes, labels and several outputs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from findings import attributions, of_task, task_explanation

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Sentiment, Task
from comodal.reports.page.cards import cards_of
from comodal.reports.page.embedded import page_data
from comodal.reports.page.figures_explanation import dependency_figure
from comodal.reports.page.figures_map import map_figure
from comodal.reports.page.sample import chosen, values_of
from comodal.reports.page.theme import BETTER, WORSE, nth_style

pytestmark = pytest.mark.slow

EMOTIONS = Multiclass(("joy", "anger", "fear"))
MANY = Multiclass(tuple(f"species {k}" for k in range(100)))
TASKS: list[Task] = [
    EMOTIONS,
    Binary(("no", "yes")),
    Multilabel(("happy", "sad")),
    Regression(names=("valence", "arousal")),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_every_task_has_a_page_with_its_samples(task: Task) -> None:
    table = task_explanation(task)
    found = replace(of_task(task), explanations=(table,), attributions=attributions(np.random.default_rng(0), table))
    run = json.loads(page_data(found, cards_of(found)))["explanations"][0]
    columns = {column["name"]: column["values"] for column in run["columns"]}
    assert columns["error"] == pytest.approx(task.error(table.prediction, table.target), rel=1e-3, abs=1e-6)
    assert len(run["explained"]) == (2 if task.kind == "regression" else 1)
    for k, each in enumerate(run["explained"]):
        assert each["all"] == pytest.approx(table.of_explained(table.prediction)[:, k], rel=1e-3, abs=1e-6)
        assert each["without"]["audio"] == pytest.approx(
            table.of_explained(table.without["audio"])[:, k], rel=1e-3, abs=1e-6
        )
    assert {"dependency", "map"} <= set(cards_of(found))
    for card in cards_of(found).values():
        assert len({len(column) for column in card.columns.values()}) == 1


def test_samples_name_the_class_and_its_probability() -> None:
    table = task_explanation(EMOTIONS)
    found = values_of(table)
    assert list(found) == ["target", "prediction", "probability", "error"]
    guess = table.prediction.argmax(axis=1)
    assert found["prediction"].tolist() == [EMOTIONS.names[k] for k in guess]
    assert found["target"].tolist() == [EMOTIONS.names[int(k)] for k in table.target]
    assert found["probability"] == pytest.approx(table.prediction.max(axis=1))
    named = values_of(replace(table, facts={**table.facts, "output": "fear"}))
    assert set(named["explained"]) == {"fear"}
    assert named["probability"] == pytest.approx(table.prediction[:, 2])
    assert list(values_of(task_explanation(Sentiment()))) == ["target", "prediction", "error"]
    outputs = values_of(task_explanation(Regression(names=("valence", "arousal"))))
    assert list(outputs) == ["target:valence", "target:arousal", "prediction:valence", "prediction:arousal", "error"]


def test_dependency_is_parted_by_class_and_by_label() -> None:
    table = task_explanation(EMOTIONS)
    for trace, name in zip(dependency_figure(table).data, EMOTIONS.names, strict=True):
        own = table.dependency[task_rows(table.target, EMOTIONS, name)]
        assert trace.name == f"{name}<br>({len(own)})"
        assert np.sort(trace.y) == pytest.approx(np.sort(own), rel=1e-3)
    labels = dependency_figure(task_explanation(Multilabel(("happy", "sad")))).data
    assert [trace.name.partition("<br>")[0] for trace in labels] == ["not happy", "happy", "not sad", "sad"]
    outputs = dependency_figure(task_explanation(Regression(names=("a", "b")))).data
    assert [trace.name.partition("<br>")[0] for trace in outputs] == [
        f"{name}, {sign}" for name in "ab" for sign in ("negative", "positive")
    ]


def test_a_class_named_like_a_sign_has_the_colour_of_a_class() -> None:
    figure = dependency_figure(task_explanation(Multiclass(("neutral", "joy", "negative"))))
    assert len({trace.line.color for trace in figure.data}) == 1
    signs = dependency_figure(task_explanation(Regression(names=("a", "b")))).data
    assert [trace.line.color for trace in signs] == [WORSE, BETTER] * 2


def task_rows(target: np.ndarray, task: Task, name: str) -> np.ndarray:
    return np.flatnonzero(target == task.classes.index(name))


def test_of_many_classes_those_of_extreme_medians_are_drawn() -> None:
    table = task_explanation(MANY, 600)
    medians = {k: np.median(table.dependency[table.target == k]) for k in np.unique(table.target)}
    order = sorted(medians, key=lambda k: medians[k])
    shown = [trace.name.partition("<br>")[0] for trace in dependency_figure(table).data]
    assert shown == [f"species {int(k)}" for k in (*order[:6], *order[-6:])]


def test_the_map_has_a_mark_for_each_class_and_none_for_a_hundred() -> None:
    table = task_explanation(EMOTIONS)
    kept = np.arange(5, 50)
    for trace, name in zip(map_figure(table, "target", kept).data, EMOTIONS.names, strict=True):
        own = np.intersect1d(kept, task_rows(table.target, EMOTIONS, name))
        assert trace.name == name
        assert list(trace.customdata) == table.id[own].tolist()
    found = replace(of_task(MANY), explanations=(task_explanation(MANY, 300),))
    assert {key[1] for key in cards_of(found)["map"].variants} == {"error", "dependency percentile"}
    labels = replace(of_task(Multilabel(("a", "b"))), explanations=(task_explanation(Multilabel(("a", "b"))),))
    assert [key[1] for key in cards_of(labels)["map"].variants] == ["a", "b", "error", "dependency percentile"]


def test_marks_of_the_first_64_classes_differ() -> None:
    assert len({(look.colour, look.symbol) for look in map(nth_style, range(64))}) == 64


def test_a_page_that_is_too_small_keeps_the_largest_errors_of_the_task() -> None:
    table = task_explanation(EMOTIONS, 400)
    worst = np.argsort(-(1 - table.prediction[np.arange(400), table.target.astype(int)]), kind="stable")[:10]
    assert set(worst) <= set(chosen(table, 40).tolist())
