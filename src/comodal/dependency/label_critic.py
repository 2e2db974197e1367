"""Total correlation of representations and class labels, with the model's own head as the critic.

Axis legend: n samples, M views, C classes, D width of all views together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.bound import BOUNDS
from comodal.dependency.critics import Critic
from comodal.dependency.variational import Variational
from comodal.dependency.views import ViewLayout

__all__ = ["LABEL", "HeadCritic", "tcmax"]

LABEL = "label"
"""Name of the view that holds the classes, one-hot."""


class HeadCritic(Critic):
    """The logit that a model's head gives the class of a sample, as the score of its representations and that class.

    It has no parameters of its own: those of the head stay the model's, which trains them.

    Args:
        head: ``(views (n, D_m) each) -> (n, C)`` logits, such as the layers of a model behind its encoders.
        dims: widths of the views, the number of classes last.
    """

    knows_log_partition = True

    def __init__(self, head: Callable[[Sequence[Tensor]], Tensor], dims: Sequence[int]) -> None:
        super().__init__(dims)
        self._head = (head,)  # in a tuple, so that a module is not taken for a part of the critic

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Return scores ``(n,)`` of views and, last, classes."""
        scores: Tensor = (self._logits(views[:-1]) * views[-1]).sum(dim=1)
        return scores

    def with_log_partition(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the scores, and the log mean exponential of the logits over n^2 pairings and all classes.

        View m is taken m * s samples further, for every s: of two views that is every pairing of the batch.
        """
        n = len(views[0])
        steps = torch.arange(n).repeat_interleave(n)
        device, count = views[0].device, len(views) - 1
        rows = [((torch.arange(n).repeat(n) + place * steps) % n).to(device) for place in range(count)]
        logits = self._logits([view.index_select(0, each) for view, each in zip(views[:-1], rows, strict=True)])
        return self(views), torch.logsumexp(logits.flatten(), dim=0) - math.log(logits.numel())

    def _logits(self, views: Sequence[Tensor]) -> Tensor:
        logits = self._head[0](views)
        if logits.shape != (len(views[0]), self.dims[-1]):
            raise InputError(
                f"tcmax: the head returned {tuple(logits.shape)} for {len(views[0])} samples of {self.dims[-1]} "
                "classes: give a head of a classification that returns (n, C) logits",
                code="wrong_shape",
            )
        return logits


def tcmax(
    head: Callable[[Sequence[Tensor]], Tensor], *, dims: Mapping[str, int] | Sequence[int], classes: int
) -> Variational:
    """Return the measure of TCMax: the total correlation of representations and class labels, the head as its critic.

    ``E_J[f(z_1..z_M)_y] - log E_Q[exp f(z_1..z_M)_y']``: Q pairs samples of a batch with each other and with every
    class. Its gradient trains the head as well as the encoders, so that the term with weight 1 can replace the
    cross-entropy. Labels are one more view, named ``"label"``, one-hot; a mask leaves out samples without one. Where
    classes are equally frequent it is a lower bound; else it is too high by ``log C`` less the entropy of the classes.

    Args:
        head: ``(views (n, D_m) each, in order) -> (n, C)`` logits.
        dims: name to width of each representation, or widths in order, without the labels.
        classes: C, their number, 2 or more.

    Raises:
        InputError: fewer than 2 classes.

    Source: Yu et al. 2026 (arXiv 2602.13015), equation of the loss for two modalities; of three and more, n^2 of the
        n^M pairings are taken.

    Example:
        >>> import torch
        >>> from comodal.dependency import DependencyPenalty
        >>> head = torch.nn.Linear(12, 3)
        >>> measure = tcmax(lambda views: head(torch.cat(list(views), dim=1)), dims={"text": 8, "audio": 4}, classes=3)
        >>> penalty = DependencyPenalty(measure, weight=1.0)
        >>> label = torch.nn.functional.one_hot(torch.randint(3, (16,)), 3).float()
        >>> penalty({"text": torch.randn(16, 8), "audio": torch.randn(16, 4), "label": label}).backward()
        >>> head.weight.grad.shape
        torch.Size([3, 12])
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise InputError(
            f"tcmax: {classes!r} classes: it needs the labels of a classification, 2 classes or more",
            code="out_of_range",
        )
    widths = {**ViewLayout(dims).widths, LABEL: classes}
    bound = replace(BOUNDS["donsker_varadhan"], name="tcmax", is_lower_bound=False, form=None)
    return Variational(bound, dims=widths, critic=HeadCritic(head, list(widths.values())), normalize="none")
