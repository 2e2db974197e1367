"""Critics for explanations: the pointwise dependency of tuples of representations, with its unit.

Axis legend: N samples, k tuples, M views, d_m width of view m.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.bound import Bound
from comodal.dependency.calibration import calibrate
from comodal.dependency.catalog import measure_spec
from comodal.dependency.critics import Critic
from comodal.dependency.estimation import EstimationConfig
from comodal.dependency.fitted_critic import fitted_critic
from comodal.dependency.fitting import FitConfig, aligned_rows, broken_rows, score_tuples
from comodal.dependency.samples import SCALINGS, checked_views
from comodal.evaluation.fitted import FittedFold
from comodal.explain.representations import represent_training

__all__ = ["FITTED", "TRAINED", "PointwiseCritic", "fit_afterwards", "from_penalty", "unit_of"]

NATS, RANK = "nats", "rank"
TRAINED, FITTED = "trained with the model", "fitted afterwards"
# A few hundred samples stop early: more steps find the same weights.
FIT = EstimationConfig(validation_tuples=20_000, fit=FitConfig(steps=500, checks=20))
UNCONFIRMED = "no dependency that validation samples confirm"


@dataclass(frozen=True, eq=False)
class PointwiseCritic:
    """Pointwise dependency of a tuple of views: the log density ratio of joint to product of marginals.

    Attributes:
        names: the views, in order.
        measure: dependency measure that the critic belongs to.
        unit: ``"nats"``, or ``"rank"`` where only the order has a meaning.
        origin: :data:`TRAINED` or :data:`FITTED`.
        between: what the views are, ``"modalities"`` or ``"fusion"``; see :func:`comodal.dependency.views_of`.
        scale: views by name to the critic's inputs, in order, row by row.
        dims: widths of the views, in order.
        critic: scores tuples of them ``(k,)``.
        log_ratio: scores ``(k,)`` to pointwise dependency ``(k,)``, an increasing function.
        warnings: limits to report with the numbers.
    """

    names: tuple[str, ...]
    measure: str
    unit: str
    origin: str
    between: str
    scale: Callable[[Mapping[str, Tensor]], list[Tensor]]
    dims: tuple[int, ...]
    critic: Callable[[Sequence[Tensor]], Tensor]
    log_ratio: Callable[[Tensor], Tensor]
    warnings: tuple[str, ...] = ()

    def __call__(self, views: Mapping[str, Any]) -> Tensor:
        """Return the pointwise dependency ``(N,)`` of samples from views ``(N, d_m)``; low where the views disagree.

        Raises:
            InputError: views of other names or widths.
        """
        scaled = self.prepare(views)
        return self.of_rows(scaled, aligned_rows(scaled))

    def prepare(self, views: Mapping[str, Any]) -> list[Tensor]:
        """Return the views as the critic's inputs, for :meth:`of_rows`; row i depends on row i alone."""
        if missing := [name for name in self.names if name not in views]:
            raise InputError.unknown("view", missing[0], list(views), where="critic")
        named = {name: torch.as_tensor(views[name]) for name in self.names}
        for name, width in zip(self.names, self.dims, strict=True):
            if named[name].shape[1:] != (width,):
                shape = tuple(named[name].shape)
                raise InputError(f"view {name!r} has shape {shape}: give (n, {width})", code="wrong_shape")
        with torch.no_grad():
            return self.scale(named)

    def of_rows(self, scaled: Sequence[Tensor], rows: Tensor) -> Tensor:
        """Return the pointwise dependency ``(k,)`` of tuples: ``rows`` ``(M, k)`` holds the row of each view."""
        with torch.no_grad():
            return self.log_ratio(score_tuples(self.critic, scaled, rows).double()).float()


