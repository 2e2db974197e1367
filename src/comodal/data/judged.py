"""What the rules judge, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import Sentiment, Task
from comodal.data.formats.interface import Block
from comodal.data.inspection import Inspection

__all__ = ["NO_ROW", "SHOWN", "Facts", "Found", "Rows"]

SHOWN = 3
"""Examples of a violation."""

Rows = NDArray[np.int64]
NO_ROW = np.zeros(0, dtype=np.int64)

Found = Iterator[tuple[str, int, Iterable[object]]]
"""Message, count and examples of each violation."""


@dataclass(frozen=True)
class Facts:
    """What the rules judge."""

    found: Inspection  # counts of the pass
    samples: Block  # their ids, groups, targets and transcripts
    parts: Mapping[str, Mapping[str, Rows]] = field(default_factory=dict)  # to split or fold to rows
    folds: bool = False  # whether the partitions are the folds of one cross-validation
    unlabelled: Mapping[str, Rows] = field(default_factory=dict)  # partition to rows that need no label
    listed: Mapping[str, str] = field(default_factory=dict)  # group to its split in given lists
    changed_files: tuple[str, ...] = ()  # files of a converted data set that differ from what was written
    task: Task = field(default_factory=Sentiment)  # what is predicted
