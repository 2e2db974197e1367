"""Measures from above: a conditional distribution of one view given another, fitted beside the model.

Axis legend: n samples, D_x and D_y widths of two views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from comodal.contracts import InputError
from comodal.dependency.critics import relu_network
from comodal.dependency.measure import Measure, MeasureFacts
from comodal.dependency.normalization import NORMALIZATIONS, checked_normalization
from comodal.dependency.views import Views, full_precision

__all__ = ["OF_CONDITIONAL", "Conditional", "DiagonalGaussian"]

LARGEST_LOG_VARIANCE = 5.0
"""Variances stay between exp(-5) and exp(5), so that the loss of a view that is known exactly is finite."""

OF_CONDITIONAL = MeasureFacts(unit="nats", estimates="upper bound", pairwise=True, gradient_scale=30.0)
"""What is true of every measure with a conditional distribution."""


class DiagonalGaussian(nn.Module):
    """``q(y | x)``: independent normals, means and variances of which a ReLU network reads from x.

    Args:
        given: width of x.
        predicted: width of y.
        hidden: widths of the hidden layers; none is a linear mean.
    """

    def __init__(self, given: int, predicted: int, *, hidden: Sequence[int] = (64,)) -> None:
        super().__init__()
        self.network = relu_network(given, hidden, 2 * predicted)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(n,)`` ``log q(y_i | x_i)``, and its mean over all y of the batch, both without ``log 2 pi``."""
        mean, raw = self.network(x).chunk(2, dim=1)
        log_variance = LARGEST_LOG_VARIANCE * torch.tanh(raw / LARGEST_LOG_VARIANCE)
        precision, centre = torch.exp(-log_variance), y.mean(dim=0)
        of_all = (centre - mean).square() + (y - centre).square().mean(dim=0)  # mean_j (y_j - mean)^2
        own = -0.5 * ((y - mean).square() * precision + log_variance).sum(dim=1)
        return own, -0.5 * (of_all * precision + log_variance).sum(dim=1)


class Conditional(Measure):
    """An upper bound on the mutual information of pairs of views: ``E_J[log q(y | x)] - E_Q[log q(y | x)]``.

    The mean over all pairs, both directions. It is a bound where q is the true conditional; a q that fits badly gives
    too little. So q learns by maximum likelihood (:meth:`learn`), and the value has no gradient to it. It serves to
    make views *less* dependent: a penalty takes it with a weight below 0.

    Args:
        density: ``(D_x, D_y, hidden=) -> module``, which returns ``log q(y_i | x_i)`` and its mean over all y of the
            batch, as :class:`DiagonalGaussian` does.
        name: the user's name for it.
        dims: name to width of each representation, or widths in order.
        hidden: widths of the hidden layers of each network.
        normalize: a key of :data:`~comodal.dependency.normalization.NORMALIZATIONS`; ``None`` is ``"layer"``.
        seed: of the first weights.

    Attributes:
        densities: one q for each ordered pair of views.

    Raises:
        InputError: an unknown normalisation, or widths of hidden layers that are not above 0.

    Source: Cheng et al. 2020 (CLUB), eq. 10, with all pairs of a batch; there for one direction of two variables.

    Example:
        >>> import torch
        >>> measure = Conditional(DiagonalGaussian, dims={"text": 8, "audio": 4}, name="club")
        >>> views = {"text": torch.randn(16, 8), "audio": torch.randn(16, 4)}
        >>> measure.value(views).shape, measure.learn(views).shape, measure.facts.estimates
        (torch.Size([]), torch.Size([]), 'upper bound')
    """

    def __init__(
        self,
        density: Callable[..., nn.Module],
        *,
        dims: Mapping[str, int] | Sequence[int],
        name: str = "conditional",
        hidden: Sequence[int] = (64,),
        normalize: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(OF_CONDITIONAL, name=name, dims=dims, seed=seed)
        if any(isinstance(width, bool) or not isinstance(width, int) or width < 1 for width in hidden):
            raise InputError(f"hidden={hidden}: give widths above 0", code="out_of_range")
        self.normalize = checked_normalization(normalize or "layer", self)
        widths = self.layout.dims
        self._pairs = [(number, *pair) for number, pair in enumerate(permutations(range(len(widths)), 2))]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.densities = nn.ModuleList(density(widths[x], widths[y], hidden=hidden) for _, x, y in self._pairs)

    def value(self, views: Views) -> Tensor:
        """Return the bound, differentiable by the views alone."""
        return self._mean(views, _gap)

    def learn(self, views: Views) -> Tensor:
        """Return the mean negative log likelihood of each view given another, less ``log 2 pi / 2`` per feature."""
        detached = [view.detach() for view in self.layout.match(views)]
        return -self._mean(detached, lambda density, x, y: density(x, y)[0])

    def terms(self, views: Views) -> tuple[Tensor, Tensor | None]:
        """Return the bound and the loss of its conditional distributions."""
        return self.value(views), self.learn(views)

    def of_pair(self, first: int, second: int) -> Measure:
        """Return the same measure of two of its views alone, with their two distributions."""
        found, places = super().of_pair(first, second), {first: 0, second: 1}
        found._pairs = [  # type: ignore[assignment] # noqa: SLF001 - of this class
            (number, places[x], places[y]) for number, x, y in self._pairs if {x, y} == {first, second}
        ]
        return found

    def normalized(self, views: Views) -> list[Tensor]:
        """Return the views as the distributions see them."""
        ordered, precision = self.layout.match(views), next(self.parameters()).dtype
        with full_precision(ordered[0]):
            return [NORMALIZATIONS[self.normalize](view.to(precision)) for view in ordered]

    def _mean(self, views: Views, of_pair: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> Tensor:
        normal = self.normalized(self._matched(views))
        with full_precision(normal[0]):
            found = [of_pair(self.densities[number], normal[x], normal[y]).mean() for number, x, y in self._pairs]
            return torch.stack(found).mean()


def _gap(density: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return ``log q(y_i | x_i)`` less its mean over all y, with no gradient to the parameters of q."""
    own, of_all = functional_call(density, {key: each.detach() for key, each in density.state_dict().items()}, (x, y))
    gap: Tensor = own - of_all
    return gap
