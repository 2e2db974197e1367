"""The outputs of fusion models, dependency measures and objectives.

Axis legend: B samples of a batch, K outputs, D width of a representation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:  # `comodal --help` imports this room, and must not wait for torch
    from torch import Tensor

__all__ = [
    "DependencyEstimate",
    "FusionOutput",
    "ObjectiveTerms",
]


class FusionOutput(NamedTuple):
    """The output of a fusion model: all that an objective and a dependency measure see of it.

    Attributes:
        logits: ``(B, K)``, what the model predicts; K is 1 for one regression target.
        fused: ``(B, F)`` the fused representation.
        representations: modality to its ``(B, D_m)`` representation.
        terms: name to scalar, the model's own weighted loss terms beside the task loss; empty for most models.
    """

    logits: Tensor
    fused: Tensor
    representations: Mapping[str, Tensor]
    terms: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True)
class DependencyEstimate:
    """A held-out estimate of the dependency between views.

    Attributes:
        measure: name of the measure.
        value: larger = more dependent.
        ci_low: lower end of the 95 % interval.
        ci_high: upper end of the 95 % interval.
        unit: ``"nats"``, ``"distance"`` or ``"divergence"``.
        n_fit: samples the critic was fitted on.
        n_eval: held-out samples, all used in one evaluation.
        is_lower_bound: whether the measure is a lower bound of the population value.
        pointwise: ``(n_eval,)`` the critic's score of each held-out joint sample.
        warnings: caveats, for example a value larger than the sample size can certify.
    """

    measure: str
    value: float
    ci_low: float
    ci_high: float
    unit: str
    n_fit: int
    n_eval: int
    is_lower_bound: bool
    pointwise: np.ndarray[Any, np.dtype[np.float32]] = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectiveTerms:
    """Named terms of a training objective, summed only in :attr:`total`.

    Attributes:
        task: scalar task loss.
        penalties: name to scalar, each weighted and signed so that training minimises it.
    """

    task: Tensor
    penalties: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """Return the scalar to minimise.

        >>> import torch
        >>> ObjectiveTerms(torch.tensor(1.0), {"dependency": torch.tensor(-0.25)}).total
        tensor(0.7500)
        """
        total = self.task
        for value in self.penalties.values():
            total = total + value
        return total
