"""Figures of predictions hold the numbers of the predictions, for the tasks that ask for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from findings import empty, of_task, predictions

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Sentiment, Task
from comodal.metrics import calibration_error
from comodal.reports.page import render_page
from comodal.reports.page.cards import Card, cards_of
from comodal.reports.page.figures_confusion import confusion_figure
from comodal.reports.page.figures_reliability import mean_reliability

pytestmark = pytest.mark.slow

MANY = Multiclass(tuple(f"species {k}" for k in range(100)))


def card(task: Task, name: str) -> Card:
    return cards_of(of_task(task))[name]


def test_confusion_is_the_mean_over_seeds_and_rows_sum_to_a_hundred() -> None:
    task = Multiclass(("a", "b", "c"))
    first = predictions(task)[0]
    found = card(task, "confusion")
    expected = np.zeros((3, 3))
    for prediction in first.prediction:
        for true, guess in zip(first.target, prediction.argmax(axis=1), strict=True):
            expected[int(true), guess] += 0.5
    (samples,) = found.variants["early/none", "samples"].data
    assert np.array(samples.z) == pytest.approx(expected)
    (shares,) = found.variants["early/none", "row shares, %"].data
    assert np.array(shares.z).sum(axis=1) == pytest.approx(100.0, abs=0.5)
    assert (samples.x, samples.y) == (("a", "b", "c"), ("a", "b", "c"))
    worst = found.tables["early/none"].rows[0]
    off = np.where(np.eye(3) == 1, 0, expected)
    i, j = np.unravel_index(off.argmax(), off.shape)
    assert [cell.text for cell in worst[:2]] == [f"{'abc'[i]} → {'abc'[j]}", f"{off.max():.1f}"]


def test_a_class_without_samples_has_an_empty_row() -> None:
    (cells,) = confusion_figure(np.array([[3.0, 1.0], [0.0, 0.0]]), ("a", "b"), "row shares, %").data
    assert list(cells.z[0]) == [75.0, 25.0]
    assert list(cells.z[1]) == [None, None]
    assert list(cells.text[1]) == ["", ""]


def test_a_hundred_classes_are_drawn_without_numbers_and_with_few_names() -> None:
    found = card(MANY, "confusion")
    figure = next(iter(found.variants.values()))
    assert figure.data[0].text is None
    assert 20 <= len(figure.layout.xaxis.tickvals) <= 30
    assert len(figure.data[0].x) == 100
    assert len(found.tables["early/kl"].rows) == 15
    assert "samples" in found.columns


def test_several_labels_have_a_choice_and_a_matrix_each() -> None:
    found = card(Multilabel(("happy", "sad")), "confusion")
    assert found.selectors == ("Model", "Label", "Shown")
    (cells,) = found.variants["early/kl", "sad", "samples"].data
    assert cells.x == ("not sad", "sad")
    assert found.tables == {}
    assert card(Multilabel(("happy", "sad")), "reliability").selectors == ("Fusion model", "Label")


def test_long_and_hostile_names_are_cut_and_escaped() -> None:
    names = ("<b>bold</b>", "a class whose name is long", "0")
    (cells,) = confusion_figure(np.eye(3), names).data
    figure = confusion_figure(np.eye(3), names)
    assert cells.x == ("&lt;b&gt;bold&lt;/b&gt;", "a class whose name is long", "0")
    assert figure.layout.xaxis.ticktext[1] == "a class whose nam…"
    assert figure.layout.xaxis.type == "category"
    hostile = of_task(Multiclass(("<script>alert(1)</script>", "b", "c")))
    assert "<script>alert" not in render_page(hostile)


def test_reliability_pools_the_seeds_and_names_the_error() -> None:
    first = predictions(Binary(("no", "yes")))[0]
    found = mean_reliability(first.target, first.prediction)
    pooled = first.prediction.ravel()
    confidence, right = np.maximum(pooled, 1 - pooled), (pooled > 0.5) == (np.tile(first.target, 2) == 1)
    bins = np.minimum((confidence * 15).astype(int), 14)
    for k in range(15):
        own = bins == k
        assert found.samples[k] == own.sum() / 2
        if own.any():
            assert found.confidence[k] == pytest.approx(confidence[own].mean())
            assert found.right[k] == pytest.approx(right[own].mean())
    errors = [calibration_error(first.target, each) for each in first.prediction]
    assert found.errors.tolist() == errors
    figure = card(Binary(("no", "yes")), "reliability").variants[("early",)]
    assert f"none: calibration error {np.mean(errors):.3f}" in figure.data[1].name


def test_outputs_are_scattered_on_the_scale_of_the_labels() -> None:
    task = Regression(-3.0, 3.0, names=("valence", "arousal"))
    found = card(task, "scatter")
    assert found.selectors == ("Model", "Output")
    figure = found.variants["early/kl", "arousal"]
    assert figure.data[1].x == pytest.approx(predictions(task)[1].target[:, 1], rel=1e-3)
    low, high = figure.layout.xaxis.range
    assert low < -3.0
    assert high > 3.0
    assert figure.layout.yaxis.range == figure.layout.xaxis.range
    open_ended = card(Regression(names=("a", "b")), "scatter").variants["early/kl", "a"]
    assert np.isfinite(open_ended.layout.xaxis.range).all()


@pytest.mark.parametrize("task", [Multiclass(("a", "b", "c")), Multilabel(("a", "b")), Regression(names=("a", "b"))])
def test_the_page_has_a_figure_and_a_table_for_each_arm(task: Task) -> None:
    text = render_page(of_task(task))
    assert 'id="predictions"' in text
    for name in task.diagnostics:
        assert f'data-figure="{name}"' in text
    assert text.count('data-testid="breakdown-') == 2
    assert task.described in text


@pytest.mark.parametrize("task", [Sentiment(), Regression(0.0, 5.0)])
def test_a_single_number_has_no_such_section(task: Task) -> None:
    bare = empty()
    text = render_page(replace(bare, data=replace(bare.data, task=task)))
    assert 'id="predictions"' not in text
    assert "#predictions" not in text.partition("<body>")[2]


def test_the_page_of_a_hundred_classes_and_eight_arms_stays_small() -> None:
    found = of_task(MANY, n=1600)
    arms = [replace(each, fusion=name) for each in found.predictions for name in ("early", "lfn", "mult", "tfn")]
    rows = [replace(row, fusion=name) for row in found.breakdown for name in ("early", "lfn", "mult", "tfn")]
    text = render_page(replace(found, predictions=tuple(arms), breakdown=tuple(rows)))
    assert len(text.encode()) < 5e6
