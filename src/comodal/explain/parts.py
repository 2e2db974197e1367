"""From what is known of the utterances of each partition to one table.

Axis legend: N utterances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import ExplanationTable
from comodal.explain.ranking import percentiles
from comodal.explain.representations import Representations

__all__ = ["ExplainedPart", "joined"]


@dataclass(frozen=True, eq=False)
class ExplainedPart:
    """The utterances that one critic, or one model without a critic, explains.

    Attributes:
        views: what the model made of them.
        dependency: ``(N,)``.
        swapped: modality to ``(N,)``.
        without: modality to ``(N,)``.
        transcript: ``(N,)``.
        plane: ``(N, 2)``.
        map_words: how the plane was made.
        donors: of each exchange.
        warnings: of the critic.
    """

    views: Representations
    dependency: NDArray[Any]
    swapped: Mapping[str, NDArray[Any]]
    without: Mapping[str, NDArray[Any]]
    transcript: NDArray[Any]
    plane: NDArray[Any]
    map_words: str
    donors: int
    warnings: tuple[str, ...] = ()


def joined(parts: Sequence[ExplainedPart], facts: Mapping[str, Any]) -> ExplanationTable:
    """One table of all parts; percentiles are within a part, since each has a model or a critic of its own."""
    first = parts[0]
    many = len(parts) > 1
    maps = dict.fromkeys(part.map_words for part in parts)
    notes = {
        "partitions": len(parts),
        "percentile": "within each partition, whose critics differ" if many else "among all",
        "donors": min(part.donors for part in parts),
        "map": "; ".join(maps) + (", of each partition by itself, turned alike by the prediction" if many else ""),
        "warnings": _counted(parts),
    }
    return ExplanationTable(
        id=np.concatenate([part.views.id for part in parts]),
        group=np.concatenate([part.views.group for part in parts]),
        target=np.concatenate([part.views.target for part in parts]),
        prediction=np.concatenate([part.views.prediction for part in parts]),
        dependency=np.concatenate([part.dependency for part in parts]),
        percentile=np.concatenate([percentiles(part.dependency) for part in parts]),
        transcript=np.concatenate([part.transcript for part in parts]),
        map_x=np.concatenate([part.plane[:, 0] for part in parts]),
        map_y=np.concatenate([part.plane[:, 1] for part in parts]),
        swapped={name: np.concatenate([part.swapped[name] for part in parts]) for name in first.swapped},
        without={name: np.concatenate([part.without[name] for part in parts]) for name in first.without},
        facts={**facts, **notes},
    )


def _counted(parts: Sequence[ExplainedPart]) -> list[str]:
    """Each warning once, with the number of partitions that it is about."""
    found = Counter(warning for part in parts for warning in part.warnings)
    return [
        warning if len(parts) == 1 else f"{warning}, in {n} of {len(parts)} partitions" for warning, n in found.items()
    ]
