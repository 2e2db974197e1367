"""From the padded arrays of each split to blocks: one side of padding for a whole file, one span for aligned features.

Axis legend: N samples, T padded frames, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.interface import Block, Division, Source
from comodal.data.formats.names import in_order
from comodal.data.formats.padding import Side, padding_side, real_frames, unpad
from comodal.data.formats.pickles import memory_needed
from comodal.data.formats.texts import damaged
from comodal.data.ragged import RaggedArray

__all__ = ["DIVISIONS", "Part", "Runs", "blocks_of", "shared_dims", "source_of"]

DIVISIONS = {"split": Division("split")}
"""The one partition of a file with a table a split."""


@dataclass(frozen=True, eq=False)
class Part:
    """The samples of one split, or some of them, checked, but with their padding; ``where`` is for errors.

    Features are padded ``(N, T, d)``, some with lengths ``(N,)`` that the file states, or cut already; other fields are
    those of a block.
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
        """Features a frame."""
        return {name: int(frames.shape[2]) for name, frames in self.padded.items()} | {
            name: array.dim for name, array in self.cut.items()
        }


Runs = Callable[[Collection[str]], Iterable[Part]]
"""Reads one split, some samples at a time, with the padded features of these names."""


def source_of(
    path: Path, parts: Sequence[Part], *, family: str, aligned: bool, alignment: str = "", facts: Mapping[str, str]
) -> Source:
    """Return the source of a pickle from its splits; padding is cut when blocks are asked for.

    Columns that some split lacks are left out; where only some have transcripts, the others get empty ones. All padded
    features share one span if they are aligned; ``alignment`` is what to tell of it.
    """
    dims = shared_dims(path, {part.where: part.dims for part in parts})
    agreed = _agreed(parts)
    return Source(
        path=path,
        format=family,
        dims=dims,
        divisions=DIVISIONS,
        blocks=lambda names: blocks_of(list(map(_whole, agreed)), dims, names, aligned=aligned),
        n_samples=sum(map(len, parts)),
        files=(path,),
        facts={**({"alignment": alignment} if alignment else {}), "memory": memory_needed(path), **facts},
    )


def _whole(part: Part) -> Runs:
    return lambda _: [part]


def shared_dims(path: Path, found: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the features a frame, which every split must share, from the place of each split to its features."""
    if not found:
        raise damaged(path, "holds no sample", code="empty")
    first, dims = next(iter(found.items()))
    for where, each in found.items():
        if each != dims:
            raise damaged(where, f"features per frame are {each} but {dims} in {first}", code="mismatch")
    if not dims:
        raise damaged(path, "holds labels but no features of text, audio or vision", code="missing")
    return {name: dims[name] for name in in_order(list(dims))}


def _agreed(parts: Sequence[Part]) -> list[Part]:
    common = set.intersection(*(set(part.columns) for part in parts))
    spoken = any(part.transcript is not None for part in parts)
    return [
        replace(
            part,
            columns={name: column for name, column in part.columns.items() if name in common},
            transcript=np.full(len(part), "") if spoken and part.transcript is None else part.transcript,
        )
        for part in parts
    ]


def blocks_of(
    splits: Sequence[Runs], names: Collection[str], features: Collection[str], *, aligned: bool
) -> Iterator[Block]:
    """Yield every run of every split, the features that are wanted without padding.

    Aligned features share one span, which the others of all names help to find.
    """
    needed = [name for name in names if aligned or name in features]
    sides = _sides(splits, needed, aligned=aligned)
    for runs in splits:
        for part in runs(needed):
            yield _block(part, sides, features, aligned=aligned)


def _block(part: Part, sides: Mapping[str, Side], features: Collection[str], *, aligned: bool) -> Block:
    masks, counts = _masks(part, sides, aligned=aligned), dict(part.normalised)
    modalities = {name: part.cut[name] for name in features if name in part.cut}
    for name in features:
        if name not in part.cut:
            side, lengths = sides[name], None if aligned else part.lengths.get(name)
            where = f"{part.where}/{name}_lengths"
            array = unpad(part.padded[name], masks[name], side, lengths=lengths, where=where)
            what = f"padding on the {side} was removed" if side else "sequences of nothing but zeros became absent"
            if shorter := int((array.lengths < masks[name].shape[1]).sum()):
                counts[f"{'all features alike' if aligned else name}: {what}"] = shorter
            modalities[name] = array
    return Block(
        id=part.id,
        group=part.group,
        target=part.target,
        modalities={name: modalities[name] for name in features},
        columns={"split": np.full(len(part), part.split), **part.columns},
        transcript=part.transcript,
        normalised=counts,
    )


def _sides(splits: Sequence[Runs], needed: Sequence[str], *, aligned: bool) -> dict[str, Side]:
    """Return the side of the padding of each feature, from all rows of the first split that is padded at all.

    That is mostly training, the largest; a few rows alone can look padded on the wrong side.
    """
    sides = dict.fromkeys(needed, "")
    for runs in splits:
        pending = [name for name in needed if not sides[name]]
        real: dict[str, list[NDArray[np.bool_]]] = {}
        for part in runs(pending) if pending else ():
            for name, mask in _masks(part, pending, aligned=aligned).items():
                real.setdefault(name, []).append(mask)
        sides |= {name: padding_side(np.concatenate(masks)) for name, masks in real.items()}
    return sides


def _masks(part: Part, names: Collection[str], *, aligned: bool) -> dict[str, NDArray[np.bool_]]:
    """Return ``(N, T)`` of each padded feature: the real frames, of any feature where all are aligned."""
    masks = {name: real_frames(frames) for name, frames in part.padded.items() if name in names}
    if aligned and masks:
        masks = dict.fromkeys(masks, np.asarray(np.logical_or.reduce(list(masks.values()))))
    return masks
