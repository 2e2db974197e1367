"""Convert a source to a folder, and open that folder as a source.

``dataset.json`` describes it; ``samples.parquet`` holds ids, groups, labels, transcripts, the columns of every protocol
and the number of frames per feature set; ``features/*.npy`` the frames of one feature set each. A set of several
protocols or feature sets is stored once, and what is not asked for is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import write_text
from comodal.contracts import InputError
from comodal.data.assemble import partitions_of
from comodal.data.atomic_folder import atomic_folder
from comodal.data.cleaning import clipped, labelled, replace_non_finite
from comodal.data.cleaning_report import CleaningReport
from comodal.data.dataset import Partition
from comodal.data.digests import digest
from comodal.data.formats.interface import Block, Format, Source
from comodal.data.inspection import Inspection, Inspector, read_blocks
from comodal.data.manifest import MANIFEST, Manifest, manifest_file, read_manifest, recognises
from comodal.data.sample_table import read_columns, write_columns
from comodal.data.stored_array import FrameWriter, StoredArray

__all__ = ["FORMAT", "Manifest", "changed_files", "open_store", "read_manifest", "recognises", "write_store"]

_SAMPLES = "samples.parquet"
_TRANSCRIPT = "transcript"
_COLUMN = "column."
"""Before the names of further columns, one of which may be called ``id``."""
_LENGTH = "frames."
"""Before the names of feature sets: frames of each sample."""
_REMEDY = "convert the data set again"


def write_store(
    source: Source,
    folder: Path,
    *,
    digests: Mapping[str, str] | None = None,
    seen: Callable[[int], None] | None = None,
) -> Manifest:
    """Convert a source, a block at a time; the folder is complete at the end or not there at all.

    On the way in, samples without label are dropped, labels beyond the range are moved to its edge, and non-finite
    features become the median of their finite train frames (:mod:`comodal.data.cleaning`; train is that of the first
    protocol, all samples where there is none).

    Args:
        source: what a reader opened.
        folder: what to make.
        digests: name of each file of the source to its SHA-256.
        seen: called with the number of samples of each block, for a progress bar.

    Returns:
        The description that was written.

    Raises:
        InputError: the folder exists, the disk is full, or the source is damaged; then nothing is left behind.
    """
    try:
        with atomic_folder(folder) as partial, ExitStack() as stack:
            (partial / "features").mkdir()
            writers = {
                name: stack.enter_context(FrameWriter(partial / "features" / f"{k}.npy", dim))
                for k, (name, dim) in enumerate(source.dims.items())
            }
            inspection, columns, report = _read(source, writers, seen)
            for name, writer in writers.items():
                columns[_LENGTH + name] = writer.lengths
            report = _repair(source, writers, columns, inspection, report)
            try:
                write_columns(partial / _SAMPLES, columns)
            except InputError as error:
                raise error.at(source.path) from error
            stored = [partial / _SAMPLES, *(writer.path for writer in writers.values())]
            files = {file.relative_to(partial).as_posix(): digest(file) for file in stored}
            manifest = _manifest(source, report, inspection, digests or {}, files)
            write_text(partial / MANIFEST, manifest.as_json())
            return manifest
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or choose another folder",
            code="cannot_write",
        ) from error


def _read(
    source: Source, writers: Mapping[str, FrameWriter], seen: Callable[[int], None] | None
) -> tuple[Inspection, dict[str, NDArray[Any]], CleaningReport]:
    """Write the frames of all blocks, and keep the columns; labels are repaired here."""
    inspector = Inspector(source)
    blocks: list[dict[str, NDArray[Any]]] = []
    dropped: list[str] = []
    moved = 0
    for block in read_blocks(source, inspector, seen=seen):
        rows = labelled(block.target)
        dropped += [str(each) for each in np.delete(block.id, rows)]
        target, count = clipped(block.target[rows], source.label_range)
        moved += count
        columns = {"id": block.id[rows], "group": block.group[rows], "target": target}
        if block.transcript is not None:
            columns[_TRANSCRIPT] = block.transcript[rows]
        columns |= {_COLUMN + name: column[rows] for name, column in block.columns.items()}
        for name, writer in writers.items():
            array = block.modalities[name]
            writer.append(array if len(rows) == len(block) else array.take(rows))
        if len(rows):
            blocks.append(columns)
    if not blocks:
        raise InputError(f"{source.path}: no sample with a label; give a source with at least one", code="empty")
    if any(set(each) != set(blocks[0]) for each in blocks):
        raise InputError(f"{source.path}: splits hold different columns; get the file again", code="damaged")
    columns = {name: np.concatenate([each[name] for each in blocks]) for name in blocks[0]}
    return inspector.finish(), columns, CleaningReport(len(columns["id"]), tuple(dropped), moved, {}, {})


def _repair(
    source: Source,
    writers: Mapping[str, FrameWriter],
    columns: Mapping[str, NDArray[Any]],
    inspection: Inspection,
    report: CleaningReport,
) -> CleaningReport:
    """Replace non-finite frames where there are any, finish the files, and return the completed report."""
    partitions = _default_partitions(source, columns)
    counts = {}
    for name, writer in writers.items():
        bad = inspection.features[name].non_finite
        counts[name] = replace_non_finite(writer.array(), partitions, writer.overwrite) if bad else (0, 0)
        writer.close()
    values, samples = ({name: pair[k] for name, pair in counts.items()} for k in (0, 1))
    return replace(report, replaced_values=values, replaced_utterances=samples)


def _manifest(
    source: Source,
    report: CleaningReport,
    inspection: Inspection,
    digests: Mapping[str, str],
    files: Mapping[str, str],
) -> Manifest:
    return Manifest(
        name=source.name or source.path.stem,
        format=source.format,
        source=dict(digests),
        utterances=report.utterances,
        dims=dict(source.dims),
        files=files,
        label_range=source.label_range,
        divisions=dict(source.divisions),
        defaults=source.defaults,
        cleaning=report,
        inspection=inspection,
        facts=dict(source.facts),
    )


def _default_partitions(source: Source, columns: Mapping[str, NDArray[Any]]) -> tuple[Partition, ...]:
    if not source.divisions:
        return ()
    name, division = next(iter(source.divisions.items()))
    return partitions_of(columns[_COLUMN + division.column], division, name=name)[1]


def open_store(path: Path) -> Source:
    """Open a converted data set as a source of one block, whose features stay on disk until they are read.

    Raises:
        InputError: its description is damaged.
    """
    manifest = read_manifest(path)
    folder = manifest_file(path).parent

    def blocks(features: Collection[str]) -> Iterator[Block]:
        yield _block(folder, manifest, features)

    return Source(
        path=path,
        format=FORMAT.name,
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
    file = folder / _SAMPLES
    # The table is small and decides what is read of the features, so its checksum is compared every time.
    if digest(file) != manifest.files.get(_SAMPLES):
        raise InputError(f"{file}: differs from what was written; {_REMEDY}", code="damaged")
    table = read_columns(file, rows=manifest.utterances, text=(_TRANSCRIPT,))
    needed = {"id", "group", "target", *(_LENGTH + name for name in features)}
    needed |= {_COLUMN + division.column for division in manifest.divisions.values()}
    if lacking := sorted(needed - set(table)):
        raise InputError(f"{file}: no column {lacking[0]!r}; {_REMEDY}", code="damaged")
    arrays = {
        name: StoredArray.open(folder / manifest.feature_file(name), manifest.dims[name], table[_LENGTH + name])
        for name in features
    }
    return Block(
        id=table["id"],
        group=table["group"],
        target=table["target"],
        modalities=arrays,
        columns={n.removeprefix(_COLUMN): column for n, column in table.items() if n.startswith(_COLUMN)},
        transcript=table.get(_TRANSCRIPT),
    )


def changed_files(path: Path) -> tuple[str, ...]:
    """Return the files of a converted data set that differ from what was written.

    Raises:
        InputError: its description is damaged.
    """
    folder, wanted = manifest_file(path).parent, read_manifest(path).files
    return tuple(
        name for name, sha256 in wanted.items() if not (folder / name).is_file() or digest(folder / name) != sha256
    )


FORMAT = Format("comodal", recognises, open_store)
