"""Read comodal's own input: a table of samples (CSV or Parquet) and one npz or safetensors file per modality."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.formats.feature_file import Features, open_features
from comodal.data.formats.interface import Block, Format, Source
from comodal.data.formats.names import canonical_modality, files_beside, in_order
from comodal.data.formats.table_file import header, read_table
from comodal.data.formats.table_samples import TableSamples, samples_of
from comodal.data.formats.texts import damaged

__all__ = ["FORMAT", "open_source", "recognises"]

_TABLES = ("samples.csv", "samples.parquet", "utterances.csv", "utterances.parquet")
_FEATURES = (".npz", ".safetensors")
_ROWS = 512


def recognises(path: Path) -> bool:
    """Whether a path is a folder with a table ``samples`` or ``utterances``, or a table with a column id."""
    try:
        if path.is_dir():
            return any((path / name).is_file() for name in _TABLES)
        return path.is_file() and "id" in header(path)
    except OSError:
        return False


def open_source(path: Path) -> Source:
    """Read the table and look into the files of features; every label is NaN where the table has none."""
    file = _table_in(path)
    samples = samples_of(read_table(file))
    names = _feature_files(file)
    features = {name: open_features(names[name], samples.written) for name in in_order(list(names))}
    found = samples.labels
    return Source(
        path=path,
        format="table",
        dims={name: each.dim for name, each in features.items()},
        divisions=samples.divisions,
        blocks=lambda wanted: _blocks(samples, features, wanted),
        n_samples=len(samples.block),
        task=found.task,
        label=samples.label,
        labels=found.labels,
        files=(file, *(each.path for each in features.values())),
        facts={**samples.facts, **({"label range": found.fact} if found.fact else {})},
    )


def _table_in(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [path / name for name in _TABLES if (path / name).is_file()]
    if len(found) != 1:
        problem = f"{len(found)} of {' and '.join(_TABLES)} are there"
        raise damaged(path, problem, remedy="keep one of them", code="duplicate")
    return found[0]


def _feature_files(table: Path) -> dict[str, Path]:
    """Return modality to file, by the names of the files beside the table."""
    found: dict[str, Path] = {}
    for file in files_beside(table):
        if file.suffix.lower() in _FEATURES and not file.name.startswith("."):
            name = canonical_modality(file.stem)
            if name in found:
                problem = f"{found[name].name} holds the features of {name!r} too"
                raise damaged(file, problem, remedy="keep one of them", code="duplicate")
            found[name] = file
    if not found:
        problem = f"no features beside {table.name}"
        raise damaged(table.parent, problem, remedy="add text.npz, audio.npz, ...", code="missing")
    return found


def _blocks(samples: TableSamples, features: Mapping[str, Features], wanted: Collection[str]) -> Iterator[Block]:
    whole = samples.block
    for name in wanted:
        if name not in features:
            raise InputError.unknown("features", name, features)
    spans = [(start, min(start + _ROWS, len(whole))) for start in range(0, len(whole), _ROWS)]
    read = {name: features[name].blocks(spans) for name in wanted}
    for span in spans:
        rows = slice(*span)
        changed = {what: int(which[rows].sum()) for what, which in samples.changed.items()}
        modalities = {}
        for name in wanted:
            modalities[name], said = next(read[name])
            absent = int((features[name].place[rows] < 0).sum())
            changed[f"{name}: no features for the id, taken as absent"] = absent
            changed[f"{name}: {said}"] = len(modalities[name]) if said else 0
        yield replace(
            whole,
            id=whole.id[rows],
            group=whole.group[rows],
            target=whole.target[rows],
            modalities=modalities,
            columns={name: column[rows] for name, column in whole.columns.items()},
            transcript=None if whole.transcript is None else whole.transcript[rows],
            normalised={what: count for what, count in changed.items() if count},
        )


FORMAT = Format("table", recognises, open_source)
