"""One function an action of `comodal data`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from comodal.cli.progress import Bars
from comodal.contracts import InputError
from comodal.data.digests import source_digests
from comodal.data.download import download
from comodal.data.folds import read_folds, with_folds
from comodal.data.formats import Source
from comodal.data.inspection import Inspection, inspect
from comodal.data.load import open_source
from comodal.data.store import FORMAT, read_manifest, write_store
from comodal.data.text_states import with_word_states
from comodal.data.validation import ERROR, Finding, validate
from comodal.encoders.text_encoder import TextEncoder

__all__ = ["DATA_COMMANDS"]

_BLOCKS = " ▁▂▃▄▅▆▇█"


def _opened(options: Any) -> Source:
    source, _ = open_source(options.source)
    folds = _folds(options)
    return source if folds is None else with_folds(source, folds)


def _folds(options: Any) -> Mapping[str, tuple[str, ...]] | None:
    if options.folds is None:
        if options.folds_key is not None:
            raise InputError("--folds-key without --folds: give the file, too")
        return None
    return read_folds(Path(options.folds), options.folds_key)


def _inspect(options: Any) -> None:
    source = _opened(options)
    converted = source.format == FORMAT.name and not options.folds
    if converted:
        manifest = read_manifest(source.path)
        found, more = manifest.inspection, {"made from": manifest.format, "cleaned": str(manifest.cleaning)}
    else:
        with Bars() as bars:
            found = inspect(source, seen=bars.stage("reading", source.n_utterances))
        more = {}
    facts = {"format": source.format, **more, **source.facts}
    if options.json:
        notes = {name: division.note for name, division in source.divisions.items() if division.note}
        print(json.dumps({"path": str(source.path), "facts": facts, "notes": notes, **found.as_dict()}, indent=2))
        return
    _print_inspection(source, found, facts)


def _print_inspection(source: Source, found: Inspection, facts: Mapping[str, str]) -> None:
    console = Console()
    console.print(
        f"[bold]{escape(str(source.path))}[/bold]: {found.utterances} utterances of {found.groups} videos",
        soft_wrap=True,
    )
    for title, text in facts.items():
        console.print(f"  {escape(title)}: {escape(text)}", soft_wrap=True)
    for name, parts in found.splits.items():
        shown = ", ".join(f"{part} {count}" for part, count in sorted(parts.items()))
        console.print(f"  {escape(name)}: {escape(shown)}")
    table = Table()
    for title in ("features", "dim", "frames", "lengths", "absent", "constant", "not finite"):
        table.add_column(title)
    for name, each in found.features.items():
        low, middle, high = each.lengths
        table.add_row(
            escape(name),
            *(
                str(value)
                for value in (
                    each.dim,
                    each.frames,
                    f"{low}-{high}, median {middle}" if low < high else str(low),
                    each.absent,
                )
            ),
            str(len(each.constant_columns)),
            str(sum(each.non_finite.values())),
        )
    console.print(table)
    console.print(f"  labels {_histogram(found.labels)}  {_span(source, found)}", soft_wrap=True)
    for sentence, count in found.normalised.items():
        console.print(f"  {escape(sentence)}: {count}", soft_wrap=True)
    console.print(f"  ids: {escape(', '.join(found.first_ids))}, ...", soft_wrap=True)


def _histogram(counts: Sequence[int]) -> str:
    top = max([*counts, 1])
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // top)] for count in counts)


def _span(source: Source, found: Inspection) -> str:
    low, high = source.label_range
    bins = ", ".join(map(str, found.labels))
    seen = "none" if found.label_span is None else "{:g} to {:g}".format(*found.label_span)
    return f"{seen} (legal {low:g} to {high:g}); in {len(found.labels)} equal bins: {bins}"


def _validate(options: Any) -> int:
    source, _ = open_source(options.source)
    folds = _folds(options)
    if folds is not None and not source.divisions:
        source = with_folds(source, folds)
    with Bars() as bars:
        found, findings = validate(source, folds=folds, seen=bars.stage("checking", source.n_utterances))
    errors = sum(finding.severity == ERROR for finding in findings)
    if options.json:
        plain = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"utterances": found.utterances, "errors": errors, "findings": plain}, indent=2))
    else:
        _print_findings(source, found, findings)
    return int(errors > 0)


def _print_findings(source: Source, found: Inspection, findings: Sequence[Finding]) -> None:
    console = Console()
    for finding in findings:
        shown = f" (first: {', '.join(finding.examples)})" if finding.examples else ""
        text = f"{finding.severity}: {finding.check}: {finding.message}: {finding.count}{shown}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    wrong = sum(finding.severity == ERROR for finding in findings)
    verdict = "nothing is wrong" if not wrong else f"{wrong} error{'s' * (wrong > 1)}"
    console.print(f"{source.path}: {found.utterances} utterances, {verdict}", markup=False, soft_wrap=True)


def _convert(options: Any) -> None:
    source = _opened(options)
    if Path(options.folder).exists():  # before a source of some gigabytes is read
        raise InputError(f"{options.folder}: exists already; choose another folder, or remove it first")
    if not options.json and "memory" in source.facts:
        Console(stderr=True).print(f"{source.path}: {source.facts['memory']}", markup=False, soft_wrap=True)
    if options.encode_text is not None:
        source = with_word_states(source, TextEncoder(options.encode_text))
    digests = source_digests(source.files or (source.path,))
    with Bars() as bars:
        seen = bars.stage("converting", source.n_utterances)
        manifest = write_store(source, Path(options.folder), digests=digests, seen=seen)
    if options.json:
        print(manifest.as_json())
        return
    console = Console()
    for sentence, count in manifest.inspection.normalised.items():
        console.print(f"{sentence}: {count}", markup=False, soft_wrap=True)
    text = f"{options.folder}: {manifest.utterances} utterances of {source.format}; {manifest.cleaning}"
    console.print(text, markup=False, soft_wrap=True)


def _download(options: Any) -> None:
    with Bars() as bars:
        done = download(options.name, Path(options.to), catalog=options.catalog, progress=bars.stage)
    if options.json:
        print(json.dumps([dataclasses.asdict(each) for each in done], indent=2, default=str))
        return
    for each in done:
        Console().print(str(each), markup=False, soft_wrap=True)


DATA_COMMANDS: dict[str, Callable[[Any], int | None]] = {
    "inspect": _inspect,
    "validate": _validate,
    "convert": _convert,
    "download": _download,
}
