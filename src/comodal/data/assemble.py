"""From the blocks of a source to a data set in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import PARTS, Dataset, Partition, describe
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.formats.texts import damaged
from comodal.data.ragged import RaggedArray
from comodal.data.splits import by_fold, hide, hide_folds
from comodal.data.targets import is_missing

__all__ = ["assemble", "chosen_features", "concatenate", "partitions_of", "read_all", "require_division"]


def assemble(source: Source, *, protocol: str | None = None, features: Mapping[str, str] | None = None) -> Dataset:
    """Read a source into memory and divide it.

    Args:
        source: what a reader opened.
        protocol: one of its divisions, its first when ``None``.
        features: modality to name of the features; the protocol's own when ``None``.

    Returns:
        The samples that the protocol divides, unchecked and uncleaned. Training samples without a label are among the
        unlabelled ones; of folds, a sample without a label validates and tests in none.

    Raises:
        InputError: the source has no division, or none of that name; or it lacks the features.
    """
    division = require_division(source, protocol)
    whole = read_all(source, protocol=protocol, features=features)
    missing, parts = is_missing(whole.target), whole.partitions
    hidden = tuple(hide(each, missing) for each in parts) if division.folds is None else hide_folds(parts, missing)
    whole = replace(whole, partitions=hidden)
    whole = whole if whole.spec.task.predicts else whole.without_labels()
    used = np.unique(np.concatenate([rows for each in whole.partitions for rows in each.splits.values()]))
    return whole if len(used) == len(whole) else whole.subset(used)


def read_all(
    source: Source,
    *,
    protocol: str | None = None,
    features: Mapping[str, str] | None = None,
    usual: Mapping[str, str] | None = None,
) -> Dataset:
    """Read all samples of a source, whether a division uses them or not; there may be none. See :func:`assemble`."""
    chosen = chosen_features(source, protocol, features, usual)
    block = concatenate(list(source.blocks(list(dict.fromkeys(chosen.values())))), where=str(source.path))
    modalities = {modality: block.modalities[name] for modality, name in chosen.items()}
    name, note = source.name or source.path.stem, ""
    partitions: tuple[Partition, ...] = ()
    if source.divisions or protocol:
        division = require_division(source, protocol)
        if len(source.divisions) > 1:
            protocol = protocol or next(iter(source.divisions))
            name = f"{name}:{protocol}"
        partitions = partitions_of(block.columns[division.column], division, name=protocol or division.column)
        note = _note(division, chosen)
    return Dataset(
        spec=describe(name, modalities, task=source.task, note=note),
        id=block.id,
        group=block.group,
        target=block.target,
        modalities=modalities,
        partitions=partitions,
        transcript=block.transcript,
        columns=block.columns,
    )


def require_division(source: Source, protocol: str | None) -> Division:
    """Return the division of that name, or the first one; refuse a source that has none."""
    if protocol is not None and protocol not in source.divisions:
        if not source.divisions:
            raise InputError(f"protocol {protocol!r}: {source.path} has no partition; {_NO_DIVISION}", code="missing")
        raise InputError.unknown("protocol", protocol, source.divisions, where=str(source.path))
    if not source.divisions:
        problem = "does not tell train, validation and test samples apart"
        raise damaged(source.path, problem, remedy=_NO_DIVISION, code="missing")
    return source.divisions[protocol or next(iter(source.divisions))]


_NO_DIVISION = "convert it with the lists of videos: comodal data convert SRC DST --folds FILE"


def chosen_features(
    source: Source,
    protocol: str | None = None,
    features: Mapping[str, str] | None = None,
    usual: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return modality to name of the features: those asked for, or the protocol's own and the usual ones it has."""
    if features:
        chosen = dict(features)
    else:
        division = source.divisions.get(protocol) if protocol else next(iter(source.divisions.values()), None)
        own = {} if division is None else division.features
        chosen = {**(own or {name: name for name in source.defaults or source.dims})}
        chosen |= {modality: name for modality, name in (usual or {}).items() if name in source.dims}
    for name in chosen.values():
        if name not in source.dims:
            raise InputError.unknown("features", name, source.dims, where=str(source.path))
    return chosen


def concatenate(blocks: Sequence[Block], *, where: str) -> Block:
    """Concatenate blocks; refuse none at all, and blocks that differ in their features or columns."""
    blocks = [block for block in blocks if len(block)]
    if not blocks:
        remedy = "give a file with at least one in each of train, valid and test"
        raise damaged(where, "holds no sample", remedy=remedy, code="empty")
    if len(blocks) == 1:
        return blocks[0]
    first, normalised = blocks[0], Counter[str]()
    for block in blocks:
        normalised.update(block.normalised)
        if (kind := _kind(block)) != _kind(first):
            raise damaged(where, f"splits hold different features ({_kind(first)} and {kind})")
    return Block(
        id=np.concatenate([block.id for block in blocks]),
        group=np.concatenate([block.group for block in blocks]),
        target=np.concatenate([block.target for block in blocks]),
        modalities={
            name: RaggedArray.concatenate([block.modalities[name] for block in blocks]) for name in first.modalities
        },
        columns={name: np.concatenate([block.columns[name] for block in blocks]) for name in first.columns},
        transcript=None
        if first.transcript is None
        else np.concatenate([block.transcript for block in blocks if block.transcript is not None]),
        normalised=dict(normalised),
    )


def _kind(block: Block) -> dict[str, int]:
    """Return what a block holds: features with their width, and columns."""
    columns = [*block.columns, *([] if block.transcript is None else ["transcript"])]
    return {name: array.dim for name, array in block.modalities.items()} | dict.fromkeys(columns, 0)


def partitions_of(column: NDArray[Any], division: Division, *, name: str) -> tuple[Partition, ...]:
    """Return the partitions by rows of a column ``(N,)`` of split names or fold numbers; others are in no part."""
    if division.folds is None:
        return (Partition(name, **{part: np.flatnonzero(np.asarray(column) == part) for part in PARTS}),)
    try:
        fold = np.asarray(column, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        problem = f"folds are not whole numbers ({error})"
        raise damaged(name, problem, remedy="number them from 0", code="wrong_type") from error
    return by_fold(fold, folds=division.folds)


def _note(division: Division, features: Mapping[str, str]) -> str:
    warned = sorted(division.warned & set(features.values()))
    if not division.note or (division.warned and not warned):
        return ""
    verb = "features were" if len(warned) > 1 else "feature was"
    return division.note.format(features=f"{' and '.join(warned)} {verb}")
