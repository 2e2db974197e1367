"""`comodal data inspect`, `validate`, `convert` and `download`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from comodal.cli.options import Folds, FoldsKey, Json, LabelName, Source, TaskName
from comodal.cli.screen import print_json, progress_bars
from comodal.contracts.errors import InputError

if TYPE_CHECKING:
    from comodal.data.formats import Source as OpenedSource
    from comodal.data.inspection import Inspection

__all__ = ["convert", "download", "inspect", "validate"]

_BLOCKS = " ▁▂▃▄▅▆▇█"


def inspect(
    source: Source,
    *,
    label: LabelName = None,
    task: TaskName = None,
    folds: Folds = None,
    folds_key: FoldsKey = None,
    json: Json = False,
) -> None:
    """Show what a data source holds.

    Prints format, features, splits, lengths, labels, and what cleaning would change.

    Example: comodal data inspect mosei_senti_data.pkl
    """
    from comodal.data.inspection import examine
    from comodal.data.manifest import read_manifest
    from comodal.data.store import FORMAT

    opened = _opened(source, folds, folds_key, label=label, task=task)
    columns: list[str] = []
    if opened.format == FORMAT.name and not (folds or label or task):
        manifest = read_manifest(opened.path)
        found, more = manifest.inspection, {"made from": manifest.format, "cleaned": str(manifest.cleaning)}
    else:
        with progress_bars() as stage:
            found, samples = examine(opened, seen=stage("reading", opened.n_samples))
        columns, more = list(samples.columns), {}
    facts = {"format": opened.format, **more, **opened.facts}
    offered = {name: label.to_dict() for name, label in opened.labels.items() if name}
    if json:
        notes = {name: division.note for name, division in opened.divisions.items() if division.note}
        print_json({"path": opened.path, "facts": facts, "notes": notes, "offered": offered, **asdict(found)})
        return
    _print_inspection(opened, found, {**facts, **_offers(source, opened, columns)})


def validate(
    source: Source,
    *,
    label: LabelName = None,
    task: TaskName = None,
    folds: Folds = None,
    folds_key: FoldsKey = None,
    json: Json = False,
) -> int:
    """Check a data source; the exit status is 1 when an error is found.

    Checks ids, labels, features, splits that share a group or a transcript, damage of a converted data set, and the
    partition against lists of groups.

    Example: comodal data validate runs/mosi --folds folds.json
    """
    from comodal.data.checks import validate as validate_source
    from comodal.data.folds import with_folds
    from comodal.data.load import open_source
    from comodal.data.rules import ERROR
    from comodal.data.store import FORMAT, changed_files

    opened, _ = open_source(source, label=label, task=task)
    lists = _folds(folds, folds_key)
    if lists is not None and not opened.divisions:
        opened = with_folds(opened, lists)
    with progress_bars() as stage:
        changed = changed_files(opened.path) if opened.format == FORMAT.name else ()
        seen = stage("checking", opened.n_samples)
        found, findings = validate_source(opened, folds=lists, changed_files=changed, seen=seen)
    errors = sum(finding.severity == ERROR for finding in findings)
    if json:
        print_json({"samples": found.samples, "errors": errors, "findings": [asdict(each) for each in findings]})
        return int(errors > 0)
    for each in findings:
        examples = f" (first: {', '.join(each.examples)})" if each.examples else ""
        print(f"{each.severity}: {each.check}: {each.message}: {each.count}{examples}")
    verdict = "nothing is wrong" if not errors else f"{errors} error{'s' * (errors > 1)}"
    print(f"{opened.path}: {found.samples} samples, {verdict}")
    return int(errors > 0)


def convert(
    source: Source,
    folder: Annotated[str, "folder to write; must not exist"],
    *,
    encode_text: Annotated[
        str | None,
        "folder or name of a pretrained encoder; adds features `text_words`, one hidden state per word",
    ] = None,
    label: LabelName = None,
    task: TaskName = None,
    folds: Folds = None,
    folds_key: FoldsKey = None,
    json: Json = False,
) -> None:
    """Convert a data source to a folder that opens at once.

    The source is read once and cleaned by stated rules. Frames stay on disk until they are needed. An interrupted
    conversion leaves no folder.

    Example: comodal data convert unaligned_50.pkl data/mosei
    """
    from comodal.data.cache import source_digests
    from comodal.data.store import write_store

    opened = _opened(source, folds, folds_key, label=label, task=task)
    if Path(folder).exists():  # before a source of some gigabytes is read
        raise InputError(f"{folder}: exists already; choose another folder, or remove it first", code="exists")
    if not json and "memory" in opened.facts:
        print(f"{opened.path}: {opened.facts['memory']}", file=sys.stderr)
    if encode_text is not None:
        from comodal.data.text_states import with_word_states
        from comodal.encoders.language_model import TextEncoder

        opened = with_word_states(opened, TextEncoder(encode_text))
    digests = source_digests(opened.files or ([opened.path] if opened.path.exists() else []))
    with progress_bars() as stage:
        seen = stage("converting", opened.n_samples)
        manifest = write_store(opened, Path(folder), digests=digests, seen=seen)
    if json:
        print(manifest.as_json())
        return
    for sentence, count in manifest.inspection.normalised.items():
        print(f"{sentence}: {count}")
    unlabelled = manifest.inspection.unlabelled
    kept = f"{manifest.samples} samples{f', {unlabelled} of them without a label,' if unlabelled else ''}"
    print(f"{folder}: {kept} of {opened.format}; {manifest.cleaning}")


def download(
    name: Annotated[str, "mosi, mosei, or another name in the list of locations"],
    *,
    to: Annotated[str, "folder for the files"],
    catalog: Annotated[str | None, "YAML list of locations to use instead of the packaged one"] = None,
    json: Json = False,
) -> None:
    """Download CMU-MOSI or CMU-MOSEI from public locations.

    Files without a public location are listed with the command that downloads them by hand.

    Example: comodal data download mosi --to data/mosi
    """
    from comodal.data import download as downloads

    with progress_bars() as stage:
        done = downloads.download(name, Path(to), catalog=catalog, progress=stage)
    if json:
        print_json([asdict(each) for each in done])
        return
    print(*done, sep="\n")


def _opened(source: str, folds: str | None, key: str | None, *, label: str | None, task: str | None) -> OpenedSource:
    from comodal.data.folds import with_folds
    from comodal.data.labels import with_label
    from comodal.data.load import find_source

    opened, _ = find_source(source)
    if label is not None or task is not None or opened.own_task is not None:
        opened = with_label(opened, label=label, task=task)
    lists = _folds(folds, key)
    return opened if lists is None else with_folds(opened, lists)


def _folds(file: str | None, key: str | None) -> Mapping[str, tuple[str, ...]] | None:
    from comodal.data.folds import read_folds

    if file is None:
        if key is not None:
            raise InputError(f"--folds-key {key} without --folds: give the file, too", code="conflict")
        return None
    return read_folds(Path(file), key)


def _print_inspection(source: OpenedSource, found: Inspection, facts: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    print(f"{source.path}: {found.samples} samples of {found.groups} groups")
    for title, text in facts.items():
        print(f"  {title}: {text}")
    for name, parts in found.splits.items():
        print(f"  {name}: {_counted(parts, found.unlabelled_parts[name])}")
    table = Table("features", "dim", "frames", "lengths", "absent", "constant", "not finite")
    for name, each in found.features.items():
        low, middle, high = each.lengths
        lengths = f"{low}-{high}, median {middle}" if low < high else str(low)
        counts = each.absent, len(each.constant_columns), sum(each.non_finite.values())
        table.add_row(escape(name), str(each.dim), str(each.frames), lengths, *map(str, counts))
    Console().print(table)
    print(
        f"  labels {_histogram(found.labels)}  {_span(source, found)}" if not found.classes else _classes(source, found)
    )
    if found.unlabelled:
        print(f"  without a label: {found.unlabelled} of {found.samples}")
    for sentence, count in found.normalised.items():
        print(f"  {sentence}: {count}")
    print(f"  ids: {', '.join(found.first_ids)}, ...")


def _counted(parts: Mapping[str, int], unlabelled: Mapping[str, int]) -> str:
    said = {part: f" ({count} without a label)" for part, count in unlabelled.items()}
    return ", ".join(f"{part} {count}{said.get(part, '')}" for part, count in sorted(parts.items()))


def _offers(name: str, source: OpenedSource, columns: Sequence[str]) -> dict[str, str]:
    """Return what to tell of the labels that can be chosen, and of other columns, of which that is true of a file."""
    labels = [label for label in source.labels if label]
    held = {column for label in source.labels.values() for column in label.columns}
    divided = {division.column for division in source.divisions.values()}
    others = [column for column in columns if column not in held | divided]
    facts = {"labels": ", ".join(f"{each} (predicted)" if each == source.label else each for each in labels)}
    if choices := [each for each in labels if each != source.label]:
        facts["to choose one"] = f"comodal data inspect {name} --label {choices[0]}"
    facts["other columns"] = ", ".join(others)
    return {title: text for title, text in facts.items() if text}


def _classes(source: OpenedSource, found: Inspection) -> str:
    label = f"label {source.label}, " if source.label else ""
    counts = ", ".join(f"{name} {count}" for name, count in found.classes.items())
    none = f"; {found.none_of_classes} with none of them" if found.none_of_classes else ""
    return f"  {label}{source.task.kind}: {counts}{none}"


def _histogram(counts: Sequence[int]) -> str:
    top = max([*counts, 1])
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // top)] for count in counts)


def _span(source: OpenedSource, found: Inspection) -> str:
    low, high = source.task.label_range
    bins = ", ".join(map(str, found.labels))
    seen = "none" if found.label_span is None else "{:g} to {:g}".format(*found.label_span)
    return f"{seen} (legal {low:g} to {high:g}); in {len(found.labels)} equal bins: {bins}"
