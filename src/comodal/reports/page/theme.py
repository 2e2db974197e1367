"""Colours, symbols and dashes of all figures; light and dark themes differ in background and ink only.

Colours are those of Okabe and Ito with a contrast of 3:1 or more on both backgrounds. Colour is never the only
distinction: measures also differ in symbol, fusion models in dash, significant differences in filled marks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

__all__ = [
    "BETTER",
    "LIGHT_TO_BLUE",
    "NEUTRAL",
    "WORSE",
    "Style",
    "drawn",
    "faded",
    "nth_style",
    "plain_text",
    "rounded",
    "styles",
    "template",
]

NEUTRAL = "#767676"
BETTER = "#0072B2"
WORSE = "#D55E00"
# Light enough for dark text on every cell, on a light and on a dark page.
LIGHT_TO_BLUE = [[0.0, "#f4f8fb"], [1.0, "#62a8d8"]]
_CYCLE = (BETTER, WORSE, "#009E73", "#B0609A", "#8A7000", "#5B6BD5", "#A0522D", "#2F8F9D")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star", "hexagon")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_NO_PENALTY = "none"


@dataclass(frozen=True)
class Style:
    """Style of one arm: colour and symbol are its measure's, the dash its fusion model's."""

    colour: str
    symbol: str
    dash: str


def styles(arms: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Style]:
    """Return one style per (fusion, measure); runs without a penalty are grey."""
    known = list(dict.fromkeys(arms))
    fusions = list(dict.fromkeys(fusion for fusion, _ in known))
    measures = [name for name in dict.fromkeys(measure for _, measure in known) if name != _NO_PENALTY]

    def style(fusion: str, measure: str) -> Style:
        dash = _DASHES[fusions.index(fusion) % len(_DASHES)]
        if measure == _NO_PENALTY:
            return Style(NEUTRAL, f"{_SYMBOLS[fusions.index(fusion) % len(_SYMBOLS)]}-open", dash)
        rank = measures.index(measure)
        return Style(_CYCLE[rank % len(_CYCLE)], _SYMBOLS[rank % len(_SYMBOLS)], dash)

    return {(fusion, measure): style(fusion, measure) for fusion, measure in known}


def nth_style(rank: int) -> Style:
    """Return a style of its own for each of the first 64 ranks: no two share both colour and symbol."""
    size = len(_CYCLE)
    return Style(_CYCLE[rank % size], _SYMBOLS[(rank + rank // size) % len(_SYMBOLS)], "solid")


def faded(colour: str, share: float) -> str:
    """Return a colour with transparency."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def rounded(values: Iterable[float | None], digits: int = 5) -> list[float | None]:
    """Return numbers with so many significant digits; ``None`` for values that are not finite.

    >>> rounded([0.123456789, None, float("nan")])
    [0.12346, None, None]
    """
    return [None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}") for value in values]


def plain_text(text: str) -> str:
    """Return text with its markup escaped, because plotly reads a few HTML tags in labels.

    >>> plain_text("<b>loud</b> & clear")
    '&lt;b&gt;loud&lt;/b&gt; &amp; clear'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def drawn(traces: Sequence[Any], **layout: Any) -> go.Figure:
    """Return a figure without a template; the page and the files add their own."""
    common: dict[str, Any] = {
        "template": "none",
        "dragmode": False,
        "height": 420,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "margin": {"l": 60, "r": 16, "t": 24, "b": 56},
    }
    return go.Figure(data=list(traces), layout={**common, **layout})


def template(*, dark: bool) -> dict[str, Any]:
    """Return the layout for a light or a dark page, with transparent backgrounds."""
    ink, line = ("#e6e9ee", "#39424e") if dark else ("#1b1f24", "#d5dae0")
    axis = {"gridcolor": line, "linecolor": line, "zerolinecolor": ink, "tickcolor": line, "automargin": True}
    axis |= {"title": {"standoff": 12}}
    clear = "rgba(0,0,0,0)"
    return {
        "layout": {
            "font": {"family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", "size": 13, "color": ink},
            "paper_bgcolor": clear,
            "plot_bgcolor": clear,
            "xaxis": axis,
            "yaxis": axis,
            "colorway": list(_CYCLE),
            "hoverlabel": {"font": {"size": 13}, "namelength": -1},
        }
    }
