"""The objective of training: task loss, terms of the model, dependency penalty."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from comodal.contracts import FusionOutput, InputError, ObjectiveTerms

__all__ = ["TASK_LOSSES", "objective_terms"]

TASK_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": functional.l1_loss,
    "mse": functional.mse_loss,
    "smooth_l1": functional.smooth_l1_loss,
}
"""Name to loss of predictions ``(B,)`` against targets ``(B,)``; sentiment is usually trained with ``l1``."""


def objective_terms(
    output: FusionOutput, target: Tensor, *, task_loss: str, penalties: dict[str, Tensor] | None = None
) -> ObjectiveTerms:
    r"""Return the terms of :math:`L = L_{task}(\hat y, y) - \lambda D`, each under its name.

    The minus sign and the weight are already inside each penalty. The terms of the model keep their names.

    Args:
        output: a fusion model's output.
        target: ``(B,)``.
        task_loss: a key of :data:`TASK_LOSSES`.
        penalties: name to weighted scalar, to be minimised.

    Returns:
        The unsummed terms; ``.total`` is what is minimised.

    Raises:
        InputError: unknown loss, shapes other than ``(B, 1)`` and ``(B,)``, or a penalty named like a term of the
            model.

    Example:
        >>> import torch
        >>> output = FusionOutput(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1), {})
        >>> objective_terms(output, torch.tensor([0.0, 0.0]), task_loss="l1").total
        tensor(1.5000)
    """
    if task_loss not in TASK_LOSSES:
        raise InputError.unknown("task loss", task_loss, TASK_LOSSES)
    if output.logits.shape != (len(target), 1) or target.ndim != 1:
        shapes = f"{tuple(output.logits.shape)} and the target {tuple(target.shape)}"
        raise InputError(f"the logits have shape {shapes}: give (B, 1) and (B,)", code="wrong_shape")
    given = penalties or {}
    for name in given:
        if name in output.terms:
            raise InputError(
                f"penalty {name!r}: the model has a term of that name; rename the penalty", code="duplicate"
            )
    return ObjectiveTerms(TASK_LOSSES[task_loss](output.logits.squeeze(1), target), {**output.terms, **given})
