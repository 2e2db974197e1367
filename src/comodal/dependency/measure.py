"""What every dependency measure is: a number of representations, larger where they depend more, with declared facts."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsFloat

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency.draws import Draws
from comodal.dependency.graph_operations import number_of
from comodal.dependency.views import ViewLayout, Views

__all__ = ["Measure", "MeasureFacts"]


@dataclass(frozen=True, kw_only=True)
class MeasureFacts:
    """What is true of a measure, whatever its data.

    Attributes:
        unit: of its value, such as ``"nats"``, ``"distance"`` or ``"correlation"``.
        estimates: whether its value is a lower bound, an upper bound or neither of a dependency between the views.
        pointwise: unit of the dependency of one sample: ``"nats"``; ``"rank"`` where only its order has a meaning;
            ``None`` where the value is that of a batch alone.
        pairwise: whether its value is a mean over pairs of views, blind to what only three or more show together.
        equal_widths: whether it compares views feature by feature, so that they need one width.
        gradient_scale: the norm of its gradient by the representations, relative to that of ``kl``, as
            ``benchmarks/gradient_scale.py`` measures it; of a distance, per unit of the diameter. A penalty divides
            its weight by it, so that one grid of weights serves every measure.

    Example:
        >>> MeasureFacts(unit="nats", estimates="lower bound").pairwise
        False
    """

    unit: str
    estimates: Literal["lower bound", "upper bound", "neither"]
    pointwise: Literal["nats", "rank"] | None = None
    pairwise: bool = False
    equal_widths: bool = False
    gradient_scale: float = 1.0

    def checked_weight(self, weight: float, *, name: str = "weight") -> float:
        """Return the weight of a penalty with the measure.

        Raises:
            InputError: not finite; or below 0, which asks for less dependency, with a measure that is no upper bound.
        """
        if not (
            isinstance(weight, SupportsFloat)
            and math.isfinite(weight)
            and (weight >= 0 or self.estimates == "upper bound")
        ):
            raise InputError(
                f"{name}={weight!r}: give a number of at least 0, the penalty rewards dependency; below 0 only "
                "with an upper bound",
                code="out_of_range",
            )
        return float(weight)


class Measure(nn.Module, ABC):
    """The dependency between two or more representations, larger = more dependent.

    It computes in float32 even under autocast, and draws from a generator of its own: PyTorch's global one is not
    touched. In training mode with gradients on, each call may draw anew; otherwise calls repeat.

    Args:
        facts: what is true of it.
        name: the user's name for it.
        dims: name to width of each representation, or widths in order; 2 or more.
        seed: of all that is random.

    Attributes:
        layout: names and widths of the representations, in order.

    Raises:
        InputError: fewer than 2 views, a width below 1, or widths that differ where its facts ask for one.
    """

    def __init__(
        self, facts: MeasureFacts, *, name: str, dims: Mapping[str, int] | Sequence[int], seed: int = 0
    ) -> None:
        super().__init__()
        self.facts, self.name, self.seed = facts, name, seed
        self.layout = ViewLayout(dims)
        if facts.equal_widths and len(set(self.layout.dims)) > 1:
            raise InputError(
                f"{name} compares features one by one and dims are {self.layout.widths}: give every view one width "
                "(one nn.Linear each), or choose a measure of any widths, such as kl or dhsic",
                code="mismatch",
            )
        self.generator, self.number = torch.Generator().manual_seed(seed), number_of(self)

    @abstractmethod
    def value(self, views: Views) -> Tensor:
        """Return the dependency, differentiable by the views and by the measure's own parameters.

        Args:
            views: ``(n, D_m)`` each.

        Returns:
            Scalar in the unit of the measure, larger = more dependent.

        Raises:
            InputError: views that do not fit, or too few rows.
        """

    @property
    def gradient_scale(self) -> float:
        """How strongly it pulls on representations, relative to ``kl``; a penalty divides its weight by it."""
        return self.facts.gradient_scale

    @abstractmethod
    def normalized(self, views: Views) -> list[Tensor]:
        """Return the views as the measure compares them: in order, normalised and in its precision.

        Args:
            views: as in :meth:`value`.

        Returns:
            One ``(n, D_m)`` tensor per view.

        Raises:
            InputError: views that do not fit.
        """

    def terms(self, views: Views) -> tuple[Tensor, Tensor | None]:
        """Return the value and a regulariser of the measure's own parameters, for a step that trains these too.

        Args:
            views: as in :meth:`value`.

        Returns:
            Scalar, larger = more dependent; and the scalar regulariser with its coefficient, to be lowered, or
            ``None``. The second is differentiable by the measure's own parameters alone.

        Raises:
            InputError: as in :meth:`value`.
        """
        return self.value(views), None

    def learn(self, views: Views) -> Tensor | None:
        """Return the loss of the measure's own parameters on detached views.

        Args:
            views: as in :meth:`value`; no gradient flows to them.

        Returns:
            Scalar, smaller = better parameters; ``None`` for a measure that has none.

        Raises:
            InputError: as in :meth:`value`.
        """
        if next(self.parameters(), None) is None:
            return None
        value, regulariser = self.terms([view.detach() for view in self.layout.match(views)])
        return -value if regulariser is None else regulariser - value

    def of_pair(self, first: int, second: int) -> Measure:
        """Return the same measure of two of its views alone, with the same parameters and generator.

        Args:
            first: place of a view in the layout.
            second: place of another.

        Returns:
            Of a measure whose facts say ``pairwise``, the value of all views is the mean of these over pairs.
        """
        found, widths = copy.copy(self), list(self.layout.widths.items())
        found.layout = ViewLayout(dict([widths[first], widths[second]]))
        return found

    def pointwise(self, views: Views) -> Tensor | None:
        """Return a score of each sample: high where its modalities agree, low where they disagree.

        Args:
            views: ``(n, D_m)`` each, any ``n``; also tuples whose modalities come from different samples.

        Returns:
            ``(n,)``, of which only the order has a meaning; :meth:`log_ratio` converts it. ``None`` for a measure of
            whole batches, as its facts say.

        Raises:
            InputError: views that do not fit.
        """
        self.layout.match(views)
        return None

    def log_ratio(self, scores: Tensor, broken: Tensor) -> Tensor:  # noqa: ARG002 - of those that know it
        """Return the pointwise dependency ``(k,)`` in the unit of ``facts.pointwise``, increasing in the scores.

        Args:
            scores: ``(k,)`` of :meth:`pointwise`.
            broken: ``(m,)`` of :meth:`pointwise` for tuples whose pairing is broken.

        Returns:
            Log density ratios of joint to product of marginals, or the scores themselves for a rank.
        """
        return scores

    def get_extra_state(self) -> dict[str, Tensor]:
        """State of the generator, for ``state_dict``."""
        return {"generator": self.generator.get_state()}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`get_extra_state` gave."""
        self.generator.set_state(state["generator"].cpu())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.number = number_of(self)  # a copy draws for itself

    def extra_repr(self) -> str:
        """Return the options to print."""
        return f"{self.name!r}, dims={self.layout.widths}"

    def _matched(self, views: Views) -> list[Tensor]:
        """Return the views in order; refuses fewer rows than views, whose pairing cannot be broken."""
        ordered = self.layout.match(views)
        if len(ordered[0]) < len(ordered):
            raise InputError(
                f"{self.name}: {len(ordered[0])} rows are too few for {len(ordered)} views, give {len(ordered)} or "
                "more",
                code="out_of_range",
            )
        return ordered

    def draws(self, *, learning: bool | None = None) -> Draws:
        """Return where to draw from: the generator in training mode with gradients on, else the seed anew."""
        return Draws(self, self.training and torch.is_grad_enabled() if learning is None else learning)
