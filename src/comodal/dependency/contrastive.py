"""Measures that find the true partner of a sample among the others of its batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import InputError
from comodal.dependency.draws import Draws
from comodal.dependency.measure import Measure, MeasureFacts
from comodal.dependency.views import Views, full_precision

__all__ = ["SIMILARITIES", "Contrastive", "Similarity"]

LARGEST_SCALE = 100.0
"""Scores are not multiplied by more, as in CLIP: a smaller temperature lets training diverge."""

_FLATTEST = 1e-6  # square of the smallest volume: the root has no gradient at 0


@dataclass(frozen=True)
class Similarity:
    """How much the views of one tuple resemble each other, on the unit sphere.

    Attributes:
        name: of what it makes a measure.
        of_tuples: ``(views (n, D) each) -> (n,)`` similarity of each tuple.
        of_batch: ``(views (n, D) each, draws) -> (n, n) matrices``: the anchors' similarities with candidates; the
            true ones on the diagonal.
        both_ways: whether candidates are anchors, too: the columns of each matrix count as its rows do.
        pairwise: whether each matrix compares two views, blind to what only three or more show together.
        gradient_scale: see :class:`~comodal.dependency.measure.MeasureFacts`.
    """

    name: str
    of_tuples: Callable[[Sequence[Tensor]], Tensor]
    of_batch: Callable[[Sequence[Tensor], Draws], list[Tensor]]
    pairwise: bool
    both_ways: bool = False
    gradient_scale: float = 1.0


class Contrastive(Measure):
    """The dependency that is needed to find the true partners in a batch: ``log n`` less the cross-entropy.

    Each matrix of a similarity has a row for each anchor and a column for each candidate, and the true one on the
    diagonal; the value is ``log n`` plus the mean log softmax of the diagonal. Representations are on the unit sphere,
    so their widths are equal. The scale of scores, one over the temperature, is learnt; there is no critic.

    Args:
        similarity: a value of :data:`SIMILARITIES`, or one of your own.
        name: the user's name for it; ``None`` is the similarity's.
        dims: name to width of each representation, or widths in order.
        temperature: the first one, above 0.
        seed: of the candidates that are drawn.

    Attributes:
        log_scale: logarithm of one over the temperature, the only parameter.

    Raises:
        InputError: fewer than 2 views, widths that differ, or a temperature that is not above 0.

    Source: van den Oord et al. 2018 (InfoNCE); Radford et al. 2021 (CLIP); Saporta et al. 2024 (Symile);
        Cicchetti et al. 2025 (GRAM), there with one view as the anchor.

    Example:
        >>> import torch
        >>> measure = Contrastive(SIMILARITIES["infonce"], dims=[4, 4], temperature=0.01)
        >>> views = torch.eye(4)
        >>> measure.value([views, views]).detach(), math.log(4)
        (tensor(1.3863), 1.3862943611198906)
    """

    def __init__(
        self,
        similarity: Similarity,
        *,
        dims: Mapping[str, int] | Sequence[int],
        name: str | None = None,
        temperature: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(facts_of_similarity(similarity), name=name or similarity.name, dims=dims, seed=seed)
        if not 1.0 / LARGEST_SCALE <= temperature < math.inf:
            raise InputError(
                f"temperature={temperature}: give a number of at least {1.0 / LARGEST_SCALE}", code="out_of_range"
            )
        self.similarity = similarity
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def value(self, views: Views) -> Tensor:
        """Return ``log n`` less the cross-entropy, at most ``log n``, differentiable by views and scale."""
        ordered = self._matched(views)
        with full_precision(ordered[0]):
            views_on_sphere = self._normalized(torch.stack(ordered)).unbind()
            scores = self._scale() * torch.stack(self.similarity.of_batch(views_on_sphere, self.draws()))
            found = _of_diagonal(functional.log_softmax(scores, dim=2))
            if self.similarity.both_ways:
                found = 0.5 * (found + _of_diagonal(functional.log_softmax(scores, dim=1)))
            return found + math.log(len(ordered[0]))

    def pointwise(self, views: Views) -> Tensor:
        """Return the scaled similarity ``(n,)`` of each tuple, of which only the order has a meaning."""
        normal = self.normalized(views)
        with full_precision(normal[0]):
            return self._scale() * self.similarity.of_tuples(normal)

    def normalized(self, views: Views) -> list[Tensor]:
        """Return the views on the unit sphere."""
        ordered = self.layout.match(views)
        with full_precision(ordered[0]):
            return [self._normalized(view) for view in ordered]

    def _normalized(self, view: Tensor) -> Tensor:
        return functional.normalize(view.to(self.log_scale.dtype), dim=-1)

    def _scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)


def facts_of_similarity(similarity: Similarity) -> MeasureFacts:
    """Return what is true of every measure with a similarity."""
    return MeasureFacts(
        unit="nats",
        estimates="lower bound",
        pointwise="rank",
        pairwise=similarity.pairwise,
        equal_widths=True,
        gradient_scale=similarity.gradient_scale,
    )


def _of_diagonal(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).mean()


def _mean_cosine(views: Sequence[Tensor]) -> Tensor:
    return torch.stack([(one * other).sum(dim=1) for one, other in combinations(views, 2)]).mean(dim=0)


def _cosines(views: Sequence[Tensor], draws: Draws) -> list[Tensor]:  # noqa: ARG001 - nothing is drawn
    """Every view with every other: all samples of the batch are candidates."""
    return [one @ other.T for one, other in combinations(views, 2)]


def _multilinear(views: Sequence[Tensor]) -> Tensor:
    """The sum over features of the product over views; of the size of a cosine for any number of views."""
    product: Tensor = reduce(torch.mul, views).sum(dim=1)
    return product * _size_of_product(views)


def _size_of_product(views: Sequence[Tensor]) -> float:
    return math.sqrt(views[0].shape[1]) ** (len(views) - 2)


def _minus_volume(views: Sequence[Tensor]) -> Tensor:
    return _minus_volumes(views[0], views[1:], lambda one, other: (one * other).sum(dim=1))


def _minus_volumes_of_batch(views: Sequence[Tensor], draws: Draws) -> list[Tensor]:  # noqa: ARG001
    """Each view in turn with the tuples of the others."""
    return [
        _minus_volumes(anchor, [view for other, view in enumerate(views) if other != place], lambda a, b: a @ b.T)
        for place, anchor in enumerate(views)
    ]


def _minus_volumes(anchor: Tensor, others: Sequence[Tensor], products: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Minus the volume that unit vectors span, ``sqrt(det Gram)``, from what Gram-Schmidt leaves of each in turn."""
    basis: list[Tensor] = []
    squared = torch.ones_like(anchor[:, 0])
    for view in others:
        rest = view - sum((view * each).sum(dim=1, keepdim=True) * each for each in basis)
        left = rest.square().sum(dim=1)
        squared = squared * left
        basis.append(rest / left.clamp(min=_FLATTEST).sqrt().unsqueeze(1))
    outside = 1.0 - torch.stack([products(anchor, each).square() for each in basis]).sum(dim=0)
    return -(squared * outside).clamp(min=_FLATTEST).sqrt()


def _shuffled_products(views: Sequence[Tensor], draws: Draws) -> list[Tensor]:
    """Each view in turn with products of the others, shuffled apart from each other except for the true one."""
    n, many, products = len(views[0]), len(views), []
    orders = iter(draws.orders(n, many * (many - 2), like=views[0])) if many > 2 else iter(())
    for place in range(many):
        first, *rest = (view for other, view in enumerate(views) if other != place)
        products.append(reduce(torch.mul, [view.index_select(0, next(orders)) for view in rest], first))
    scores = torch.stack(tuple(views)).mul(_size_of_product(views)) @ torch.stack(products).mT
    true = _multilinear(views).expand(many, n)
    return list(scores.diagonal_scatter(true, dim1=1, dim2=2).unbind())


SIMILARITIES: dict[str, Similarity] = {
    each.name: each
    for each in (
        Similarity("infonce", _mean_cosine, _cosines, pairwise=True, both_ways=True, gradient_scale=0.6),
        Similarity("symile", _multilinear, _shuffled_products, pairwise=False, gradient_scale=0.9),
        Similarity("gram", _minus_volume, _minus_volumes_of_batch, pairwise=False, both_ways=True, gradient_scale=0.1),
    )
}
