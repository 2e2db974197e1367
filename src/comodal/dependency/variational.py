"""Measures that a critic makes: a critic, a pairing and a bound on normalised representations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.bound import Bound
from comodal.dependency.critics import CRITICS, Critic
from comodal.dependency.exponentials import log_mean_exp
from comodal.dependency.lipschitz import GRADIENT_PENALTY_COEFFICIENT, slope_penalty, spectral_norm
from comodal.dependency.measure import Measure, MeasureFacts
from comodal.dependency.moving_average import mine_surrogate, moving_log_partition
from comodal.dependency.normalization import NORMALIZATIONS, RADII, checked_normalization
from comodal.dependency.views import ViewLayout, Views, full_precision

__all__ = ["LIPSCHITZ", "Variational", "facts_of"]

LIPSCHITZ = ("gradient_penalty", "spectral_norm")
"""Ways to keep the critic of a distance 1-Lipschitz."""


class _PairScores(NamedTuple):
    joint: Tensor
    marginal: Tensor  # (m,) scores, or the scalar log E_Q[exp T] where the critic knows it
    points: Tensor  # (n + m, D) what was scored, joint rows first


class Variational(Measure):
    """A lower bound on the dependency between representations, with a critic that learns to raise it.

    ``bound(T(joint), T(product of marginals))`` of the normalised representations. The joint is aligned tuples, the
    product of marginals the same ones with their pairing broken; in training mode with gradients on, each call draws a
    new pairing.

    Args:
        bound: a value of :data:`~comodal.dependency.bounds.BOUNDS`, or one of your own.
        name: the user's name for it; ``None`` is the bound's.
        dims: name to width of each representation, or widths in order.
        critic: a key of :data:`~comodal.dependency.critics.CRITICS`, or a critic of these dims.
        hidden: widths of the critic's hidden layers; ``None`` is the critic's own default.
        normalize: a key of :data:`~comodal.dependency.normalization.NORMALIZATIONS`; ``None`` is the bound's own,
            ``"sphere"`` for a distance, else ``"layer"``. ``"none"`` is refused where the value grows with scale alone.
        lipschitz: one of :data:`LIPSCHITZ`, used where the bound needs it.
        pairings: number of pairings per batch; more of them lower the variance.
        ema_rate: weight of a new batch in the moving average, of bounds with one.
        seed: of the critic's first weights and of the pairings.

    Attributes:
        critic: scores tuples.
        bound: the bound, with the facts about it.

    Raises:
        InputError: an unknown name (the nearest is offered), or options that contradict each other.

    Source: Belghazi et al. 2018 (MINE); Nowozin et al. 2016 (f-GAN); Ozair et al. 2019.

    Example:
        >>> import torch
        >>> from comodal.dependency import BOUNDS
        >>> measure = Variational(BOUNDS["nwj"], dims={"text": 8, "audio": 4})
        >>> views = {"text": torch.randn(16, 8), "audio": torch.randn(16, 4)}
        >>> measure.value(views).shape, measure.pointwise(views).shape, measure.facts.unit
        (torch.Size([]), torch.Size([16]), 'nats')
    """

    log_average: Tensor

    def __init__(
        self,
        bound: Bound,
        *,
        dims: Mapping[str, int] | Sequence[int],
        name: str | None = None,
        critic: str | Critic = "separable",
        hidden: Sequence[int] | None = None,
        normalize: str | None = None,
        lipschitz: str = "gradient_penalty",
        pairings: int = 1,
        ema_rate: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(facts_of(bound), name=name or bound.name, dims=dims, seed=seed)
        self.bound = bound
        self.normalize = checked_normalization(normalize or bound.normalize, self)
        if pairings < 1 or not 0.0 < ema_rate <= 1.0:
            raise InputError(
                f"pairings={pairings}, ema_rate={ema_rate}: give 1 or more pairings, and an ema_rate in (0, 1]",
                code="out_of_range",
            )
        self.pairings, self.ema_rate = pairings, ema_rate
        self.lipschitz = lipschitz if bound.needs_lipschitz else None
        if self.lipschitz is not None and lipschitz not in LIPSCHITZ:
            raise InputError.unknown("lipschitz", lipschitz, LIPSCHITZ)
        self.critic = _built_critic(critic, self.layout, hidden=hidden, seed=seed)
        if self.lipschitz == "spectral_norm":
            spectral_norm(self.critic)
        self.register_buffer("log_average", torch.tensor(-torch.inf))

    @property
    def gradient_scale(self) -> float:
        """As of every measure; a distance is taken in units of the largest one between two tuples."""
        scale = super().gradient_scale
        if self.facts.unit != "distance":
            return scale
        return scale * 2.0 * math.hypot(*(RADII[self.normalize](width) for width in self.layout.dims))

    def value(self, views: Views) -> Tensor:
        """Return the bound, differentiable by the views and by the critic; for ``mine`` with its own gradient.

        Refuses fewer rows than there are views, whose pairing cannot be broken.
        """
        ordered = self._matched(views)
        with full_precision(ordered[0]):
            return self._value(self._pair_scores(ordered), learn=False)

    def terms(self, views: Views) -> tuple[Tensor, Tensor | None]:
        """Return the bound and the regulariser that keeps its critic 1-Lipschitz; updates the moving average."""
        ordered = self._matched(views)
        with full_precision(ordered[0]):
            pair = self._pair_scores(ordered)
            return self._value(pair, learn=True), self._regulariser(pair)

    def pointwise(self, views: Views) -> Tensor:
        """Return the critic's score ``(n,)`` of each sample, of which only the order has a meaning."""
        points = self.normalized(views)
        with full_precision(points[0]):
            scores: Tensor = self.critic(points)
            return scores

    def log_ratio(self, scores: Tensor, broken: Tensor) -> Tensor:
        """Return the log density ratio ``(k,)`` of scores at the best critic, for a distance the scores themselves."""
        return scores if self.bound.log_ratio is None else self.bound.log_ratio(scores, broken)

    def normalized(self, views: Views) -> list[Tensor]:
        """Return the input of the critic, one ``(n, D_m)`` tensor per view."""
        ordered = self.layout.match(views)
        with full_precision(ordered[0]):
            return [self._normalized(view) for view in ordered]

    def _pair_scores(self, views: list[Tensor]) -> _PairScores:
        if self.critic.knows_log_partition and self.bound.of_log_partition is not None:
            scores, log_partition = self.critic.with_log_partition([self._normalized(view) for view in views])
            assert log_partition is not None  # noqa: S101 - what knows_log_partition promises
            return _PairScores(scores, log_partition, scores)
        n, count = views[0].shape[0], len(views)
        order = self.draws().pairing(n, count, pairings=self.pairings, like=views[0])
        rows = torch.cat([torch.arange(n, device=order.device).expand(count, n), order], dim=1)
        points = self._gathered(views, rows)
        # One call for both sets: the overhead of a small network is paid once.
        joint, marginal = torch.split(self.critic.score_points(points), [n, order.shape[1]])
        return _PairScores(joint, marginal, points)

    def _gathered(self, views: list[Tensor], rows: Tensor) -> Tensor:
        """Concatenated tuples ``(m, D)`` whose view k is taken from ``rows[k]`` of the normalised view k."""
        if len(set(self.layout.dims)) > 1:
            picked = [self._normalized(view).index_select(0, row) for view, row in zip(views, rows, strict=True)]
            return torch.cat(picked, dim=1)
        # Views of one width are rows of one matrix: one normalisation and one selection for all of them.
        count, width = len(views), self.layout.dims[0]
        stacked = self._normalized(torch.cat(views, dim=1).view(-1, width))
        places = rows.T * count + torch.arange(count, device=rows.device)
        return stacked.index_select(0, places.reshape(-1)).view(-1, count * width)

    def _normalized(self, view: Tensor) -> Tensor:
        return NORMALIZATIONS[self.normalize](view.to(self.log_average.dtype))

    def _value(self, pair: _PairScores, *, learn: bool) -> Tensor:
        bound = self.bound
        if self.bound.moving_average:
            return self._moving_average_value(pair, learn=learn)
        if pair.marginal.ndim == 0 and bound.of_log_partition is not None:
            return bound.of_log_partition(pair.joint, pair.marginal)
        value = bound(pair.joint, pair.marginal)
        if bound.surrogate is None:
            return value
        surrogate = bound.surrogate(pair.joint, pair.marginal)
        return surrogate + (value - surrogate).detach()

    def _moving_average_value(self, pair: _PairScores, *, learn: bool) -> Tensor:
        log_partition = pair.marginal if pair.marginal.ndim == 0 else log_mean_exp(pair.marginal)
        average = moving_log_partition(self.log_average, log_partition, ema_rate=self.ema_rate)
        if learn:
            self.log_average.copy_(average)
        surrogate = mine_surrogate(pair.joint, log_partition, average)
        value = pair.joint.mean() - log_partition
        return surrogate + (value - surrogate).detach()

    def _regulariser(self, pair: _PairScores) -> Tensor | None:
        if self.lipschitz != "gradient_penalty":
            return None
        n = pair.joint.shape[0]
        share = self.draws().shares(n, like=pair.points).to(pair.points)
        penalty = slope_penalty(
            self.critic, torch.lerp(pair.points[:n].detach(), pair.points[n : 2 * n].detach(), share)
        )
        return GRADIENT_PENALTY_COEFFICIENT * penalty


def facts_of(bound: Bound) -> MeasureFacts:
    """Return what is true of every measure with a bound."""
    return MeasureFacts(
        unit=bound.unit,
        estimates="lower bound" if bound.is_lower_bound else "neither",
        pointwise="rank" if bound.log_ratio is None else "nats",
        gradient_scale=bound.gradient_scale,
    )


def _built_critic(critic: str | Critic, layout: ViewLayout, *, hidden: Sequence[int] | None, seed: int) -> Critic:
    if isinstance(critic, Critic):
        if critic.dims != layout.dims:
            raise InputError(
                f"the critic is for widths {critic.dims}, dims are {layout.dims}: build it with these", code="mismatch"
            )
        return critic
    if critic not in CRITICS:
        raise InputError.unknown("critic", critic, list(CRITICS))
    family = CRITICS[critic]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return family(layout.dims) if hidden is None else family(layout.dims, hidden=tuple(hidden))
