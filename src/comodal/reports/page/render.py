"""Render findings as one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from comodal.contracts import Findings, InputError
from comodal.reports.page.cards import Card, cards_of
from comodal.reports.page.glance import glance, missing_parts

__all__ = ["LinkedPart", "content_policy", "render_figures", "render_page"]

_SCRIPTS = ("basics.js", "figures.js", "samples.js", "detail.js", "start.js")


def render_page(findings: Findings, *, panel: str = "", script: str = "", style: str = "") -> str:
    """Return the page: every part of the findings, and for every missing part the command that makes it.

    The page loads nothing over a network: it contains plotly, figures and data, and its content security policy
    forbids requests. All text from data is escaped, or set as text by the page's script.

    Args:
        findings: what is known of a run or comparison.
        panel: HTML of a live panel, a ``<section>`` inserted below the summary without escaping. With a panel the
            page may send requests to its own server, and to no other.
        script: JavaScript of the panel, run after the page's own.
        style: CSS of the panel, after the page's own.

    Returns:
        The whole document.

    Raises:
        InputError: jinja2 or plotly is not installed (``needs_package``).
    """
    cards = cards_of(findings)
    from comodal.reports.page.embedded import page_data  # noqa: PLC0415 - needs plotly, checked above

    scripts = [_own_script()] + ([script] if script else [])
    if any("</script" in each.lower() for each in scripts):
        raise InputError("the panel's script holds '</script', which ends it early; write '<\\/script'", code="unsafe")
    parts = {"findings": findings, "cards": cards, "panel": panel, "style": _asset("style.css") + style}
    data = page_data(findings, cards)
    return _document("page.html.j2", scripts, data, live=bool(panel), **parts, **_texts(findings))


@dataclass(frozen=True)
class LinkedPart:
    """A section with sentences, and the page beside this one that holds the rest."""

    title: str
    sentences: Sequence[str]
    link: str
    page: str


def render_figures(
    cards: Mapping[str, Card], *, title: str, notes: Sequence[str] = (), parts: Sequence[LinkedPart] = ()
) -> str:
    """Return a page of figures, then sections with links, with the choices, themes and rules of :func:`render_page`."""
    from comodal.reports.page.embedded import figure_data  # noqa: PLC0415 - needs plotly

    shown = {"cards": cards, "title": title, "notes": notes, "parts": parts, "style": _asset("style.css")}
    return _document("figures.html.j2", [_own_script()], figure_data(cards), live=False, **shown)


def content_policy(scripts: list[str], *, live: bool) -> str:
    """Return the content security policy: exactly these scripts run, and nothing is loaded over a network."""
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    rules = [
        "default-src 'none'",
        f"script-src {allowed} blob:",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "connect-src 'self'" if live else "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _texts(findings: Findings) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415

    from comodal.reports.breakdown_report import breakdown_tables  # noqa: PLC0415
    from comodal.reports.number_text import explanation  # noqa: PLC0415
    from comodal.reports.page.tables import comparison_tables, pairing_table, splits_table  # noqa: PLC0415

    config = yaml.safe_dump(dict(findings.config), sort_keys=False, allow_unicode=True) if findings.config else ""
    return {
        "glance": glance(findings),
        "missing": missing_parts(findings),
        "comparison": comparison_tables(findings.rows, findings.replication),
        "notes": explanation(findings.rows) if findings.rows else [],
        "breakdown": breakdown_tables(findings.breakdown),
        "pairing": pairing_table(findings.pairing),
        "splits": splits_table(findings.data.splits),
        "config": config,
        "versions": yaml.safe_dump(dict(findings.versions), sort_keys=False, allow_unicode=True),
    }


def _document(template: str, scripts: list[str], data: str, *, live: bool, **parts: Any) -> str:
    from comodal.reports.page.embedded import packed  # noqa: PLC0415 - needs plotly

    policy, plotly = content_policy(scripts, live=live), packed(_plotly())
    found: str = _template(template).render(scripts=scripts, policy=policy, plotly=plotly, data=packed(data), **parts)
    return found


def _template(name: str) -> Any:
    try:
        import jinja2  # noqa: PLC0415
    except ImportError as error:
        raise InputError.needs_extra("report", "HTML reports") from error
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _own_script() -> str:
    """Return the parts of the script in one function, so that their names are not global."""
    return "\n".join(['(() => {\n"use strict";', *map(_asset, _SCRIPTS), "})();\n"])


def _asset(name: str) -> str:
    return (files("comodal.reports.page") / "templates" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    return str(get_plotlyjs())
