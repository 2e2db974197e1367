"""`comodal report`: from parsed options to a page, and to figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comodal.atomic_write import write_text
from comodal.cli.parser import words
from comodal.contracts import InputError
from comodal.evaluation.gather import gather
from comodal.reports.page import render_page, write_figures
from comodal.reports.page.glance import missing_parts

__all__ = ["report_command"]


def report_command(options: Any) -> None:
    """Write the page, then the figures, and say what the page lacks."""
    out = Path(options.out)
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the page a name (-o report.html)")
    if out.exists() and not options.force:
        raise InputError(f"{out}: exists; give another name (-o), or --force to overwrite it")
    findings = gather(*options.folders, source=options.data)
    page = render_page(findings)
    write_text(out, page)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    for part, command in missing_parts(findings).items():
        print(f"  without {part}: {command}")
    if options.figures:
        written = write_figures(findings, options.figures, words(options.formats), force=options.force)
        print(f"{options.figures}: {len(written)} files")
