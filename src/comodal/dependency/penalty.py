"""The penalty that rewards dependency: a measure with weight, schedule and an optimiser of its critic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency.catalog import measure_of
from comodal.dependency.distributed import gather_batches
from comodal.dependency.measure import Measure
from comodal.dependency.schedules import ConstantWeight
from comodal.dependency.views import Batches, Views, full_precision

__all__ = ["DependencyPenalty"]


class DependencyPenalty(nn.Module):
    """``-weight * D(Z_1, .., Z_M)``: add it to a task loss and representations become more dependent.

    ``L = L_task - lambda D(P(Z_1..Z_M) || P(Z_1) x .. x P(Z_M))``, D estimated from below by a critic. A step has two
    stages: :meth:`update_critic` trains the critic on detached representations with its own optimiser; then a call
    returns the term of the loss, whose gradient reaches the representations only. With ``critic_steps=0`` both are one:
    the gradient also reaches the critic, whose parameters :meth:`parameter_groups` returns for the model's optimiser.

    All randomness comes from the penalty's own generator, so a run with it sees the same initial weights, batches and
    dropout as one without. Between updates the critic is frozen (``requires_grad`` is false): it belongs outside what
    ``DistributedDataParallel`` wraps, or inside without being found unused. Under ``torch.distributed`` the
    representations of all processes are gathered. In evaluation mode, or under ``no_grad``, a call draws no random
    numbers and does not count as a step.

    Args:
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES`, such as ``"kl"``, ``"f"`` or ``"wasserstein"``,
            or a :class:`~comodal.dependency.measure.Measure`.
        dims: name to width of each representation, or widths in order; 2 or more. Those of a given measure are its own.
        weight: lambda, at least 0; below 0 only for a measure that is an upper bound, to make views less dependent.
        critic_steps: K, updates of the measure's own parameters (the critic) per step of the model; 0 trains both at
            once. A measure without parameters takes none.
        fresh_batches: whether every critic step takes representations of a new batch, as in the paper, instead of new
            pairings of the same ones; :meth:`update_critic` then takes a callable or an iterator.
        schedule: step to share of the weight, such as :class:`~comodal.dependency.schedules.LinearWarmup`.
        critic_lr: learning rate of the critic.
        seed: of the critic's weights and of the pairings.
        options: of the measure named, as in :func:`~comodal.dependency.catalog.build_measure`: for example ``critic``,
            ``hidden``, ``normalize`` and ``pairings`` of ``"kl"``.

    Attributes:
        measure: the :class:`~comodal.dependency.measure.Measure`, larger = more dependent.
        step: calls so far in training, which the schedule counts.
        last_value: detached value of the measure at the last call, for logs.

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
        **options: Any,
    ) -> None:
        super().__init__()
        _check(critic_steps, critic_lr, fresh_batches=fresh_batches)
        self.measure = measure_of(measure, dims, seed=seed, options=options)
        self.weight, self.critic_steps, self.critic_lr = _checked_weight(weight, self.measure), critic_steps, critic_lr
        self.fresh_batches = fresh_batches
        self.schedule = schedule or ConstantWeight()
        self.step = 0
        self.last_value: Tensor | None = None
        self._optimizer: torch.optim.Adam | None = None
        if critic_steps > 0 and (own := list(self.measure.parameters())):
            self._optimizer = torch.optim.Adam(own, lr=critic_lr, fused=True)
            _freeze(own)

    def update_critic(self, representations: Batches | Callable[[], Views] | Iterable[Views]) -> Tensor | None:
        """Train the critic for K steps on detached representations, with a fresh pairing each.

        Args:
            representations: as in the call. With ``fresh_batches=True`` a callable that returns, or an iterator that
                yields, the representations of a new batch for each of the K steps; no graph is recorded of it.

        Returns:
            The critic's last loss, detached; ``None``, and nothing is done, with ``critic_steps=0`` or for a measure
            without parameters.

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
        losses = [self._critic_step(views, self._optimizer) for views in self._batches(representations)]
        return losses[-1]

    def forward(self, representations: Batches) -> Tensor:
        """Return the term to add to the task loss.

        Args:
            representations: name to ``(n, D_m)``, or tensors in the order of ``dims``; ``n`` at least their number. A
                list of such dicts is one batch, for example of samples with labels and samples without.

        Returns:
            Scalar, ``-weight * share * value``: smaller = more dependent.

        Raises:
            InputError: representations that do not fit, hold NaN or infinity, or are too few rows to break their
                pairing.
        """
        views = gather_batches(self.measure.layout, representations)
        learning = self.training and torch.is_grad_enabled()
        both = learning and self.critic_steps == 0
        value, regulariser = self.measure.terms(views) if both else (self.measure.value(views), None)
        self._refuse_non_finite(value, views)
        self.last_value = value.detach()
        weight = self.current_weight
        self.step += int(learning)
        return -weight * (value if regulariser is None else value - regulariser)

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

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DependencyPenalty:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._optimizer is not None:
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # its moments follow their parameters
        return self

    def _critic_step(self, views: list[Tensor], optimizer: torch.optim.Adam) -> Tensor:
        parameters: list[nn.Parameter] = optimizer.param_groups[0]["params"]
        for parameter in parameters:
            parameter.requires_grad = True
        try:
            with torch.enable_grad(), full_precision(views[0]):
                loss = self.measure.learn(views)
                assert loss is not None  # noqa: S101 - a measure with parameters has a loss of them
                self._refuse_non_finite(loss, views)
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
        finally:
            _freeze(parameters)
        return loss.detach()

    def _batches(self, source: Batches | Callable[[], Views] | Iterable[Views]) -> Iterator[list[Tensor]]:
        if not self.fresh_batches:
            if callable(source) or isinstance(source, Iterator):
                raise InputError(
                    "update_critic got a source of batches, but fresh_batches is False: set it to True", code="conflict"
                )
            views = [view.detach() for view in gather_batches(self.measure.layout, source)]  # type: ignore[arg-type]
            yield from repeat(views, self.critic_steps)
            return
        drawn = iter(source, None) if callable(source) else source
        if not isinstance(drawn, Iterator):
            raise InputError(
                "fresh_batches=True draws a new batch for every critic step: give update_critic a callable or an "
                f"iterator of representations, not a {type(source).__name__}",
                code="wrong_type",
            )
        for _ in range(self.critic_steps):
            with torch.no_grad():
                given = next(drawn, None)
                if given is None:
                    raise InputError(
                        "update_critic ran out of batches: give an iterator of at least critic_steps", code="missing"
                    )
                fresh = gather_batches(self.measure.layout, given)
            yield [view.detach() for view in fresh]

    def _refuse_non_finite(self, value: Tensor, views: list[Tensor]) -> None:
        if math.isfinite(value.item()):
            return
        for name, view in zip(self.measure.layout.names, views, strict=True):
            bad = (~view.isfinite()).any(dim=1).nonzero().flatten().tolist()
            if bad:
                raise InputError(
                    f"representation {name!r} holds NaN or infinity in {len(bad)} of {len(view)} rows "
                    f"(the first is {bad[0]}): clean the features or lower the model's learning rate",
                    code="not_finite",
                )
        raise InputError(
            f"{self.measure.name!r} diverged, its value is {value.item()}: lower "
            + ("critic_lr" if self._optimizer is not None else "the learning rate"),
            code="diverged",
        )


def _freeze(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.requires_grad = False
        parameter.grad = None  # else it would count when gradients of the model are clipped


def _checked_weight(weight: float, measure: Measure) -> float:
    if not (math.isfinite(weight) and (weight >= 0 or measure.facts.estimates == "upper bound")):
        raise InputError(
            f"weight={weight}: give 0 or more, the penalty rewards dependency; below 0 only with an upper bound",
            code="out_of_range",
        )
    return float(weight)


def _check(critic_steps: int, critic_lr: float, *, fresh_batches: bool) -> None:
    if isinstance(critic_steps, bool) or not isinstance(critic_steps, int) or critic_steps < 0:
        raise InputError(
            f"critic_steps={critic_steps!r}: give a whole number, 0 to train critic and model in one step",
            code="out_of_range",
        )
    if not (math.isfinite(critic_lr) and critic_lr > 0):
        raise InputError(f"critic_lr={critic_lr}: give a learning rate above 0", code="out_of_range")
    if fresh_batches and critic_steps == 0:
        raise InputError(
            "fresh_batches=True needs critic_steps of 1 or more: with 0 the critic has no steps of its own",
            code="conflict",
        )
