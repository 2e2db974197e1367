"""Explanation tables: one per partition, joined to one.

Axis legend: N samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import ExplanationTable
from comodal.contracts.explanation import SCALARS
from comodal.explain.critic import PointwiseCritic
from comodal.explain.plane import on_plane
from comodal.explain.ranking import percentiles
from comodal.explain.representations import Representations

__all__ = ["joined_tables", "partition_table"]


def partition_table(
    views: Representations,
    critic: PointwiseCritic,
    *,
    swapped: Mapping[str, Tensor],
    donors: int,
    without: Mapping[str, NDArray[Any]],
    transcript: NDArray[Any],
    plane: str,
) -> ExplanationTable:
    """Return the explanation of N samples by a critic that was not fitted on them.

    Args:
        views: their representations.
        critic: gives their dependency.
        swapped: modality to ``(N,)`` mean dependency with another sample's modality.
        donors: number of other samples in that mean.
        without: modality to the prediction without it.
        transcript: ``(N,)``.
        plane: kind of the map, see :mod:`comodal.explain.plane`.
    """
    dependency = critic(views.compared(critic.between)).numpy()
    # Expected number of the class, for one number the prediction itself: what turns the maps of all models alike.
    values = views.task.output_values(views.prediction)
    points, made = on_plane(views.fused, values @ np.arange(1, values.shape[1] + 1), plane)
    return ExplanationTable(
        id=views.id,
        group=views.group,
        target=views.target,
        prediction=views.prediction,
        dependency=dependency,
        percentile=percentiles(dependency),
        transcript=transcript,
        map_x=points[:, 0].numpy(),
        map_y=points[:, 1].numpy(),
        swapped={name: values.numpy() for name, values in swapped.items()},
        without=without,
        facts={"donors": donors, "map": made, "warnings": critic.warnings},
        task=views.task,
    )


def joined_tables(parts: Sequence[ExplanationTable], facts: Mapping[str, Any]) -> ExplanationTable:
    """Return one table of all parts. Percentiles stay within a part, because each part has its own model or critic."""
    many = len(parts) > 1
    maps = dict.fromkeys(part.facts["map"] for part in parts)
    warnings = Counter(warning for part in parts for warning in part.facts["warnings"])
    notes = {
        "partitions": len(parts),
        "percentile": "within each partition, whose critics differ" if many else "among all",
        "donors": min(part.facts["donors"] for part in parts),
        "map": "; ".join(maps) + (", of each partition by itself, turned alike by the prediction" if many else ""),
        "warnings": [f"{each}, in {n} of {len(parts)} partitions" if many else each for each, n in warnings.items()],
    }
    by_modality: dict[str, Any] = {
        kind: {name: np.concatenate([getattr(part, kind)[name] for part in parts]) for name in getattr(parts[0], kind)}
        for kind in ("swapped", "without")
    }
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SCALARS}
    return ExplanationTable(**columns, **by_modality, facts={**facts, **notes}, task=parts[0].task)
