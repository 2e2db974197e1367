"""The interface of readers: they open a path as a source, and a source yields blocks of samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import unequal
from comodal.data.ragged import RaggedArray

__all__ = ["Block", "Division", "Format", "Source"]


@dataclass(frozen=True, eq=False)
class Block:
    """Some samples of a source, as many as a reader holds in memory at once.

    Attributes:
        id: ``(n,)`` sample ids, ``video_segment`` where the file has both.
        group: ``(n,)`` group of each sample, such as its video; the id itself where the file has none.
        target: ``(n,)`` float32 labels, NaN where missing.
        modalities: name of the features to their frames, not padded; those asked for.
        columns: further facts per sample, including the columns of the source's divisions.
        transcript: ``(n,)`` words separated by single spaces, empty where unknown; word k stands with frame k of
            word-aligned features.
        normalised: what was converted, as a sentence, to the number of samples concerned.
    """

    id: NDArray[np.str_]
    group: NDArray[np.str_]
    target: NDArray[np.float32]
    modalities: Mapping[str, RaggedArray]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    transcript: NDArray[Any] | None = None
    normalised: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if counts := unequal(self):
            raise InputError(
                f"numbers of samples differ ({counts}); the file is damaged or of another kind", code="mismatch"
            )

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Division:
    """How the samples of a source are divided into train, validation and test.

    Attributes:
        column: column of the blocks that says it: split names (``train``, ``valid``, ``test``; another word for an
            sample that is in none), or fold numbers (-1 for none).
        folds: number of folds of a cross-validation; ``None`` where the column holds split names.
        features: modality to name of the features it takes unless told otherwise; empty for one modality a feature.
        note: what every reader of its numbers must know; ``{features}`` is filled with those of ``warned``.
        warned: features that the note is about; the note is left out where none of them is used.
    """

    column: str = "split"
    folds: int | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    warned: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Source:
    """An opened path: its content is known, its samples are not read yet.

    Attributes:
        path: where it is.
        format: name of its family.
        dims: features a frame by name of the features, in the order of the modalities.
        divisions: partitions by name (protocol), the default first; empty where the path says none.
        blocks: yields the samples with the requested features, in the order of the file; may be called again.
        n_utterances: number of samples, ``None`` where only reading tells.
        label_range: smallest and largest legal label.
        defaults: features that are modalities unless told otherwise; empty for all.
        files: every file that the content depends on, for the digest of a cache.
        facts: what else is worth telling of it, for ``inspect``: title to text.
        name: of the data set; that of the path when empty.
    """

    path: Path
    format: str
    dims: Mapping[str, int]
    divisions: Mapping[str, Division]
    blocks: Callable[[Collection[str]], Iterator[Block]]
    n_utterances: int | None = None
    label_range: tuple[float, float] = (-3.0, 3.0)
    defaults: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Format:
    """A file family.

    Attributes:
        name: of the family.
        recognises: whether a path should be opened as one of it, by its content; false, never an error, for anything
            else.
        open: finds out what such a path holds. An ``InputError`` says in one line which file is damaged or lacks
            something, where, and what to do.
    """

    name: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], Source]
