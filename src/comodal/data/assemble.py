"""From the blocks of a source to a data set in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS, Dataset, Partition, describe
from comodal.data.formats.interface import Block, Division, Source, default_features
from comodal.data.ragged import RaggedArray
from comodal.data.splits import by_fold

__all__ = ["assemble", "chosen_features", "concatenate", "divide", "partitions_of", "require_division"]


def assemble(source: Source, *, protocol: str | None = None, features: Mapping[str, str] | None = None) -> Dataset:
    """Read a source into memory and divide it.

    Args:
        source: what a reader opened.
        protocol: one of its divisions, its first when ``None``.
        features: modality to name of the features; the protocol's own when ``None``.

    Returns:
        The samples that the protocol divides, unchecked and uncleaned.

    Raises:
        InputError: the source has no division, or none of that name; or it lacks the features.
    """
    chosen = chosen_features(source, protocol, features)
    division = require_division(source, protocol)
    whole = concatenate(list(source.blocks(list(dict.fromkeys(chosen.values())))), where=str(source.path))
    return divide(whole, division, chosen, source=source, protocol=protocol)


def require_division(source: Source, protocol: str | None) -> Division:
    """Return the division of that name, or the first one.

    Raises:
        InputError: there is none.
    """
    if protocol is not None and protocol not in source.divisions:
        if not source.divisions:
            raise InputError(f"protocol {protocol!r}: {source.path} has no partition; {_NO_DIVISION}", code="missing")
        raise InputError.unknown("protocol", protocol, source.divisions, where=str(source.path))
    if not source.divisions:
        raise InputError(
            f"{source.path}: does not tell train, validation and test samples apart; {_NO_DIVISION}", code="missing"
        )
    return source.divisions[protocol or next(iter(source.divisions))]


_NO_DIVISION = "convert it with the lists of videos: comodal data convert SRC DST --folds FILE"


def chosen_features(source: Source, protocol: str | None, features: Mapping[str, str] | None) -> dict[str, str]:
    """Return modality to name of the features: the requested ones, or the default of the protocol.

    Raises:
        InputError: the source lacks some.
    """
    chosen = dict(features) if features else default_features(source, protocol)
    for name in chosen.values():
        if name not in source.dims:
            raise InputError.unknown("features", name, source.dims, where=str(source.path))
    return chosen


def concatenate(blocks: Sequence[Block], *, where: str) -> Block:
    """Concatenate blocks.

    Raises:
        InputError: no samples, or the blocks differ in their features or columns.
    """
    blocks = [block for block in blocks if len(block)]
    if not blocks:
        raise InputError(
            f"{where}: holds no sample; give a file with at least one in each of train, valid and test", code="empty"
        )
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    for block in blocks[1:]:
        kinds = [
            {n: a.dim for n, a in each.modalities.items()} | dict.fromkeys(each.columns, 0) for each in (first, block)
        ]
        if kinds[0] != kinds[1] or (first.transcript is None) != (block.transcript is None):
            raise InputError(
                f"{where}: splits hold different features ({kinds[0]} and {kinds[1]}); get the file again",
                code="damaged",
            )
    normalised: Counter[str] = Counter()
    for block in blocks:
        normalised.update(block.normalised)
    return Block(
        id=_joined([block.id for block in blocks]),
        group=_joined([block.group for block in blocks]),
        target=np.concatenate([block.target for block in blocks]),
        modalities={
            name: RaggedArray.concatenate([block.modalities[name] for block in blocks]) for name in first.modalities
        },
        columns={name: _joined([block.columns[name] for block in blocks]) for name in first.columns},
        transcript=None if first.transcript is None else _joined([block.transcript for block in blocks]),
        normalised=dict(normalised),
    )


def _joined(columns: Sequence[NDArray[Any] | None]) -> NDArray[Any]:
    return np.concatenate([column for column in columns if column is not None])


def divide(
    block: Block,
    division: Division,
    features: Mapping[str, str],
    *,
    source: Source,
    protocol: str | None = None,
) -> Dataset:
    """Return the samples that a division uses, with the chosen features as modalities."""
    name = source.name or source.path.stem
    if len(source.divisions) > 1:
        protocol = protocol or next(iter(source.divisions))
        name = f"{name}:{protocol}"
    modalities = {modality: block.modalities[feature] for modality, feature in features.items()}
    rows, partitions = partitions_of(block.columns[division.column], division, name=protocol or division.column)
    spec = describe(name, modalities, label_range=source.label_range, note=_note(division, features))
    whole = Dataset(
        spec=spec,
        id=block.id,
        group=block.group,
        target=block.target,
        modalities=modalities,
        partitions=partitions,
        transcript=block.transcript,
        columns=block.columns,
        cleaning=source.cleaning,
    )
    return whole if len(rows) == len(whole) else whole.subset(rows)


def partitions_of(
    column: NDArray[Any], division: Division, *, name: str
) -> tuple[NDArray[np.int64], tuple[Partition, ...]]:
    """Return the rows that a division uses, and its partitions by rows of the source.

    Args:
        column: ``(N,)`` split name or fold number of every sample.
        division: what the column means; a sample with another word or number is in no part.
        name: of the partition.

    Raises:
        InputError: folds that are not numbers.

    Example:
        >>> rows, partitions = partitions_of(np.array(["train", "none", "test"]), Division(), name="file")
        >>> rows.tolist(), partitions[0].test.tolist()
        ([0, 2], [2])
    """
    if division.folds is not None:
        try:
            fold = np.asarray(column, dtype=np.int64)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"{name}: folds are not whole numbers ({error}); number them from 0", code="wrong_type"
            ) from error
        return np.flatnonzero((fold >= 0) & (fold < division.folds)), by_fold(fold, folds=division.folds)
    # A sample with another word is in no split, as in `Division`; readers use no other spelling.
    partition = Partition(name, **{split: np.flatnonzero(np.asarray(column) == split) for split in SPLITS})
    used = np.sort(np.concatenate(list(partition.splits.values())))
    return used, (partition,)


def _note(division: Division, features: Mapping[str, str]) -> str:
    warned = sorted(division.warned & set(features.values()))
    if not division.note or (division.warned and not warned):
        return ""
    verb = "features were" if len(warned) > 1 else "feature was"
    return division.note.format(features=f"{' and '.join(warned)} {verb}")
