"""The objective of training: task loss, terms of the model, dependency penalty.

Axis legend: B samples of a batch, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from comodal.contracts import FusionOutput, InputError, ObjectiveTerms

__all__ = ["TASK_LOSSES", "TaskLoss", "objective_terms"]


@dataclass(frozen=True)
class TaskLoss:
    r"""A loss of logits ``(B, K)`` against targets ``(B,)`` or ``(B, K)``, the mean over the samples.

    Args:
        name: a key of :data:`TASK_LOSSES`; :meth:`comodal.contracts.Task.require_loss` names that of a task.
        class_weight: ``(K,)`` factor of each class, or of the positives of each label; their mean over the training
            samples should be 1. ``None`` for none.
        label_smoothing: share of every target that is spread over all classes, in [0, 1).

    Raises:
        InputError: an unknown loss.

    Example:
        >>> TaskLoss("l1")(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 0.0]))
        tensor(1.5000)
        >>> TaskLoss("cross_entropy")(torch.tensor([[0.0, 0.0]]), torch.tensor([1.0]))  # ln 2
        tensor(0.6931)
    """

    name: str
    class_weight: Tensor | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in TASK_LOSSES:
            raise InputError.unknown("task loss", self.name, TASK_LOSSES)

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss.

        Raises:
            InputError: logits and targets that do not fit together.
        """
        classes = self.name == "cross_entropy"
        wanted = target.shape if target.ndim == 2 else (len(target), logits.shape[1] if classes else 1)
        if logits.shape != wanted or (classes and target.ndim != 1):
            shapes = f"{tuple(logits.shape)} and the target {tuple(target.shape)}"
            raise InputError(f"the logits have shape {shapes}: give (B, K) and (B,) or (B, K)", code="wrong_shape")
        return TASK_LOSSES[self.name](self, logits, target)


def _regression(distance: Callable[[Tensor, Tensor], Tensor]) -> Callable[[TaskLoss, Tensor, Tensor], Tensor]:
    return lambda _, logits, target: distance(logits if target.ndim == 2 else logits.squeeze(1), target)


def _cross_entropy(loss: TaskLoss, logits: Tensor, target: Tensor) -> Tensor:
    number = target.long()
    if loss.class_weight is None:
        return functional.cross_entropy(logits, number, label_smoothing=loss.label_smoothing)
    each = functional.cross_entropy(logits, number, label_smoothing=loss.label_smoothing, reduction="none")
    return (each * loss.class_weight.to(each)[number]).mean()


def _binary_cross_entropy(loss: TaskLoss, logits: Tensor, target: Tensor) -> Tensor:
    smooth = target * (1 - loss.label_smoothing) + loss.label_smoothing / 2 if loss.label_smoothing else target
    outputs = logits if target.ndim == 2 else logits.squeeze(1)
    each = functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
    if loss.class_weight is not None:
        weight = loss.class_weight.to(each)
        each = each * torch.where(target == 1, weight[..., 1], weight[..., 0])
    return each.mean()


TASK_LOSSES: dict[str, Callable[[TaskLoss, Tensor, Tensor], Tensor]] = {
    "l1": _regression(functional.l1_loss),
    "mse": _regression(functional.mse_loss),
    "smooth_l1": _regression(functional.smooth_l1_loss),
    "cross_entropy": _cross_entropy,
    "bce": _binary_cross_entropy,
    "none": lambda _, logits, target: 0.0 * logits.sum(),  # noqa: ARG005 - there is nothing to predict
}
"""Name to loss; the paper trains with ``l1`` and ``cross_entropy``, and ``none`` is that of no task."""


def objective_terms(
    output: FusionOutput,
    target: Tensor,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    penalties: dict[str, Tensor] | None = None,
) -> ObjectiveTerms:
    r"""Return the terms of :math:`L = L_{task}(\hat y, y) - \lambda D`, each under its name.

    The minus sign and the weight are already inside each penalty. The terms of the model keep their names.

    Args:
        output: a fusion model's output.
        target: ``(B,)`` or ``(B, K)``.
        loss: of logits and targets, such as a :class:`TaskLoss`.
        penalties: name to weighted scalar, to be minimised.

    Returns:
        The unsummed terms; ``.total`` is what is minimised.

    Raises:
        InputError: shapes that do not fit together, or a penalty named like a term of the model.

    Example:
        >>> output = FusionOutput(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1), {})
        >>> objective_terms(output, torch.tensor([0.0, 0.0]), loss=TaskLoss("l1")).total
        tensor(1.5000)
    """
    given = penalties or {}
    for name in given:
        if name in output.terms:
            raise InputError(
                f"penalty {name!r}: the model has a term of that name; rename the penalty", code="duplicate"
            )
    return ObjectiveTerms(loss(output.logits, target), {**output.terms, **given})
