"""Measures that are a function of the representations alone: no critic, no parameters, nothing random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from comodal.dependency.measure import Measure, MeasureFacts
from comodal.dependency.views import Views, full_precision

__all__ = ["Statistic"]


class Statistic(Measure):
    """A number of a batch, from a pure function of its representations: it needs no training of its own.

    Args:
        function: ``(views (n, D_m) each) -> scalar``, larger = more dependent.
        facts: what is true of it.
        dims: name to width of each representation, or widths in order.
        name: the user's name for it; ``None`` is the function's.
        seed: of nothing, accepted as by every measure.

    Raises:
        InputError: fewer than 2 views, or widths that differ where the function compares them feature by feature.

    Example:
        >>> import torch
        >>> from comodal.functional import dhsic
        >>> facts = MeasureFacts(unit="correlation", estimates="neither")
        >>> measure = Statistic(dhsic, facts=facts, dims={"text": 8, "audio": 4})
        >>> views = {"text": torch.randn(16, 8), "audio": torch.randn(16, 4)}
        >>> measure.name, measure.value(views).shape, measure.learn(views)
        ('dhsic', torch.Size([]), None)
    """

    def __init__(
        self,
        function: Callable[[Sequence[Tensor]], Tensor],
        *,
        facts: MeasureFacts,
        dims: Mapping[str, int] | Sequence[int],
        name: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(facts, name=name or str(getattr(function, "__name__", "statistic")), dims=dims, seed=seed)
        self.function = function

    def value(self, views: Views) -> Tensor:
        """Return the function of the views, in at least float32."""
        ordered = self._matched(views)
        with full_precision(ordered[0]):
            return self.function([_at_least_float32(view) for view in ordered])

    def normalized(self, views: Views) -> list[Tensor]:
        """Return the views in order, in at least float32; the function normalises where it needs to."""
        return [_at_least_float32(view) for view in self.layout.match(views)]


def _at_least_float32(view: Tensor) -> Tensor:
    return view if view.itemsize >= 4 else view.float()
