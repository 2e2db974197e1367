"""All figures of a page, each with its title, captions and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comodal.contracts import Findings, InputError
from comodal.reports.text_table import TextTable

if TYPE_CHECKING:  # plotly is an optional dependency
    import plotly.graph_objects as go

__all__ = ["Card", "cards_of"]


@dataclass(frozen=True)
class Card:
    """One figure, in one or several variants.

    Attributes:
        name: identifier in the page and name of its files.
        title: heading.
        shows: one sentence: what the figure shows.
        hides: one sentence: what it does not show.
        selectors: labels of the choices between variants.
        variants: one choice per selector to the figure.
        columns: its data by column, all of one length.
        tables: first choice to a table that stands below the figure while that is chosen.
    """

    name: str
    title: str
    shows: str
    hides: str
    selectors: tuple[str, ...]
    variants: Mapping[tuple[str, ...], go.Figure]
    columns: Mapping[str, list[Any]]
    tables: Mapping[str, TextTable] = field(default_factory=dict)


def cards_of(findings: Findings) -> dict[str, Card]:
    """Return name to figure in the order of the page; parts that the findings lack have no figure."""
    try:
        import plotly  # noqa: F401, PLC0415 - keeps `import comodal` light
    except ImportError as error:
        raise InputError.needs_extra("report", "figures of the report") from error
    from comodal.reports.page.figures_comparison import comparison_card  # noqa: PLC0415
    from comodal.reports.page.figures_confusion import confusion_card  # noqa: PLC0415
    from comodal.reports.page.figures_explanation import distribution_card  # noqa: PLC0415
    from comodal.reports.page.figures_map import map_card  # noqa: PLC0415
    from comodal.reports.page.figures_pairing import pairing_card  # noqa: PLC0415
    from comodal.reports.page.figures_reliability import reliability_card  # noqa: PLC0415
    from comodal.reports.page.figures_robustness import areas_card, curves_card, subsets_card  # noqa: PLC0415
    from comodal.reports.page.figures_scatter import scatter_card  # noqa: PLC0415
    from comodal.reports.page.figures_training import training_card  # noqa: PLC0415

    task, predictions = findings.data.task, findings.predictions
    diagnostics = {"confusion": confusion_card, "reliability": reliability_card, "scatter": scatter_card}
    found = (
        comparison_card(findings.rows, findings.replication),
        *(diagnostics[name](task, predictions) for name in (task.diagnostics if predictions else ())),
        training_card(findings.curves),
        subsets_card(findings.robustness),
        curves_card(findings.robustness),
        areas_card(findings.robustness),
        distribution_card(findings.explanations),
        map_card(findings.explanations),
        pairing_card(findings.pairing),
    )
    return {card.name: card for card in found if card is not None}
