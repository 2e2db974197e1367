"""Held-out estimates of dependency from fixed samples: fit a critic on one half, report the bound on the other.

Axis legend: n samples, M views, d_m width of view m. The value is computed on all held-out samples at once, with
many pairings, so it does not depend on a batch size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from comodal.contracts import DependencyEstimate, InputError
from comodal.dependency.bound import Bound
from comodal.dependency.calibration import calibrate, standard_error
from comodal.dependency.catalog import measure_spec
from comodal.dependency.fitted_critic import fitted_critic
from comodal.dependency.fitting import FitConfig, aligned_rows, broken_rows, score_tuples
from comodal.dependency.samples import SCALINGS, ViewArrays, checked_views, divide

__all__ = ["EstimationConfig", "estimate_dependency"]

NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True, kw_only=True)
class EstimationConfig:
    """Options of :func:`estimate_dependency`.

    Args:
        eval_share: share of the samples held out for the reported value.
        validation_share: share of the other samples on which weights and temperature are chosen.
        scaling: a key of :data:`~comodal.dependency.samples.SCALINGS`.
        validation_tuples: approximate number of tuples with broken pairing for these choices.
        eval_tuples: approximate number of tuples with broken pairing for the reported value.
        fit: options of fitting the critic.

    Raises:
        InputError: a share outside (0, 1), an unknown scaling, or no tuples.

    Example:
        >>> EstimationConfig(eval_share=0.3).scaling
        'normal_scores'
    """

    eval_share: float = 0.5
    validation_share: float = 0.2
    scaling: str = "normal_scores"
    validation_tuples: int = 50_000
    eval_tuples: int = 1_000_000
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        for name in ("eval_share", "validation_share"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(
                    f"{name}={getattr(self, name)}: give a share between 0 and 1, both excluded", code="out_of_range"
                )
        if self.scaling not in SCALINGS:
            raise InputError.unknown("scaling", self.scaling, list(SCALINGS))
        if min(self.validation_tuples, self.eval_tuples) < 1:
            raise InputError("validation_tuples and eval_tuples: give at least 1", code="out_of_range")


def estimate_dependency(
    views: ViewArrays, *, measure: str = "kl", seed: int = 0, config: EstimationConfig | None = None
) -> DependencyEstimate:
    """Estimate how much two or more views depend on each other, from samples, with a 95 % interval.

    A critic is fitted on one random half and the measure's bound evaluated on the other half, all of it at once. The
    interval is for the bound's population value at the fitted critic, itself a lower bound of the dependency: it covers
    sampling error, not the dependency that the critic missed.

    Args:
        views: name to samples ``(n, d_m)``, or the samples alone: arrays or tensors, ``(n,)`` counting as ``(n, 1)``.
            Row i of every view belongs to the same sample.
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES` with a critic.
        seed: of the split, the critic's first weights and all pairings; PyTorch's global generator is not used.
        config: options; the default suits most data.

    Returns:
        The estimate, larger = more dependent, in nats or as ``unit`` says. For ``wasserstein`` the unit is Euclidean
        distance between all views side by side after the configured scaling. ``pointwise`` holds the log density ratio
        of each held-out sample (for ``wasserstein`` the critic's score), in the order of
        :func:`~comodal.dependency.samples.held_out_rows`.

    Raises:
        InputError: fewer than 2 views, lengths that differ, too few samples, values that are not finite, a constant
            view, an unknown measure or one without a critic.

    Source: Belghazi et al. 2018, section 4.1, with held-out samples; the bounds as in :mod:`comodal.dependency.bounds`.

    Example:
        >>> import numpy as np
        >>> bit = np.random.default_rng(0).integers(2, size=400)
        >>> quick = EstimationConfig(fit=FitConfig(steps=50))
        >>> estimate = estimate_dependency({"a": bit, "b": 1 - bit}, config=quick)
        >>> bool(abs(estimate.value - np.log(2)) < 0.05), estimate.unit, estimate.n_eval
        (True, 'nats', 200)
    """
    config = config or EstimationConfig()
    spec = measure_spec(measure)
    bound = spec.bound
    parts = divide(
        checked_views(views),
        seed=seed,
        eval_share=config.eval_share,
        validation_share=config.validation_share,
        scaling=config.scaling,
    )
    form = bound.required_form()
    generator = torch.Generator().manual_seed(seed)
    critic = fitted_critic(
        bound,
        train=parts.train,
        validation=parts.validation,
        tuples=config.validation_tuples,
        config=config.fit,
        seed=seed,
        generator=generator,
    )
    order = broken_rows(parts.validation, config.eval_tuples, generator)
    calibration = calibrate(bound, critic, parts.validation, order)
    order = broken_rows(parts.held_out, config.eval_tuples, generator)
    joint, marginal = (
        form.score(calibration(score_tuples(critic, parts.held_out, rows).double()))
        for rows in (aligned_rows(parts.held_out), order)
    )
    value, error = float(bound(joint, marginal)), standard_error(bound, joint, marginal, order)
    return DependencyEstimate(
        measure=spec.name,
        value=value,
        ci_low=value - NORMAL_QUANTILE * error,
        ci_high=value + NORMAL_QUANTILE * error,
        unit=bound.unit,
        n_fit=len(parts.train[0]) + len(parts.validation[0]),
        n_eval=len(joint),
        is_lower_bound=bound.is_lower_bound,
        pointwise=_pointwise(bound, joint, marginal),
        warnings=_warnings(bound, value, len(joint), calibration.temperature),
    )


def _pointwise(bound: Bound, joint: Tensor, marginal: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    values = joint if bound.log_ratio is None else bound.log_ratio(joint, marginal)
    return values.float().numpy()


def _warnings(bound: Bound, value: float, n_eval: int, temperature: float) -> tuple[str, ...]:
    found = []
    if temperature == 0:
        found.append("validation samples confirm no dependency: the value is that of independent views")
    if bound.name in {"donsker_varadhan", "nwj"} and value > math.log(n_eval) - 1:
        most = f"log({n_eval}) = {math.log(n_eval):.2f}"
        found.append(f"the value is near {most}, the most such a bound can certify: give more samples")
    return tuple(found)
