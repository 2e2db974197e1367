"""Convert a source to a folder, and open that folder as a source.

``dataset.json`` describes it; ``samples.parquet`` holds ids, groups, labels, transcripts, the columns of every protocol
and the number of frames per feature set; ``features/*.npy`` the frames of one feature set each. A set of several
protocols or feature sets is stored once, and what is not asked for is not read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import atomic_folder, write_text
from comodal.contracts import InputError
from comodal.data.assemble import partitions_of
from comodal.data.checks import require_labels
from comodal.data.cleaning import fill
from comodal.data.dataset import CleaningReport
from comodal.data.formats.interface import Block, Format, Source
from comodal.data.formats.texts import damage, damaged, reason_of
from comodal.data.inspection import Inspection, examine
from comodal.data.manifest import MANIFEST, REMEDY, Manifest, digest, manifest_file, read_manifest, recognises
from comodal.data.stored_array import FrameWriter, StoredArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMAT", "changed_files", "open_store", "read_columns", "write_columns", "write_store"]

_SAMPLES = "samples.parquet"
_TRANSCRIPT = "transcript"
_COLUMN = "column."
"""Before the names of further columns, one of which may be called ``id``."""
_LENGTH = "frames."
"""Before the names of feature sets: frames of each sample."""
_TARGET = "target"
"""Name of the labels; followed by a point and the number of the output where there are several."""
_LABEL = "give a source with at least one, a table with a column label, or choose one (--label)"


def write_store(
    source: Source,
    folder: Path,
    *,
    digests: Mapping[str, str] | None = None,
    seen: Callable[[int], None] | None = None,
) -> Manifest:
    """Convert a source, a block at a time; the folder is complete at the end or not there at all.

    On the way in, non-finite features become the median of their finite train frames (:mod:`comodal.data.cleaning`;
    train is that of the first protocol, all samples where there is none). Labels stay what they are, also missing ones.

    Args:
        source: what a reader opened.
        folder: what to make.
        digests: name of each file of the source to its SHA-256.
        seen: called with the number of samples of each block, for a progress bar.

    Returns:
        The description that was written.

    Raises:
        InputError: the folder exists, the disk is full, the source is damaged, or its labels cannot be trained on; then
            nothing is left behind.
    """
    try:
        with atomic_folder(folder) as partial:
            (partial / "features").mkdir()
            found, columns, report = _write_frames(source, partial / "features", seen)
            try:
                write_columns(partial / _SAMPLES, columns)
            except InputError as error:
                raise error.at(source.path) from error
            stored = [partial / _SAMPLES, *sorted((partial / "features").iterdir())]
            manifest = Manifest(
                name=source.name or source.path.stem,
                format=source.format,
                source=dict(digests or {}),
                samples=report.samples,
                dims=dict(source.dims),
                files={file.relative_to(partial).as_posix(): digest(file) for file in stored},
                divisions=dict(source.divisions),
                defaults=source.defaults,
                cleaning=report,
                inspection=found,
                task=source.task,
                label=source.label,
                labels=dict(source.labels),
                facts=dict(source.facts),
            )
            write_text(partial / MANIFEST, manifest.as_json())
            return manifest
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or choose another folder",
            code="cannot_write",
        ) from error


def _write_frames(
    source: Source, folder: Path, seen: Callable[[int], None] | None
) -> tuple[Inspection, dict[str, NDArray[Any]], CleaningReport]:
    """Write the frames of all samples, repaired, and return what goes into the table."""
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(FrameWriter(folder / f"{k}.npy", dim))
            for k, (name, dim) in enumerate(source.dims.items())
        }

        def take(block: Block) -> None:
            for name, writer in writers.items():
                writer.append(block.modalities[name])

        found, samples = examine(source, take=take, seen=seen)
        if found.unlabelled == found.samples:
            raise InputError(f"{source.path}: no sample with a label; {_LABEL}", code="empty")
        require_labels(source, found, samples)
        columns = {"id": samples.id, "group": samples.group, **_target_columns(samples.target)}
        if samples.transcript is not None:
            columns[_TRANSCRIPT] = samples.transcript
        columns |= {_COLUMN + name: column for name, column in samples.columns.items()}
        columns |= {_LENGTH + name: writer.lengths for name, writer in writers.items()}
        first, division = next(iter(source.divisions.items()), ("", None))
        partitions = partitions_of(columns[_COLUMN + division.column], division, name=first) if division else ()
        dirty = {name: writer.array() for name, writer in writers.items() if found.features[name].non_finite}
        report = fill(len(samples), dirty, partitions, lambda name, *frames: writers[name].overwrite(*frames))
    return found, columns, report


def _target_columns(target: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    if target.ndim == 1:
        return {_TARGET: target}
    return {f"{_TARGET}.{k}": each for k, each in enumerate(target.T)}


def open_store(path: Path) -> Source:
    """Open a converted data set as a source of one block, whose features stay on disk until they are read.

    Raises:
        InputError: its description is damaged.
    """
    manifest = read_manifest(path)
    folder = manifest_file(path).parent
    return Source(
        path=path,
        format=FORMAT.name,
        dims=manifest.dims,
        divisions=manifest.divisions,
        blocks=lambda features: _blocks(folder, manifest, features),
        n_samples=manifest.samples,
        task=manifest.task,
        label=manifest.label,
        labels=manifest.labels,
        defaults=manifest.defaults,
        files=(folder / MANIFEST, *(folder / name for name in manifest.files)),
        facts=manifest.facts,
        name=manifest.name,
    )


def _blocks(folder: Path, manifest: Manifest, features: Collection[str]) -> Iterator[Block]:
    file = folder / _SAMPLES
    # The table is small and decides what is read of the features, so its checksum is compared every time.
    if digest(file) != manifest.files.get(_SAMPLES):
        raise damaged(file, "differs from what was written", remedy=REMEDY)
    table = read_columns(file, rows=manifest.samples, text=(_TRANSCRIPT,))
    targets = [name for name in table if name == _TARGET or name.startswith(f"{_TARGET}.")]
    needed = {"id", "group", *(targets or [_TARGET]), *(_LENGTH + name for name in features)}
    needed |= {_COLUMN + division.column for division in manifest.divisions.values()}
    if lacking := sorted(needed - set(table)):
        raise damaged(file, f"no column {lacking[0]!r}", remedy=REMEDY)
    arrays = {
        name: StoredArray.open(folder / manifest.feature_file(name), manifest.dims[name], table[_LENGTH + name])
        for name in features
    }
    yield Block(
        id=table["id"],
        group=table["group"],
        target=table[_TARGET] if _TARGET in table else np.stack([table[name] for name in targets], axis=1),
        modalities=arrays,
        columns={n.removeprefix(_COLUMN): column for n, column in table.items() if n.startswith(_COLUMN)},
        transcript=table.get(_TRANSCRIPT),
    )


def changed_files(path: Path) -> tuple[str, ...]:
    """Return the files of a converted data set that differ from what was written."""
    folder, wanted = manifest_file(path).parent, read_manifest(path).files
    return tuple(
        name for name, sha256 in wanted.items() if not (folder / name).is_file() or digest(folder / name) != sha256
    )


FORMAT = Format("comodal", recognises, open_store)


def write_columns(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of numbers, text or times as a Parquet file; they come back with the same type."""
    import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
    import pyarrow.parquet as pq  # noqa: PLC0415

    with path.open("wb") as file:
        pq.write_table(pa.table({name: _column(name, column) for name, column in columns.items()}), file)
        file.flush()
        os.fsync(file.fileno())


