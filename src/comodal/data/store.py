"""The data set on disk: one folder of Arrow files and a description.

``dataset.json`` says what it is; ``utterances.arrow`` holds ids, groups, labels, transcripts and the columns of every
protocol; ``features/*.arrow`` one feature set each, mapped and not read. So a set of several protocols or feature sets
is stored once, and what is not asked for is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError
from comodal.data.arrow import read_columns, read_ragged, write_columns, write_ragged
from comodal.data.assemble import partitions_of
from comodal.data.cleaning import fill
from comodal.data.cleaning_report import CleaningReport
from comodal.data.dataset import Partition
from comodal.data.formats.interface import Block, Format, Source
from comodal.data.inspection import Inspector, watched
from comodal.data.manifest import MANIFEST, Manifest, manifest_file, read_manifest, recognises
from comodal.data.spool import Spool
from comodal.data.whole_folder import whole_folder

__all__ = ["FORMAT", "Manifest", "open_store", "read_manifest", "recognises", "write_store"]

_UTTERANCES = "utterances.arrow"
_REQUIRED = ("id", "group", "target")
_TRANSCRIPT = "transcript"
_COLUMN = "column."
"""Before the names of further columns, one of which may be called ``id``."""


def write_store(
    source: Source,
    folder: Path,
    *,
    digests: Mapping[str, str] | None = None,
    seen: Callable[[int], None] | None = None,
) -> Manifest:
    """Convert a source, a block at a time; the folder is there whole at the end or not at all.

    On the way in, utterances without label are dropped, labels beyond the range are moved to its edge, and non-finite
    features become the median of their finite train frames (the rules of :func:`comodal.data.cleaning.clean`; train is
    that of the first protocol, all utterances where there is none).

    Args:
        source: what a reader opened.
        folder: what to make.
        digests: name of each file of the source to its SHA-256.
        seen: called with the number of utterances of each block, for a progress bar.

    Returns:
        What was written.

    Raises:
        InputError: the folder exists, the disk is full, or the source is damaged; then nothing is left behind.
    """
    try:
        with whole_folder(folder) as partial:
            return _write(source, partial, digests or {}, seen)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or choose another folder"
        ) from error


def _write(source: Source, folder: Path, digests: Mapping[str, str], seen: Callable[[int], None] | None) -> Manifest:
    inspector, rows = Inspector(source), _Rows(source)
    spools = {name: Spool(folder / f"{k}.frames", dim) for k, (name, dim) in enumerate(source.dims.items())}
    for block in watched(_read(source), seen):
        inspector.add(block)
        _append(spools, rows.add(block))
    columns = rows.columns()
    partitions = _default_partitions(source, columns)
    manifest = Manifest(
        name=source.name or source.path.stem,
        format=source.format,
        source=dict(digests),
        utterances=len(columns["id"]),
        dims=dict(source.dims),
        files={},
        label_range=source.label_range,
        divisions=dict(source.divisions),
        defaults=source.defaults,
        cleaning=CleaningReport(len(columns["id"]), tuple(rows.dropped), rows.clipped, {}, {}),
        inspection=inspector.finish(),
        facts=dict(source.facts),
    )
    manifest = _features(manifest, spools, partitions, folder)
    files = {_UTTERANCES: _table(folder / _UTTERANCES, columns, source), **manifest.files}
    text = replace(manifest, files=files).as_json()
    write_atomic(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))
    return Manifest.from_json(text)


def _read(source: Source) -> Iterator[Block]:
    """All blocks; an error of reading shall not pass for one of writing."""
    try:
        yield from source.blocks(list(source.dims))
    except OSError as error:
        raise InputError(f"{source.path}: cannot be read ({error.strerror or error}); check the file") from error


def _table(path: Path, columns: Mapping[str, NDArray[Any]], source: Source) -> str:
    try:
        return write_columns(path, columns)
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from error


def _append(spools: Mapping[str, Spool], block: Block) -> None:
    for name, spool in spools.items():
        spool.append(block.modalities[name])


def _features(
    manifest: Manifest, spools: Mapping[str, Spool], partitions: tuple[Partition, ...], folder: Path
) -> Manifest:
    """Clean what was spooled, and write it as it stays."""
    files, values, utterances = {}, {}, {}
    for name, spool in spools.items():
        path = folder / manifest.feature_file(name)
        path.parent.mkdir(exist_ok=True)
        files[manifest.feature_file(name)], values[name], utterances[name] = _feature(path, name, spool, partitions)
        spool.path.unlink()  # when nothing maps it any more, which Windows would mind
    cleaning = replace(manifest.cleaning, replaced_values=values, replaced_utterances=utterances)
    return replace(manifest, files=files, cleaning=cleaning)


def _feature(path: Path, name: str, spool: Spool, partitions: tuple[Partition, ...]) -> tuple[str, int, int]:
    array = spool.array()
    values, utterances = fill(array, partitions)
    return write_ragged(path, name, array), values, utterances


def _default_partitions(source: Source, columns: Mapping[str, NDArray[Any]]) -> tuple[Partition, ...]:
    if not source.divisions:
        return ()
    name, division = next(iter(source.divisions.items()))
    return partitions_of(columns[_COLUMN + division.column], division, name=name)[1]


class _Rows:
    """Everything of the utterances but their features."""

    def __init__(self, source: Source) -> None:
        self._range = source.label_range
        self._where = source.path
        self._blocks: list[dict[str, NDArray[Any]]] = []
        self.dropped: list[str] = []
        self.clipped = 0

    def add(self, block: Block) -> Block:
        """Keep the columns of the utterances that have a label; these are given back."""
        labelled = np.isfinite(block.target)
        if not labelled.all():
            self.dropped += [str(each) for each in block.id[~labelled]]
            block = _take(block, np.flatnonzero(labelled))
        low, high = (np.float32(limit) for limit in self._range)
        given = np.asarray(block.target, dtype=np.float32)
        target = np.clip(given, low, high)
        self.clipped += int((target != given).sum())
        columns = {"id": block.id, "group": block.group, "target": target}
        if block.transcript is not None:
            columns[_TRANSCRIPT] = block.transcript
        self._blocks.append(columns | {_COLUMN + name: column for name, column in block.columns.items()})
        return block

    def columns(self) -> dict[str, NDArray[Any]]:
        """All blocks below each other."""
        blocks = [block for block in self._blocks if len(block["id"])]
        if not blocks:
            raise InputError(f"{self._where}: no utterance with a label; give a source with at least one")
        if any(set(block) != set(blocks[0]) for block in blocks):
            raise InputError(f"{self._where}: splits hold different columns; get the file again")
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _take(block: Block, rows: NDArray[np.int64]) -> Block:
    return replace(
        block,
        id=block.id[rows],
        group=block.group[rows],
        target=block.target[rows],
        modalities={name: array.take(rows) for name, array in block.modalities.items()},
        columns={name: column[rows] for name, column in block.columns.items()},
        transcript=None if block.transcript is None else block.transcript[rows],
    )


def open_store(path: Path) -> Source:
    """A converted data set as a source of one block, whose features stay on disk until they are touched.

    Raises:
        InputError: its description is damaged.
    """
    manifest = read_manifest(path)
    folder = manifest_file(path).parent

    def blocks(features: Collection[str]) -> Iterator[Block]:
        yield _block(folder, manifest, features)

    return Source(
        path=path,
        format="comodal",
        dims=manifest.dims,
        divisions=manifest.divisions,
        blocks=blocks,
        n_utterances=manifest.utterances,
        label_range=manifest.label_range,
        streams=True,
        defaults=manifest.defaults,
        files=(folder / MANIFEST, *(folder / name for name in manifest.files)),
        facts=manifest.facts,
        name=manifest.name,
        cleaning=manifest.cleaning if manifest.cleaning.changed else None,
    )


def _block(folder: Path, manifest: Manifest, features: Collection[str]) -> Block:
    table = read_columns(folder / _UTTERANCES, text=(_TRANSCRIPT,))
    divided = {_COLUMN + division.column for division in manifest.divisions.values()}
    lacking = sorted({*_REQUIRED, *divided} - set(table))
    if lacking or len(table["id"]) != manifest.utterances:
        what = f"no column {lacking[0]!r}" if lacking else f"not {manifest.utterances} utterances"
        raise InputError(f"{folder / _UTTERANCES}: {what}; convert the data set again")
    arrays = {
        name: read_ragged(folder / manifest.feature_file(name), dim=manifest.dims[name], name=name) for name in features
    }
    try:
        return Block(
            id=table["id"],
            group=table["group"],
            target=table["target"],
            modalities=arrays,
            columns={n.removeprefix(_COLUMN): column for n, column in table.items() if n.startswith(_COLUMN)},
            transcript=table.get(_TRANSCRIPT),
        )
    except InputError as error:
        raise InputError(f"{folder}: {error}; convert the data set again") from error


FORMAT = Format(
    name="comodal",
    files="a folder made by `comodal data convert`",
    recognises=recognises,
    open=open_store,
)
