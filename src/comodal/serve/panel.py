"""The report with a panel that asks the server: HTML, style and script are packaged beside this file."""

from __future__ import annotations

from importlib.resources import files

from comodal.contracts import Findings
from comodal.reports.page import render_page

__all__ = ["live_page"]


def live_page(findings: Findings) -> str:
    """The page of :func:`~comodal.reports.page.render_page` with the panel; it may ask its own server, and no other."""
    return render_page(findings, panel=_part("html"), script=_part("js"), style=_part("css"))


def _part(ending: str) -> str:
    return (files("comodal.serve") / "static" / f"panel.{ending}").read_text(encoding="utf-8")