def from_penalty(fitted: FittedFold) -> PointwiseCritic:
    """Return what was trained with a model and scores samples.

    Its free constant is set on broken pairs of the training part: ``T - log E_Q[exp T]`` for ``kl``, ``T - 1`` for
    ``f``; see :meth:`comodal.dependency.Measure.log_ratio`.

    Raises:
        InputError: the model was trained without a penalty, or with a measure of whole batches.
    """
    if fitted.penalty is None:
        raise InputError(
            "this run was trained without a penalty and has no critic; fit one on its representations: --fit-critic kl",
            code="missing",
        )
    measure, between = fitted.penalty.measure, fitted.config.penalty.between
    unit = measure.facts.pointwise
    if unit is None:
        raise InputError(
            f"{measure.name} is a number of a batch and has no value of one sample; "
            "fit a critic on the representations: --fit-critic kl",
            code="unsupported",
        )

    def score(views: Sequence[Tensor]) -> Tensor:
        scores = measure.pointwise(views)
        assert scores is not None  # noqa: S101 - what a unit of it promises
        return scores

    train = measure.layout.match(represent_training(fitted).compared(between))
    rows = broken_rows(train, FIT.validation_tuples, torch.Generator().manual_seed(0))
    broken = score_tuples(score, train, rows).double()
    return PointwiseCritic(
        names=measure.layout.names,
        measure=measure.name,
        unit=unit,
        origin=TRAINED,
        between=between,
        scale=measure.layout.match,
        dims=measure.layout.dims,
        critic=score,
        log_ratio=lambda scores: measure.log_ratio(scores, broken),
    )


def fit_afterwards(
    train: Mapping[str, Any],
    *,
    measure: str = "kl",
    seed: int = 0,
    validation: Mapping[str, Any] | None = None,
    between: str = "modalities",
    config: EstimationConfig | None = None,
) -> PointwiseCritic:
    """Fit a critic on fixed representations of any model.

    Like :func:`~comodal.dependency.estimation.estimate_dependency`, but scores keep their order: they are shifted by
    the constant that is best on the validation part, and neither clipped nor shrunk.

    Args:
        train: name to ``(N, d_m)``, samples other than those to explain.
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES` with a critic.
        seed: of initial weights, pairings and the split.
        validation: as ``train``, other samples, which select the critic; default: a fifth of ``train``.
        between: what the views are.
        config: of the fit; the default suits hundreds to thousands of samples.

    Raises:
        InputError: fewer than 2 views, too few samples, values that are not finite, a constant view, an unknown
            measure.
    """
    config, spec = config or FIT, measure_spec(measure)
    bound = spec.bound
    known, judged = _divided(train, validation, seed=seed, share=config.validation_share)
    transforms = {name: SCALINGS[config.scaling](view) for name, view in known.items()}

    def scale(views: Mapping[str, Tensor]) -> list[Tensor]:
        return [transform(views[name].double()) for name, transform in transforms.items()]

    generator = torch.Generator().manual_seed(seed)
    critic = fitted_critic(
        bound,
        train=scale(known),
        validation=scale(judged),
        tuples=config.validation_tuples,
        config=config.fit,
        seed=seed,
        generator=generator,
    ).requires_grad_(requires_grad=False)
    constant, warnings = _judged(bound, critic, scale(judged), generator)
    return PointwiseCritic(
        names=tuple(known),
        measure=spec.name,
        unit=unit_of(bound),
        origin=FITTED,
        between=between,
        scale=scale,
        dims=critic.dims,
        critic=critic,
        log_ratio=lambda scores: scores + constant,
        warnings=warnings,
    )


def _divided(
    train: Mapping[str, Any], validation: Mapping[str, Any] | None, *, seed: int, share: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    known = checked_views(train)
    if validation is not None:
        return known, {name: torch.as_tensor(validation[name]) for name in known}
    n = len(next(iter(known.values())))
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    cut = max(round(share * n), len(known))
    return {name: view[rows[cut:]] for name, view in known.items()}, {n: v[rows[:cut]] for n, v in known.items()}


def _judged(
    bound: Bound, critic: Critic, views: Sequence[Tensor], generator: torch.Generator
) -> tuple[float, tuple[str, ...]]:
    """Return the constant that is best on validation samples, and a warning when they confirm no dependency."""
    rows = broken_rows(views, FIT.validation_tuples, generator)
    joint, marginal = (score_tuples(critic, views, each).double() for each in (aligned_rows(views), rows))
    constant = float(bound.required_form().constant(joint, marginal))
    confirmed = calibrate(bound, critic, views, rows).temperature > 0
    return constant, () if confirmed else (UNCONFIRMED,)


def unit_of(bound: Bound) -> str:
    """Return the unit of the pointwise dependency that a critic fitted to a bound estimates."""
    return RANK if bound.log_ratio is None else NATS
