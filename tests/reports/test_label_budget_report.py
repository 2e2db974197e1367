"""The page of a study of label budgets: its figure, its tables, and that it needs no network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from comodal.contracts import ComparisonRow
from comodal.reports.label_budget_report import budget_table, write_budgets
from comodal.reports.number_text import explanation
from comodal.reports.page.figures_labels import efficiency_card, efficiency_figure

pytestmark = pytest.mark.slow

MEANS = {("early", "none"): (70.0, 80.0, 90.0), ("early", "kl"): (75.0, 82.0, 90.5), ("constant", "none"): (10.0,) * 3}
BUDGETS = (5, 10, 0)


def rows(metrics: tuple[str, ...] = ("accuracy", "log_loss")) -> list[ComparisonRow]:
    return [
        ComparisonRow(
            *(fusion, measure, 0.0, metric, means[k], 1.0, None, None, None, None, 4, 0, 1.0),
            mean_low=means[k] - 3.0,
            mean_high=means[k] + 2.0,
            labels=budget,
        )
        for k, budget in enumerate(BUDGETS)
        for (fusion, measure), means in MEANS.items()
        for metric in metrics
    ]


def test_the_chart_has_a_line_with_intervals_for_each_arm_and_hides_the_constant() -> None:
    figure = efficiency_figure(rows(("accuracy",)))
    found = {trace.name: trace for trace in figure.data}
    assert {name: trace.y for name, trace in found.items()} == {"/".join(arm): means for arm, means in MEANS.items()}
    assert found["early/kl"].error_y.array == (2.0, 2.0, 2.0)
    assert found["early/kl"].error_y.arrayminus == (3.0, 3.0, 3.0)
    assert [name for name, trace in found.items() if trace.visible == "legendonly"] == ["constant/none"]
    assert figure.layout.xaxis.ticktext == ("5", "10", "all")
    for place in range(3):
        beside = [trace.x[place] for trace in figure.data]
        assert len(set(beside)) == 3
        assert [round(each) for each in beside] == [place] * 3
    assert len({(trace.marker.symbol, trace.line.dash) for trace in figure.data}) == 3


def test_every_metric_has_its_chart_and_table() -> None:
    card = efficiency_card(rows(), {name: budget_table(rows(), name) for name in ("accuracy", "log_loss")})
    assert list(card.variants) == [("accuracy",), ("log_loss",)]
    assert list(card.tables) == ["accuracy", "log_loss"]
    assert {len(column) for column in card.columns.values()} == {2 * 3 * 3}


def test_the_page_is_small_and_loads_nothing(tmp_path: Path) -> None:
    write_budgets(rows(), tmp_path, title="study <b>")
    page = (tmp_path / "label_efficiency.html").read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in page
    assert "connect-src &#39;none&#39;" in page
    assert "study &lt;b&gt;" in page
    assert page.count('data-of="efficiency"') == 2
    assert "82.0" in page
    assert len(page.encode()) < 3e6


def test_sentences_over_budgets_are_folded_in_one_order() -> None:
    weak, data = "no better than the linear reference in accuracy", "licensed"
    noted = [
        replace(row, note="; ".join([data, weak] if row.arm != "early/none" and row.labels == 5 else [data]))
        for row in rows(("accuracy",))
    ]
    tested = [
        replace(
            row, delta=2.0, ci_low=1.0, ci_high=3.0, p_value=0.01 if row.labels == 10 else 0.5, reference="early/none"
        )
        if row.measure == "kl"
        else row
        for row in noted
    ]
    found = explanation(tested)
    assert found[:4] == [
        "early/kl is better than early/none with 10 labels: accuracy +2.00 [+1.00, +3.00] p 0.010, over 4 seeds.",
        "No penalty makes a significant difference in accuracy with 5, all labels (corrected p below 0.05).",
        "early/kl, constant/none (5 labels): no better than the linear reference in accuracy.",
        "All: licensed.",
    ]
