"""How the scores of each bound's best critic become log density ratios: pointwise dependency.

Each takes the scores ``(k,)`` to convert and those of tuples with broken pairing ``(m,)``; it returns ``(k,)``. Low
values are utterances whose modalities disagree. Exact at the best critic, and otherwise only as good as the critic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.dependency.exponentials import log_mean_exp

__all__ = ["above_one", "above_partition", "doubled", "itself", "of_excess"]


def above_partition(scores: Tensor, marginal: Tensor) -> Tensor:
    """``T - log E_Q[exp T]``, for Donsker-Varadhan, whose best critic is free up to a constant.

    >>> import torch
    >>> above_partition(torch.tensor([7.0]), torch.tensor([5.0, 5.0]))
    tensor([2.])
    """
    return scores - log_mean_exp(marginal)


def above_one(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all
    """``T - 1``, for NWJ.

    >>> import torch
    >>> above_one(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor([2.])
    """
    return scores - 1.0


def itself(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    """``v``, for reverse KL and Jensen-Shannon.

    >>> import torch
    >>> itself(torch.tensor([2.0]), torch.tensor([0.0]))
    tensor([2.])
    """
    return scores


def doubled(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    """``2 v``, for squared Hellinger.

    >>> import torch
    >>> doubled(torch.tensor([1.0]), torch.tensor([0.0]))
    tensor([2.])
    """
    return 2.0 * scores


def of_excess(scores: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    """``log(1 + v / 2)``, for Pearson, whose best critic is ``2 (r - 1)``; a ratio below 1e-12 counts as that.

    >>> import torch
    >>> of_excess(torch.tensor([0.0, 2.0]), torch.tensor([0.0]))
    tensor([0.0000, 0.6931])
    """
    return torch.log((1.0 + 0.5 * scores).clamp(min=1e-12))
