"""The registry of bounds, each with the facts about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency import log_ratio
from comodal.dependency.bounds import (
    donsker_varadhan,
    dv_of_partition,
    hellinger_of_partition,
    jensen_shannon,
    kantorovich_rubinstein,
    nwj,
    nwj_of_partition,
    pearson,
    reverse_kl,
    smile,
    squared_hellinger,
)
from comodal.dependency.exponentials import log_mean_exp
from comodal.dependency.log_ratio import LogRatioForm

__all__ = ["BOUNDS", "Bound"]


# The log density ratio of each bound's best critic, from scores (k,) and those of broken pairs (m,). Named functions
# rather than lambdas, so that a penalty can be pickled.
def _above_partition(scores: Tensor, marginal: Tensor) -> Tensor:
    return scores - log_mean_exp(marginal)  # the best critic of Donsker-Varadhan is free up to a constant


def _above_one(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all
    return scores - 1.0


def _itself(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    return scores


def _doubled(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    return 2.0 * scores


def _of_excess(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    return torch.log((1.0 + 0.5 * scores).clamp(min=1e-12))  # the best critic of Pearson is 2 (r - 1)


@dataclass(frozen=True)
class Bound:
    """A bound and the facts about it.

    Attributes:
        name: its key in :data:`BOUNDS`.
        evaluate: ``(joint (n,), marginal (m,)) -> scalar``.
        unit: ``"nats"``, ``"distance"`` or ``"divergence"``.
        is_lower_bound: the population value is never above the divergence it estimates.
        needs_lipschitz: whether it holds only for critics with slopes of at most 1.
        averages_over_batches: whether the value of a batch is the mean of the values of its equal parts, so that
            mini-batch gradients are unbiased; false for a logarithm of a mean.
        log_ratio: ``(scores (k,), marginal (m,)) -> (k,)`` pointwise log density ratio at the best critic, or ``None``
            where only the order of scores has a meaning.
        of_log_partition: ``(joint (n,), log E_Q[exp T]) -> scalar`` for bounds that need only that number of Q, so
            that a critic which knows it needs no broken pairs; else ``None``.
        surrogate: ``(joint (n,), marginal (m,)) -> scalar`` whose gradient critic and representations follow instead of
            the value's; ``None`` where it is the value's own.
        gradient_scale: see :class:`~comodal.dependency.measure.MeasureFacts`.
        normalize: the normalisation of representations that suits it, where none is chosen.
        form: the bound in terms of the log density ratio, in which :func:`~comodal.dependency.estimate_dependency`
            fits a critic; ``None`` for a bound that only a penalty can use.
        moving_average: whether its gradient is MINE's, which divides by a moving average of ``E_Q[exp T]``.
    """

    name: str
    evaluate: Callable[[Tensor, Tensor], Tensor]
    unit: str
    log_ratio: Callable[[Tensor, Tensor], Tensor] | None
    of_log_partition: Callable[[Tensor, Tensor], Tensor] | None = None
    is_lower_bound: bool = True
    needs_lipschitz: bool = False
    averages_over_batches: bool = True
    surrogate: Callable[[Tensor, Tensor], Tensor] | None = None
    form: LogRatioForm | None = None
    moving_average: bool = False
    gradient_scale: float = 1.0
    normalize: str = "layer"

    def __call__(self, joint: Tensor, marginal: Tensor) -> Tensor:
        """The value, ``evaluate(joint, marginal)``."""
        return self.evaluate(joint, marginal)

    def required_form(self) -> LogRatioForm:
        """Return the form in which a critic is fitted.

        Raises:
            InputError: a bound without one.
        """
        if self.form is None:
            raise InputError(
                f"{self.name} has no form in terms of the log density ratio to fit: use it in a penalty, "
                f"or estimate one of {', '.join(name for name, bound in BOUNDS.items() if bound.form)}",
                code="unsupported",
            )
        return self.form


BOUNDS: dict[str, Bound] = {
    bound.name: bound
    for bound in (
        Bound(
            "donsker_varadhan",
            donsker_varadhan,
            "nats",
            _above_partition,
            dv_of_partition,
            averages_over_batches=False,
            form=LogRatioForm(donsker_varadhan, constant=log_ratio.minus_log_partition),
        ),
        Bound(
            "nwj",
            nwj,
            "nats",
            _above_one,
            nwj_of_partition,
            form=LogRatioForm(donsker_varadhan, log_ratio.one_more, log_ratio.minus_log_partition),
        ),
        Bound(
            "reverse_kl",
            reverse_kl,
            "nats",
            _itself,
            form=LogRatioForm(log_ratio.reverse_profile, constant=log_ratio.reverse_constant, sign=-1),
            gradient_scale=20.0,
        ),
        Bound(
            "pearson",
            pearson,
            "divergence",
            _of_excess,
            # The profile of its own, 2 log E_J[r] - log E_Q[r^2], depends on a few samples.
            form=LogRatioForm(donsker_varadhan, log_ratio.twice_excess, log_ratio.pearson_constant),
            gradient_scale=20.0,
        ),
        Bound(
            "squared_hellinger",
            squared_hellinger,
            "divergence",
            _doubled,
            hellinger_of_partition,
            form=LogRatioForm(log_ratio.hellinger_profile, log_ratio.half, log_ratio.hellinger_constant),
            gradient_scale=0.4,
        ),
        Bound("jensen_shannon", jensen_shannon, "nats", _itself, form=LogRatioForm(jensen_shannon), gradient_scale=0.3),
        Bound(
            "smile",
            smile,
            "nats",
            _itself,
            is_lower_bound=False,
            averages_over_batches=False,
            surrogate=jensen_shannon,
            gradient_scale=0.3,
            form=LogRatioForm(jensen_shannon),
        ),
        Bound(
            "kantorovich_rubinstein",
            kantorovich_rubinstein,
            "distance",
            None,
            needs_lipschitz=True,
            gradient_scale=0.03,
            normalize="sphere",
            form=LogRatioForm(kantorovich_rubinstein),  # not a ratio but the score, so that one procedure fits all
        ),
    )
}
