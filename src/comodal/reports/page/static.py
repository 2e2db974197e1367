"""Write figures as files for papers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from comodal.contracts import Findings, InputError
from comodal.reports.page.cards import Card, cards_of

__all__ = ["FORMATS", "write_figures"]

FORMATS: tuple[str, ...] = ("svg", "pdf", "png")
_WIDTH, _PNG_SCALE = 760, 2


def write_figures(
    findings: Findings | Mapping[str, Card],
    folder: str | Path,
    formats: Sequence[str] = FORMATS,
    *,
    only: Collection[str] = (),
    force: bool = False,
) -> list[Path]:
    """Write every variant of every figure, drawn on white.

    Plotly's exporter, kaleido, draws them in a headless Chrome or Chromium, so that files look like the page.

    Args:
        findings: of a run or comparison; or name to figure.
        folder: created when missing.
        formats: of ``FORMATS``.
        only: names of figures; all of them when empty.
        force: whether existing files are replaced.

    Returns:
        The files, ``NAME--VARIANT.FORMAT``.

    Raises:
        InputError: unknown format or figure, nothing to draw, an existing file, no Chrome, or kaleido not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise InputError.unknown("figure format", name, FORMATS)
    cards = findings if isinstance(findings, Mapping) else cards_of(findings)
    if isinstance(findings, Findings) and not cards:
        raise InputError(f"{findings.title}: nothing to draw; run `comodal compare` first", code="empty")
    tasks = _tasks(cards, Path(folder), formats, only)
    existing = [task["path"] for task in tasks if task["path"].exists()]
    if existing and not force:
        raise InputError(f"{existing[0]}: exists; give another folder, or --force to overwrite it", code="exists")
    Path(folder).mkdir(parents=True, exist_ok=True)
    _draw(tasks)
    return [task["path"] for task in tasks]


def _tasks(
    cards: Mapping[str, Card], folder: Path, formats: Sequence[str], only: Collection[str]
) -> list[dict[str, Any]]:
    from comodal.reports.page.theme import template  # noqa: PLC0415 - needs plotly, which cards_of asks for first

    for name in only:
        if name not in cards:
            raise InputError.unknown("figure", name, cards)
    chosen = [card for name, card in cards.items() if not only or name in only]
    light = template(dark=False)
    light["layout"] |= {"paper_bgcolor": "white", "plot_bgcolor": "white"}
    tasks = []
    for card in chosen:
        for key, figure in card.variants.items():
            plain = figure.to_plotly_json()
            plain["layout"]["template"] = light
            size = {"width": _WIDTH, "height": plain["layout"]["height"]}
            stem = "--".join([card.name, *map(_file_name, key)]) if len(card.variants) > 1 else card.name
            for name in formats:
                opts = {"format": name, **size, "scale": _PNG_SCALE if name == "png" else 1}
                tasks.append({"fig": plain, "path": folder / f"{stem}.{name}", "opts": opts})
    return tasks


def _file_name(text: str) -> str:
    """Return text as part of a file name."""
    return re.sub(r"[^\w.]+", "-", text).strip("-")


def _draw(tasks: Sequence[dict[str, Any]]) -> None:
    try:
        import kaleido  # noqa: PLC0415
        from choreographer.errors import ChromeNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise InputError.needs_extra("report", "figure files") from error
    # The default page would load MathJax over the network; no figure needs it.
    page = kaleido.PageGenerator(mathjax=False)
    try:
        failed = kaleido.write_fig_from_object_sync(list(tasks), kopts={"page_generator": page})
    except ChromeNotFoundError as error:
        raise InputError(
            "no Chrome or Chromium found, which draws figure files: install one "
            "(on Debian: apt-get install chromium) or name it in the environment variable BROWSER_PATH",
            code="unavailable",
        ) from error
    if failed:
        message = f"{len(failed)} of {len(tasks)} figures cannot be written: {failed[0]}"
        raise InputError(message, code="cannot_write")
