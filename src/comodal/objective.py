"""Task loss, a model's own terms and the dependency penalty as named terms."""

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
"""Losses of a prediction ``(B,)`` against a target ``(B,)``; ``l1`` is what the field trains sentiment with."""


def objective_terms(
    output: FusionOutput, target: Tensor, *, task_loss: str, penalties: dict[str, Tensor] | None = None
) -> ObjectiveTerms:
    r"""Terms of :math:`L = L_{task}(\hat y, y) - \lambda D`.

    The minus sign and the weight are already inside each penalty. A model's own terms, where it has some, stand beside
    them under their own names.

    Args:
        output: a fusion model's output.
        target: ``(B,)`` labels.
        task_loss: a key of :data:`TASK_LOSSES`.
        penalties: name to weighted scalar, to be minimised.

    Returns:
        The unsummed terms; ``.total`` is what is minimised.

    Raises:
        InputError: unknown loss, a target of another shape than the prediction, or a penalty of a name that the model
            has given to a term of its own.

    Example:
        >>> import torch
        >>> output = FusionOutput(torch.tensor([1.0, 2.0]), torch.zeros(2, 1), {})
        >>> objective_terms(output, torch.tensor([0.0, 0.0]), task_loss="l1").total
        tensor(1.5000)
    """
    if task_loss not in TASK_LOSSES:
        raise InputError.unknown("task loss", task_loss, TASK_LOSSES)
    if output.prediction.shape != target.shape:
        shapes = f"{tuple(output.prediction.shape)} and the target {tuple(target.shape)}"
        raise InputError(f"the prediction has shape {shapes}: give one number an utterance, (B,), in both")
    given = penalties or {}
    for name in given:
        if name in output.terms:
            raise InputError(f"penalty {name!r}: the model has a term of that name; give the penalty another")
    return ObjectiveTerms(TASK_LOSSES[task_loss](output.prediction, target), {**output.terms, **given})
