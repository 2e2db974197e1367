"""A source taken all the way, as the commands take it, and what has to hold of anything that was read."""

from __future__ import annotations

import numpy as np

from comodal.contracts import InputError
from comodal.data.assemble import assemble
from comodal.data.cache import source_digests
from comodal.data.checks import check, validate
from comodal.data.load import open_source
from comodal.data.store import FORMAT, changed_files, open_store, write_store


class WrongResultError(Exception):
    """Something was read that cannot be right."""


def require(condition, what):
    if not condition:
        raise WrongResultError(what)


def read(path, scratch):
    """Open, convert, read what was converted, and check it; returns everything that is in it, comparable."""
    source, _ = open_source(path)
    refuse_damage(source)
    digests = source_digests(source.files or (source.path,))
    manifest = write_store(source, scratch / "converted", digests=digests)
    stored = open_store(scratch / "converted")
    (block,) = stored.blocks(list(stored.dims))
    require_sound(block, manifest, source)
    for protocol in source.divisions:
        require_divided(stored, protocol, path)
    return contents(block)


def refuse_damage(source):
    """The files of a converted data set have checksums, which are compared when they are asked for, not when opened."""
    validate(source)
    if source.format == FORMAT.name and (changed := changed_files(source.path)):
        raise InputError(
            f"{source.path}: {changed} differ from what was written; convert the data set again", code="damaged"
        )


def require_sound(block, manifest, source):
    """What converting promises of its result, whatever was in the file."""
    found = manifest.inspection
    require(len(block) == manifest.samples == found.samples > found.unlabelled, "samples were lost")
    require(source.n_samples in (None, found.samples), "the source said another number of samples")
    low, high = source.task.label_range
    target = block.target[~np.isnan(block.target)]
    require(len(block.target) - len(target) == found.unlabelled, "labels were lost")
    require(target.dtype == np.float32 and ((target >= np.float32(low)) & (target <= np.float32(high))).all(), "labels")
    require({name: array.dim for name, array in block.modalities.items()} == dict(source.dims), "dims")
    for name, array in block.modalities.items():
        require(array.values.dtype == np.float32 and np.isfinite(array.values).all(), f"{name} is not finite")
        require(found.features[name].frames >= len(array.values), f"{name}: frames from nowhere")
    for column in (block.id, block.group, *([] if block.transcript is None else [block.transcript])):
        require(all(isinstance(text, str) for text in column.tolist()), "a text is none")
        "\n".join(column.tolist()).encode()
    require(all(block.id.tolist()) and all(block.group.tolist()), "an id or group is empty")


def require_divided(stored, protocol, path):
    """Labels and cleaned features pass their checks; ids and parts may well be refused."""
    dataset = assemble(stored, protocol=protocol)
    require(sum(len(rows) for rows in dataset.partitions[0].splits.values()) <= len(dataset), "rows in two parts")
    try:
        check(dataset, source=str(path))
    except InputError as error:
        require(error.code not in {"out_of_range", "not_finite"}, f"after cleaning: {error}")


def contents(block):
    """Everything in a block, as plain values that can be compared."""
    columns = {name: column.tolist() for name, column in sorted(block.columns.items())}
    words = None if block.transcript is None else block.transcript.tolist()
    arrays = {name: (array.lengths.tolist(), array.values.tobytes()) for name, array in block.modalities.items()}
    return [block.id.tolist(), block.group.tolist(), block.target.tobytes(), repr(columns), words, arrays]