def _column(name: str, column: NDArray[Any]) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    try:
        if column.dtype.kind in "US":
            # Offsets of 64 bits: transcripts may be more than two gigabytes.
            made = pa.array(column.astype(np.str_).tolist(), type=pa.large_string())
        elif column.dtype.kind == "O":
            text = all(isinstance(each, str) for each in column.tolist())
            made = pa.array(column.tolist(), type=pa.large_string() if text else None)
        else:
            made = pa.array(column.astype(column.dtype.newbyteorder("=")))
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        problem = f"cannot be stored ({reason_of(error)})"
        raise damaged(f"column {name!r}", problem, remedy="give numbers or text", code="wrong_type") from error
    if pa.types.is_nested(made.type):
        raise InputError(f"column {name!r} holds several values per sample; give numbers or text", code="wrong_type")
    if made.null_count:
        raise InputError(f"column {name!r} has {made.null_count} missing values; give every sample one", code="missing")
    return made


def read_columns(path: Path, *, rows: int, text: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_columns` wrote, so many rows; ``text`` names long strings, which become Python objects."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with damage(path, "table", pa.ArrowException, remedy=REMEDY), path.open("rb") as file:
        table = pq.ParquetFile(file).read(use_threads=False)
        found = {name: _values(table[name], object if name in text else np.str_) for name in table.column_names}
    if table.num_rows != rows:
        raise damaged(path, f"not a table of {rows} samples", remedy=REMEDY)
    return found


def _values(column: pa.ChunkedArray, words: Any) -> NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415

    if column.null_count:
        raise ValueError("missing values")
    if pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=words)
    if pa.types.is_temporal(column.type):
        return np.asarray(column.to_numpy())
    # Arrow's own way imports pandas where there is one, which takes longer than the rest.
    return np.array(column.to_pylist(), dtype=column.type.to_pandas_dtype())
