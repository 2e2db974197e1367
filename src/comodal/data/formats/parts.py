"""From the padded arrays of each split to blocks: one side of padding for a whole file, one span for aligned features.

Axis legend: N utterances, T padded frames, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.ids import Identified
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.formats.names import in_order
from comodal.data.formats.padding import Side, cut_counts, padding_side, real_frames, unpad, unpad_aligned
from comodal.data.formats.split_tables import SplitTable, features
from comodal.data.ragged import RaggedArray

__all__ = ["DIVISIONS", "Part", "agreed", "blocks_of", "dims_of", "part_of", "source_of"]

DIVISIONS = {"split": Division("split")}
"""The one partition of a file with a table a split."""


@dataclass(frozen=True, eq=False)
class Part:
    """The utterances of one split, checked, but with their padding.

    Attributes:
        split: ``train``, ``valid`` or ``test``.
        where: file and split, for errors.
        id: ``(N,)``.
        group: ``(N,)``.
        target: ``(N,)`` float32.
        padded: name of the features to ``(N, T, d)`` float32.
        lengths: name of padded features to their ``(N,)`` lengths, where the file says them.
        cut: name of the features to what needs no cutting any more.
        columns: further facts of each utterance.
        transcript: ``(N,)`` words.
        normalised: what was brought into our form so far.
    """

    split: str
    where: str
    id: NDArray[np.str_]
    group: NDArray[np.str_]
    target: NDArray[np.float32]
    padded: Mapping[str, NDArray[np.float32]]
    lengths: Mapping[str, Any] = field(default_factory=dict)
    cut: Mapping[str, RaggedArray] = field(default_factory=dict)
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    transcript: NDArray[np.str_] | None = None
    normalised: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.id)

    @property
    def dims(self) -> dict[str, int]:
        """Features a frame, text, audio and vision first."""
        found = {name: int(frames.shape[2]) for name, frames in self.padded.items()}
        found |= {name: array.dim for name, array in self.cut.items()}
        return {name: found[name] for name in in_order(list(found))}


def part_of(table: SplitTable, names: Identified, keys: Mapping[str, str]) -> Part:
    """A table with its utterances named and its features read.

    Args:
        table: the split.
        names: ids and groups of its utterances.
        keys: name of the features to their key; one that the split does not have is left out.
    """
    return Part(
        split=table.split,
        where=table.where,
        id=names.id,
        group=names.group,
        target=table.target,
        padded=features(table, keys),
        normalised={**names.normalised, **table.normalised},
    )


def source_of(path: Path, parts: Sequence[Part], *, family: str, aligned: bool, facts: Mapping[str, str]) -> Source:
    """A file whose splits are read; padding is cut when blocks are asked for.

    Args:
        path: of the file.
        parts: its splits, as :func:`agreed` makes them.
        family: name of the file family.
        aligned: whether all padded features share one span.
        facts: what else is worth telling of it.
    """
    return Source(
        path=path,
        format=family,
        dims=dims_of(parts, path),
        divisions=DIVISIONS,
        blocks=lambda names: blocks_of(parts, names, aligned=aligned),
        n_utterances=sum(map(len, parts)),
        files=(path,),
        facts=facts,
    )


def dims_of(parts: Sequence[Part], path: Path) -> dict[str, int]:
    """Features a frame by name of the features, which every split must share."""
    if not parts:
        raise InputError(f"{path}: holds no sample; get the file again", code="empty")
    dims = parts[0].dims
    if not dims:
        raise InputError(
            f"{path}: holds labels but no features of text, audio or vision; get the file again", code="missing"
        )
    for part in parts:
        if part.dims != dims:
            raise InputError(
                f"{part.where}: features per frame are {part.dims} but {dims} in {parts[0].split}; get the file again",
                code="mismatch",
            )
    return dims


def agreed(parts: Sequence[Part]) -> list[Part]:
    """The same parts with the columns that all of them have, and with transcripts in all or none."""
    common = set.intersection(*(set(part.columns) for part in parts)) if parts else set()
    spoken = any(part.transcript is not None for part in parts)
    return [
        replace(
            part,
            columns={name: column for name, column in part.columns.items() if name in common},
            transcript=np.full(len(part), "") if spoken and part.transcript is None else part.transcript,
        )
        for part in parts
    ]


def blocks_of(parts: Sequence[Part], features: Collection[str], *, aligned: bool) -> Iterator[Block]:
    """One block a split, its features without padding.

    Args:
        parts: the splits.
        features: those wanted.
        aligned: whether all padded features share one span, which the features that are not wanted help to find.
    """
    padded = list(dict.fromkeys(name for part in parts for name in part.padded))
    if aligned:
        sides = dict.fromkeys(padded, _side(_any_real(part) for part in parts if part.padded))
    else:
        sides = {name: _side_of(parts, name) for name in padded if name in features}
    for part in parts:
        frames = _aligned(part, sides) if aligned else _unaligned(part, sides, features)
        found = {name: part.cut[name] if name in part.cut else frames[name] for name in features}
        steps = {name: padded.shape[1] for name, padded in part.padded.items()}
        yield Block(
            id=part.id,
            group=part.group,
            target=part.target,
            modalities=found,
            columns={"split": np.full(len(part), part.split), **part.columns},
            transcript=part.transcript,
            normalised={**part.normalised, **cut_counts(found, steps, sides, aligned=aligned)},
        )


def _any_real(part: Part) -> NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce([real_frames(frames) for frames in part.padded.values()]))


def _side(evidence: Iterable[NDArray[np.bool_]]) -> Side:
    """The side that the first split shows which is padded at all: training, mostly, and the largest."""
    return next((side for real in evidence if (side := padding_side(real))), "")


def _side_of(parts: Sequence[Part], name: str) -> Side:
    return _side(real_frames(part.padded[name]) for part in parts if name in part.padded)


def _aligned(part: Part, sides: Mapping[str, Side]) -> dict[str, RaggedArray]:
    side = next(iter(sides.values()), "")
    return unpad_aligned(part.padded, side=side)[0] if part.padded else {}


def _unaligned(part: Part, sides: Mapping[str, Side], features: Collection[str]) -> dict[str, RaggedArray]:
    return {
        name: unpad(frames, lengths=part.lengths.get(name), side=sides[name], where=f"{part.where}/{name}_lengths")[0]
        for name, frames in part.padded.items()
        if name in features
    }
