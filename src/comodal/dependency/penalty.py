"""The penalty that rewards dependency: a measure with weight, schedule and an optimiser of its critic."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsFloat

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency.catalog import measure_of
from comodal.dependency.critic_steps import CriticSource, critic_batches, critic_step, freeze
from comodal.dependency.distributed import Gathered, gather_batches
from comodal.dependency.finite import FiniteWatch
from comodal.dependency.gaps import mean_of_terms, parts_of
from comodal.dependency.graph_operations import number_of, settle
from comodal.dependency.measure import Measure
from comodal.dependency.pools import checked_pools
from comodal.dependency.schedules import ConstantWeight
from comodal.dependency.views import Batches, masked

__all__ = ["DependencyPenalty"]

_OPTIONS = ("weight", "critic_steps", "fresh_batches", "schedule", "critic_lr", "seed", "pool")


class DependencyPenalty(nn.Module):
    """``-weight / gradient_scale * D(Z_1, .., Z_M)``: add it to a task loss and representations become more dependent.

    ``L = L_task - lambda D(P(Z_1..Z_M) || P(Z_1) x .. x P(Z_M))``, D as the measure estimates it, most from below by a
    critic. A step has two stages: :meth:`update_critic` trains the critic, or what else the measure learns, on detached
    representations with its own optimiser; then a call returns the term of the loss, whose gradient reaches the
    representations only. With ``critic_steps=0`` both are one: the gradient also reaches the critic, whose parameters
    :meth:`parameter_groups` returns for the model's optimiser.

    All randomness comes from the penalty's own generator, so a run with it sees the same initial weights, batches and
    dropout as one without. Between updates the critic is frozen (``requires_grad`` is false): it belongs outside what
    ``DistributedDataParallel`` wraps, or inside without being found unused. Under ``torch.distributed`` the
    representations of all processes are gathered. In evaluation mode, or under ``no_grad``, a call draws no random
    numbers and does not count as a step.

    Samples that lack a view are named by ``mask``. The dependency of all views at once is measured on the samples that
    have all of them; a measure of pairs takes for every pair the samples that have both. Where a batch has too few such
    samples, its term is 0 and a warning says how often that was.

    Args:
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES`, such as ``"kl"``, ``"f"`` or ``"wasserstein"``,
            or a :class:`~comodal.dependency.measure.Measure`.
        dims: name to width of each representation, or widths in order; 2 or more. Those of a given measure are its own.
        weight: lambda, at least 0; below 0 only for an upper bound such as ``"club"``, to make views less dependent. It
            is divided by the measure's ``gradient_scale``, so that one weight means about the same for every measure.
        critic_steps: K, updates of the measure's own parameters (the critic) per step of the model; 0 trains both at
            once. A measure without parameters takes none.
        fresh_batches: whether every critic step takes representations of a new batch, as in the paper, instead of new
            pairings of the same ones; :meth:`update_critic` then takes a callable or an iterator.
        schedule: step to share of the weight, such as :class:`~comodal.dependency.schedules.LinearWarmup`.
        critic_lr: learning rate of the critic.
        seed: of the critic's weights and of the pairings.
        pool: key of :data:`~comodal.dependency.pools.POOLS` that makes one vector of the frames of views
            ``(n, T, D_m)``; or a mapping from view to one, ``"mean"`` for others.
        options: of the measure named, as in :func:`~comodal.dependency.catalog.build_measure`: for example ``critic``,
            ``hidden``, ``normalize`` and ``pairings`` of ``"kl"``.

    Attributes:
        measure: the :class:`~comodal.dependency.measure.Measure`, larger = more dependent.
        step: calls so far in training, which the schedule counts.
        last_value: detached value of the measure at the last call, for logs; ``None`` where too few samples had views.
        skipped: calls so far in training that had too few samples with views to measure anything.

    Raises:
        InputError: an unknown name (the nearest is offered), a negative weight, options that contradict each other.

    Source: Colombo et al. 2021, abstract and introduction; ``fresh_batches=False`` and ``critic_steps=0`` are ours.

    Example:
        >>> import torch
        >>> penalty = DependencyPenalty("kl", dims={"text": 8, "audio": 4}, weight=0.3, critic_steps=1)
        >>> representations = {"text": torch.randn(16, 8, requires_grad=True), "audio": torch.randn(16, 4)}
        >>> _ = penalty.update_critic(representations)
        >>> loss = torch.tensor(1.0) + penalty(representations)      # the minus sign lives inside
        >>> loss.backward()
        >>> representations["text"].grad.shape
        torch.Size([16, 8])
    """

    def __init__(
        self,
        measure: str | Measure,
        *,
        dims: Mapping[str, int] | Sequence[int] | None = None,
        weight: float = 0.3,
        critic_steps: int = 1,
        fresh_batches: bool = False,
        schedule: Callable[[int], float] | None = None,
        critic_lr: float = 1e-3,
        seed: int = 0,
        pool: str | Mapping[str, str] = "mean",
        **options: Any,
    ) -> None:
        super().__init__()
        _check(critic_steps, critic_lr, fresh_batches=fresh_batches)
        self.measure = measure_of(measure, dims, seed=seed, options=options, beside=_OPTIONS)
        self.weight = self.measure.facts.checked_weight(weight)
        self.critic_steps, self.critic_lr = critic_steps, critic_lr
        self.fresh_batches, self.pool = fresh_batches, checked_pools(pool, self.measure.layout.names)
        self.schedule = schedule or ConstantWeight()
        self.step = self.skipped = 0
        self.last_value: Tensor | None = None
        self._watch, self.number = FiniteWatch(self.measure), number_of(self)
        self._optimizer: torch.optim.Adam | None = None
        if critic_steps > 0 and (own := list(self.measure.parameters())):
            self._optimizer = torch.optim.Adam(own, lr=critic_lr, fused=True)
            freeze(own)

    def update_critic(
        self,
        representations: CriticSource,
        mask: Mapping[str, Tensor] | None = None,
    ) -> Tensor | None:
        """Train the critic for K steps on detached representations, with a fresh pairing each.

        Args:
            representations: as in the call. With ``fresh_batches=True`` a callable that returns, or an iterator that
                yields, the representations of a new batch for each of the K steps; no graph is recorded of it.
            mask: as in the call. With ``fresh_batches=True`` each batch that has gaps is a
                :class:`~comodal.dependency.views.MaskedViews` instead.

        Returns:
            The critic's last loss, detached; ``None``, and nothing is done, with ``critic_steps=0``, for a measure
            without parameters, or where too few samples have the views.

        Raises:
            InputError: representations that do not fit, hold NaN or infinity, or are too few rows to break their
                pairing; or an iterator that ends before K batches.

        Example:
            >>> import torch
            >>> penalty = DependencyPenalty("f", dims=[4, 4], critic_steps=2, fresh_batches=True)
            >>> encoder = torch.nn.Linear(6, 8)
            >>> loss = penalty.update_critic(lambda: encoder(torch.randn(16, 6)).split(4, dim=1))   # called twice
        """
        if self._optimizer is None:
            return None
        given = representations if mask is None else masked(representations, mask)
        batches = critic_batches(
            given, layout=self.measure.layout, pools=self.pool, steps=self.critic_steps, fresh=self.fresh_batches
        )
        losses = [critic_step(self.measure, gathered, self._optimizer, self._watch) for gathered in batches]
        return losses[-1]

    def forward(self, representations: Batches, mask: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the term to add to the task loss.

        Args:
            representations: name to ``(n, D_m)``, or ``(n, T, D_m)``, which ``pool`` makes vectors; or tensors in the
                order of ``dims``; ``n`` at least their number. A list of such dicts is one batch, for example of
                samples with labels and samples without.
            mask: view to ``(n,)`` bool, true for samples that have it; or, of a sequence, to ``(n, T)``, true on real
                frames. Representations of absent views may hold anything. In a list of batches each that has gaps is a
                :class:`~comodal.dependency.views.MaskedViews` instead. Of several processes, all give a mask or none;
                a mask on the CPU costs a GPU no wait.

        Returns:
            Scalar, ``-weight * share / gradient_scale * value``: smaller = more dependent.

        Raises:
            InputError: representations that do not fit, hold NaN or infinity, or are too few rows to break their
                pairing; a mask of another shape or of no view.
        """
        given = representations if mask is None else masked(representations, mask)
        gathered = gather_batches(self.measure.layout, given, self.pool)
        learning = self.training and torch.is_grad_enabled()
        parts = parts_of(self.measure, *gathered)
        if not parts:
            return self._nothing_measured(gathered, learning=learning)
        both = learning and self.critic_steps == 0
        value, regulariser = mean_of_terms(
            [measure.terms(views) if both else (measure.value(views), None) for measure, views in parts]
        )
        self.last_value = last = value.detach()
        weight: Tensor | float
        if torch.compiler.is_compiling():
            weight = settle(self.number, last, [view.detach() for view in gathered.views], learning=learning)
        else:
            weight = self.settle(last, *gathered, learning=learning)
        if regulariser is not None:  # its own parameters learn alike, whatever the sign of the weight
            value = value - math.copysign(1.0, self.weight) * regulariser
        return -weight * value

    def settle(self, value: Tensor, views: list[Tensor], present: Tensor | None = None, *, learning: bool) -> float:
        """Count a call, check its value and return its weight: what a compiled graph leaves to Python."""
        weight = self.current_weight / self.measure.gradient_scale
        self.step += int(learning)
        self._watch.look(value, views, present, remedy="the learning rate" if self._optimizer is None else "critic_lr")
        return weight

    @property
    def current_weight(self) -> float:
        """Return the weight at this step of the schedule."""
        return self.weight * self.schedule(self.step)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return parameter groups for the model's optimiser: the critic, if any, with ``critic_steps=0``, else none.

        Returns:
            Optimiser parameter groups, each with ``name``, ``params`` and ``lr``.

        Example:
            >>> penalty = DependencyPenalty("kl", dims=[4, 4], critic_steps=0, critic_lr=0.01)
            >>> [(group["name"], group["lr"]) for group in penalty.parameter_groups()]
            [('critic', 0.01)]
        """
        own = list(self.measure.parameters())
        if self.critic_steps > 0 or not own:
            return []
        return [{"name": "critic", "params": own, "lr": self.critic_lr}]

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state that is no tensor of a module: optimiser, step and name of the measure."""
        self._watch.check()
        optimizer = None if self._optimizer is None else self._optimizer.state_dict()
        return {"measure": self.measure.name, "step": self.step, "optimizer": optimizer}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_extra_state` gave.

        Raises:
            InputError: a state of another measure, or of another way to train the critic.
        """
        if state["measure"] != self.measure.name:
            raise InputError(
                f"this state is of a {state['measure']!r} penalty and this one is {self.measure.name!r}: "
                "load it into a penalty of the same measure",
                code="mismatch",
            )
        if (state["optimizer"] is None) != (self._optimizer is None):
            raise InputError(
                "this state is of a penalty with critic_steps=0, or only this one is: build both alike", code="mismatch"
            )
        self.step = state["step"]
        if self._optimizer is not None:
            self._optimizer.load_state_dict(state["optimizer"])

    def extra_repr(self) -> str:
        """Return the options to print."""
        return f"measure={self.measure.name!r}, weight={self.weight}, critic_steps={self.critic_steps}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.number = number_of(self)

    def train(self, mode: bool = True) -> DependencyPenalty:
        """Set the mode, after a look at values that a device had not told yet."""
        self._watch.check()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DependencyPenalty:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._optimizer is not None:
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # its moments follow their parameters
        return self

    def _nothing_measured(self, gathered: Gathered, *, learning: bool) -> Tensor:
        """Return 0 with a graph, and warn: the first time, and whenever the count has doubled."""
        self.last_value = None
        self.step += int(learning)
        self.skipped += int(learning)
        if learning and self.skipped & (self.skipped - 1) == 0:
            assert gathered.present is not None  # noqa: S101 - without gaps there is always something to measure
            counts = dict(zip(self.measure.layout.names, gathered.present.sum(dim=0).tolist(), strict=True))
            message = (
                f"{self.measure.name}: too few of {len(gathered.present)} samples have the views to measure anything "
                f"({counts}), in {self.skipped} of {self.step} batches so far: the penalty was 0 there"
            )
            warnings.warn(message, stacklevel=3)
        return torch.stack([view[:0].sum() for view in gathered.views]).sum()


def _check(critic_steps: int, critic_lr: float, *, fresh_batches: bool) -> None:
    if isinstance(critic_steps, bool) or not isinstance(critic_steps, int) or critic_steps < 0:
        raise InputError(
            f"critic_steps={critic_steps!r}: give a whole number, 0 to train critic and model in one step",
            code="out_of_range",
        )
    if not (isinstance(critic_lr, SupportsFloat) and math.isfinite(critic_lr) and critic_lr > 0):
        raise InputError(f"critic_lr={critic_lr!r}: give a learning rate above 0", code="out_of_range")
    if fresh_batches and critic_steps == 0:
        raise InputError(
            "fresh_batches=True needs critic_steps of 1 or more: with 0 the critic has no steps of its own",
            code="conflict",
        )
