"""A figure as the page shows it: with a title, what to read from it, what not, and its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # plotly is an extra, and every command is loaded with every other
    import plotly.graph_objects as go

__all__ = ["Card"]


@dataclass(frozen=True)
class Card:
    """One figure, in one or several variants.

    Attributes:
        name: identifier in the page and name of its files.
        title: heading.
        shows: one sentence: what the figure shows.
        hides: one sentence: what it does not show.
        selectors: what the variants differ in, one label a choice.
        variants: the choices, one for each selector, to the figure.
        columns: its data, column by column, all of one length.
    """

    name: str
    title: str
    shows: str
    hides: str
    selectors: tuple[str, ...]
    variants: Mapping[tuple[str, ...], go.Figure]
    columns: Mapping[str, list[Any]]
