"""Dependency measures: a critic, a pairing and a bound on normalised representations.

Larger values mean more dependent. Names differ between papers: ``kl`` is the ``L_kl`` of the paper, ``f`` its ``L_f``
(NWJ, the f-GAN bound for KL), ``wasserstein`` its ``L_W``; ``mine`` is ``kl`` with MINE's moving-average gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import InputError
from comodal.dependency.catalog import MeasureSpec, measure_spec
from comodal.dependency.critics import CRITICS, Critic
from comodal.dependency.exponentials import log_mean_exp
from comodal.dependency.lipschitz import GRADIENT_PENALTY_COEFFICIENT, gradient_penalty, spectral_norm
from comodal.dependency.moving_average import mine_surrogate, moving_log_partition
from comodal.dependency.views import ViewLayout, Views, full_precision
from comodal.resampling import cyclic_order

__all__ = ["LIPSCHITZ", "NORMALIZATIONS", "DependencyMeasure"]


NORMALIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer": lambda view: functional.layer_norm(view, view.shape[1:]),
    "sphere": lambda view: functional.normalize(view, dim=1),
    "none": lambda view: view,
}
"""Normalisation of each representation: zero mean and unit variance over its features, unit norm, or none."""


LIPSCHITZ = ("gradient_penalty", "spectral_norm")
"""Ways to keep the critic of a distance 1-Lipschitz."""


class _PairScores(NamedTuple):
    joint: Tensor
    marginal: Tensor  # (m,) scores, or the scalar log E_Q[exp T] where the critic knows it
    points: Tensor  # (n + m, D) what was scored, joint rows first


class DependencyMeasure(nn.Module):
    """A lower bound on the dependency between M representations, with its critic.

    ``bound(T(joint), T(product of marginals))`` of the normalised representations, in float32 even under autocast. In
    training mode with gradients on, each call draws a new pairing; otherwise the pairing is fixed, so that evaluation
    is deterministic and does not change training.

    Args:
        measure: a key of :data:`MEASURES`.
        dims: name to width of each representation, or widths in order.
        critic: a key of :data:`~comodal.dependency.critics.CRITICS`, or a critic of these dims.
        hidden: widths of the critic's hidden layers; ``None`` is the critic's own default.
        normalize: a key of :data:`NORMALIZATIONS`; ``"none"`` is refused where the value grows with scale alone.
        lipschitz: one of :data:`LIPSCHITZ`, used where the bound needs it.
        pairings: number of pairings per batch; more of them lower the variance.
        ema_rate: weight of a new batch in MINE's moving average.
        seed: of the critic's first weights and of the pairings; PyTorch's global generator is not touched.

    Attributes:
        spec: name and facts of the measure; ``unit``, ``is_lower_bound`` and others are in ``spec.bound``.

    Raises:
        InputError: an unknown name (the nearest is offered), or options that contradict each other.

    Example:
        >>> import torch
        >>> measure = DependencyMeasure("kl", dims={"text": 8, "audio": 4})
        >>> views = {"text": torch.randn(16, 8), "audio": torch.randn(16, 4)}
        >>> measure.value(views).shape, measure.scores(views).shape, measure.spec.bound.unit
        (torch.Size([]), torch.Size([16]), 'nats')
    """

    log_average: Tensor

    def __init__(
        self,
        measure: str,
        *,
        dims: Mapping[str, int] | Sequence[int],
        critic: str | Critic = "joint",
        hidden: Sequence[int] | None = None,
        normalize: str = "layer",
        lipschitz: str = "gradient_penalty",
        pairings: int = 1,
        ema_rate: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.spec = measure_spec(measure)
        self.layout = ViewLayout(dims)
        self.normalize = _checked_normalization(normalize, self.spec, self.layout)
        if pairings < 1 or not 0.0 < ema_rate <= 1.0:
            raise InputError(
                f"pairings={pairings}, ema_rate={ema_rate}: give 1 or more pairings, and an ema_rate in (0, 1]",
                code="out_of_range",
            )
        self.pairings, self.ema_rate, self.seed = pairings, ema_rate, seed
        self.lipschitz = lipschitz if self.spec.bound.needs_lipschitz else None
        if self.lipschitz is not None and lipschitz not in LIPSCHITZ:
            raise InputError.unknown("lipschitz", lipschitz, LIPSCHITZ)
        self.critic = _built_critic(critic, self.layout, hidden=hidden, seed=seed)
        if self.lipschitz == "spectral_norm":
            spectral_norm(self.critic)
        self.generator = torch.Generator().manual_seed(seed)
        self.register_buffer("log_average", torch.tensor(-torch.inf))

    def value(self, views: Views) -> Tensor:
        """Return the bound, differentiable by the views and by the critic.

        Args:
            views: ``(n, D_m)`` each, ``n`` at least the number of views.

        Returns:
            Scalar in the unit of the measure, larger = more dependent. For ``mine`` the value is Donsker-Varadhan's and
            the gradient that of the moving average.

        Raises:
            InputError: views that do not fit, or too few rows to break the pairing.
        """
        ordered = self.layout.match(views)
        with full_precision(ordered[0]):
            return self._value(self._pair_scores(ordered), learn=False)

    def terms(self, views: Views) -> tuple[Tensor, Tensor | None]:
        """Return the bound and the regulariser that keeps its critic 1-Lipschitz, for a step that trains the critic.

        Updates the moving average. The first is differentiable by views and critic, the second by the critic alone.

        Args:
            views: as in :meth:`value`.

        Returns:
            Scalar bound, larger = more dependent; and scalar regulariser >= 0 with its coefficient, or ``None``.

        Raises:
            InputError: as in :meth:`value`.
        """
        ordered = self.layout.match(views)
        with full_precision(ordered[0]):
            pair = self._pair_scores(ordered)
            return self._value(pair, learn=True), self._regulariser(pair)

    def critic_loss(self, views: Views) -> Tensor:
        """Return the loss of the critic: minus the bound, plus its regulariser.

        Args:
            views: as in :meth:`value`; no gradient flows to them.

        Returns:
            Scalar, smaller = better critic.

        Raises:
            InputError: as in :meth:`value`.
        """
        value, regulariser = self.terms([view.detach() for view in self.layout.match(views)])
        return -value if regulariser is None else regulariser - value

    def scores(self, views: Views) -> Tensor:
        """Return the critic's score of each sample: high where its modalities agree, low where they disagree.

        Args:
            views: ``(n, D_m)`` each, any ``n``.

        Returns:
            ``(n,)``, of which only the order has a meaning; the bound's ``log_ratio`` converts them to log density
            ratios.

        Raises:
            InputError: views that do not fit.
        """
        points = self.normalized(views)
        with full_precision(points[0]):
            scores: Tensor = self.critic(points)
            return scores

    def normalized(self, views: Views) -> list[Tensor]:
        """Return the input of the critic: normalised views, in order and in the critic's precision.

        Args:
            views: as in :meth:`value`.

        Returns:
            One ``(n, D_m)`` tensor per view.

        Raises:
            InputError: views that do not fit.
        """
        ordered = self.layout.match(views)
        with full_precision(ordered[0]):
            return [self._normalized(view) for view in ordered]

    def get_extra_state(self) -> dict[str, Tensor]:
        """State of the pairing's generator, for ``state_dict``."""
        return {"generator": self.generator.get_state()}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`get_extra_state` gave."""
        self.generator.set_state(state["generator"].cpu())

    def _random(self) -> torch.Generator:
        learning = self.training and torch.is_grad_enabled()
        return self.generator if learning else torch.Generator().manual_seed(self.seed)

    def _pair_scores(self, views: list[Tensor]) -> _PairScores:
        if self.critic.knows_log_partition and self.spec.bound.of_log_partition is not None:
            scores, log_partition = self.critic.with_log_partition([self._normalized(view) for view in views])
            assert log_partition is not None  # noqa: S101 - what knows_log_partition promises
            return _PairScores(scores, log_partition, scores)
        n, count = views[0].shape[0], len(views)
        order = cyclic_order(n, count, pairings=self.pairings, generator=self._random())
        rows = torch.cat([torch.arange(n).expand(count, n), order], dim=1).to(views[0].device)
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
        bound = self.spec.bound
        if self.spec.moving_average:
            return self._moving_average_value(pair, learn=learn)
        if pair.marginal.ndim == 0 and bound.of_log_partition is not None:
            return bound.of_log_partition(pair.joint, pair.marginal)
        return bound(pair.joint, pair.marginal)

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
        penalty = gradient_penalty(self.critic, pair.points[:n], pair.points[n : 2 * n], generator=self._random())
        return GRADIENT_PENALTY_COEFFICIENT * penalty


def _checked_normalization(normalize: str, spec: MeasureSpec, layout: ViewLayout) -> str:
    if normalize not in NORMALIZATIONS:
        raise InputError.unknown("normalize", normalize, list(NORMALIZATIONS))
    if normalize == "none" and spec.bound.unit == "distance":
        raise InputError(
            f"normalize='none': {spec.name} grows with the scale of representations: use 'layer' or 'sphere'",
            code="conflict",
        )
    if normalize == "layer" and 1 in layout.dims:
        name = layout.names[layout.dims.index(1)]
        raise InputError(
            f"normalize='layer' makes {name!r}, which is 1 wide, constant: use 'sphere' or a wider view",
            code="conflict",
        )
    return normalize


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
