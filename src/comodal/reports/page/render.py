"""Findings -> one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from comodal.contracts import Findings, InputError
from comodal.reports.page.cards import cards_of
from comodal.reports.page.glance import glance, missing_parts

__all__ = ["content_policy", "render_page"]

_SCRIPTS = ("basics.js", "figures.js", "utterances.js", "detail.js", "start.js")


def render_page(findings: Findings, *, panel: str = "", script: str = "", style: str = "") -> str:
    """A page with every part that the findings hold, and for every part they lack the command that makes it.

    The page asks for nothing from a network: plotly, figures and data are packed into it, and its content security
    policy forbids requests. All text from data is escaped, or set as text by the page's script.

    Args:
        findings: what is known of a run or comparison.
        panel: HTML of a live panel, a ``<section>`` put as it is below the summary; whoever gives it escapes it. With
            a panel the page may ask the server that it came from, and no other.
        script: JavaScript of the panel, run after the page's own.
        style: CSS of the panel, after the page's own.

    Returns:
        The whole document.

    Raises:
        InputError: jinja2 or plotly is not installed.
    """
    cards = cards_of(findings)
    from comodal.reports.page.embedded import packed, page_data  # noqa: PLC0415 - needs plotly, checked above

    scripts = [_own_script()] + ([script] if script else [])
    if any("</script" in each.lower() for each in scripts):
        raise InputError("the panel's script holds '</script', which would end it early; write '<\\/script'")
    page: str = _page().render(
        findings=findings,
        cards=cards,
        panel=panel,
        scripts=scripts,
        policy=content_policy(scripts, live=bool(panel)),
        style=_asset("style.css") + style,
        plotly=packed(_plotly()),
        data=packed(page_data(findings, cards)),
        **_texts(findings),
    )
    return page


def content_policy(scripts: list[str], *, live: bool) -> str:
    """What the page may do: run exactly these scripts, and nothing over a network.

    >>> "default-src 'none'" in content_policy(["1"], live=False)
    True
    """
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

    from comodal.reports.number_text import explanation  # noqa: PLC0415
    from comodal.reports.page.tables import comparison_tables, pairing_table, splits_table  # noqa: PLC0415

    config = yaml.safe_dump(dict(findings.config), sort_keys=False, allow_unicode=True) if findings.config else ""
    return {
        "glance": glance(findings),
        "missing": missing_parts(findings),
        "comparison": comparison_tables(findings.rows, findings.replication),
        "notes": explanation(findings.rows) if findings.rows else [],
        "pairing": pairing_table(findings.pairing),
        "splits": splits_table(findings.data.splits),
        "config": config,
        "versions": yaml.safe_dump(dict(findings.versions), sort_keys=False, allow_unicode=True),
    }


def _page() -> Any:
    try:
        import jinja2  # noqa: PLC0415
    except ImportError as error:
        raise InputError('jinja2 is not installed and the report needs it: pip install "comodal[report]"') from error
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _own_script() -> str:
    """The parts of the script in one function: they share their names with each other and with nobody else."""
    return "\n".join(['(() => {\n"use strict";', *map(_asset, _SCRIPTS), "})();\n"])


def _asset(name: str) -> str:
    return (files("comodal.reports.page") / "templates" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    return str(get_plotlyjs())
