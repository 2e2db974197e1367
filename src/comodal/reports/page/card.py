"""A figure of the page with its title, captions and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # plotly is an optional dependency
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
        selectors: labels of the choices between variants.
        variants: one choice per selector to the figure.
        columns: its data by column, all of one length.
    """

    name: str
    title: str
    shows: str
    hides: str
    selectors: tuple[str, ...]
    variants: Mapping[tuple[str, ...], go.Figure]
    columns: Mapping[str, list[Any]]
