r"""Variational lower bounds on the dependency between variables, as functions of a critic's scores.

A critic returns a real score for a tuple of representations. ``joint`` (J) are its scores of aligned tuples,
``marginal`` (Q) of tuples whose pairing is broken. Larger values mean more dependent. Any critic can make the scores.
All functions raise :class:`~comodal.contracts.InputError` for scores that are not non-empty vectors.

Numerics: exponentials of scores go through a log-mean-exp and one guarded exponential, which continues as its tangent
beyond :data:`~comodal.dependency.exponentials.EXPONENT_LIMIT`. Within the limit each bound is exactly its formula;
beyond it the value is a smaller but valid lower bound whose gradient points back. Values and gradients are finite for
float32 scores up to at least 1e15 in size.

Names differ between papers: Donsker-Varadhan = MINE's objective; NWJ = MINE-f = the f-GAN bound for KL (its ``T`` is
one plus ours elsewhere); critic = statistics network = discriminator; total correlation = multi-information.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from comodal.dependency.exponentials import EXPONENT_LIMIT, guarded_exp, log_mean_exp, mean_score

__all__ = [
    "donsker_varadhan",
    "jensen_shannon",
    "kantorovich_rubinstein",
    "nwj",
    "pearson",
    "reverse_kl",
    "smile",
    "squared_hellinger",
]


def dv_of_partition(joint: Tensor, log_partition: Tensor) -> Tensor:
    return mean_score(joint) - log_partition


def nwj_of_partition(joint: Tensor, log_partition: Tensor) -> Tensor:
    return mean_score(joint.clamp(max=EXPONENT_LIMIT + 1.0)) - guarded_exp(log_partition - 1.0)


def hellinger_of_partition(joint: Tensor, log_partition: Tensor) -> Tensor:
    return 2.0 - guarded_exp(log_mean_exp(-joint)) - guarded_exp(log_partition)


def donsker_varadhan(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return the Donsker-Varadhan bound on total correlation, the ``L_kl`` of the paper.

    ``E_J[T] - log E_Q[exp T]``; the best critic is the log density ratio up to any constant. Its mini-batch gradient is
    biased, being that of the logarithm of a mean; see :func:`~comodal.dependency.moving_average.mine_surrogate`.

    Args:
        joint: ``(n,)`` scores T of aligned tuples.
        marginal: ``(m,)`` scores T of tuples with broken pairing.

    Returns:
        Scalar in nats, at most the total correlation in expectation as ``m`` grows.

    Source: Donsker and Varadhan 1983; Belghazi et al. 2018 (MINE), eq. 10.

    Example:
        >>> import torch
        >>> copied_bits = torch.tensor([30.0, 0.0])    # the critic knows which pairs of bits are equal
        >>> donsker_varadhan(torch.tensor([30.0, 30.0]), copied_bits)
        tensor(0.6931)
    """
    return dv_of_partition(joint, log_mean_exp(marginal))


def nwj(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return the Nguyen-Wainwright-Jordan bound on total correlation, the KL member of the paper's ``L_f``.

    ``E_J[T] - E_Q[exp(T - 1)]``; the best critic is one plus the log density ratio. Never above
    :func:`donsker_varadhan` of the same scores, and equal to it at the best additive constant. Its mini-batch
    gradient is unbiased; its variance grows exponentially with the true value.

    Args:
        joint: ``(n,)`` scores T of aligned tuples.
        marginal: ``(m,)`` scores T of tuples with broken pairing.

    Returns:
        Scalar in nats.

    Source: Nguyen, Wainwright and Jordan 2010; Nowozin et al. 2016 (f-GAN), table 2.

    Example:
        >>> import torch
        >>> nwj(torch.ones(3), torch.ones(3))          # the critic of independent variables: log ratio 0
        tensor(0.)
    """
    return nwj_of_partition(joint, log_mean_exp(marginal))


def reverse_kl(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return a bound on the reverse divergence ``KL(Q || J)``, the product of marginals seen from the joint.

    ``1 - E_J[exp(-v)] - E_Q[v]``, from ``g = -exp(-v)`` and ``f*(t) = -1 - log(-t)``; the best critic is the log
    density ratio. Infinite in the population wherever independent tuples occur that are impossible jointly, as with
    copied bits.

    Args:
        joint: ``(n,)`` scores v of aligned tuples.
        marginal: ``(m,)`` scores v of tuples with broken pairing.

    Returns:
        Scalar in nats.

    Source: Nowozin et al. 2016 (f-GAN), tables 1 and 2.

    Example:
        >>> import torch
        >>> reverse_kl(torch.zeros(3), torch.zeros(3))
        tensor(0.)
    """
    return 1.0 - guarded_exp(log_mean_exp(-joint)) - mean_score(marginal.clamp(min=-EXPONENT_LIMIT))


def pearson(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return a bound on the Pearson chi-squared divergence ``E_Q[(r - 1)^2]`` of the density ratio r.

    ``E_J[v] - E_Q[v^2 / 4 + v]``; the best critic is ``2 (r - 1)``. No exponential is involved.

    Args:
        joint: ``(n,)`` scores v of aligned tuples.
        marginal: ``(m,)`` scores v of tuples with broken pairing.

    Returns:
        Scalar, a divergence without unit.

    Source: Nowozin et al. 2016 (f-GAN), tables 1 and 2.

    Example:
        >>> import torch
        >>> pearson(torch.tensor([2.0, 2.0]), torch.tensor([2.0, -2.0]))       # two copied bits: r is 2 or 0
        tensor(1.)
    """
    return mean_score(joint) - mean_score(marginal * marginal * 0.25 + marginal)


def squared_hellinger(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return a bound on the squared Hellinger distance ``E_Q[(sqrt r - 1)^2]``, which lies in [0, 2].

    ``E_J[1 - exp(-v)] - E_Q[exp(v) - 1]``, from ``g = 1 - exp(-v)`` and ``f*(t) = t / (1 - t)``; the best critic is
    half the log density ratio.

    Args:
        joint: ``(n,)`` scores v of aligned tuples.
        marginal: ``(m,)`` scores v of tuples with broken pairing.

    Returns:
        Scalar, a divergence without unit.

    Source: Nowozin et al. 2016 (f-GAN), tables 1 and 2.

    Example:
        >>> import torch
        >>> squared_hellinger(torch.zeros(3), torch.zeros(3))
        tensor(0.)
    """
    return hellinger_of_partition(joint, log_mean_exp(marginal))


def jensen_shannon(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return a bound on the Jensen-Shannon divergence between J and Q, which lies in [0, log 2].

    ``log 2 - (E_J[softplus(-v)] + E_Q[softplus(v)]) / 2``; the best critic is the log density ratio. The f-GAN
    generator gives twice this; the usual divergence, half of it, is what is returned.

    Args:
        joint: ``(n,)`` scores v of aligned tuples.
        marginal: ``(m,)`` scores v of tuples with broken pairing.

    Returns:
        Scalar in nats.

    Source: Nowozin et al. 2016 (f-GAN), tables 1 and 2.

    Example:
        >>> import torch
        >>> jensen_shannon(torch.full((2,), 30.0), torch.full((2,), -30.0))    # separated without error
        tensor(0.6931)
    """
    return math.log(2.0) - 0.5 * (mean_score(functional.softplus(-joint)) + mean_score(functional.softplus(marginal)))


def kantorovich_rubinstein(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return the Kantorovich-Rubinstein bound on the Wasserstein-1 distance between J and Q, the ``L_W`` of the paper.

    ``E_J[T] - E_Q[T]``, a lower bound only for a 1-Lipschitz critic (see :mod:`comodal.dependency.lipschitz`). It grows
    with the scale of the variables, so they must be normalised first.

    Args:
        joint: ``(n,)`` scores T of aligned tuples.
        marginal: ``(m,)`` scores T of tuples with broken pairing.

    Returns:
        Scalar, a Euclidean distance in the space of the concatenated representations.

    Source: Villani 2009, theorem 5.10; Ozair et al. 2019, eq. 5.

    Example:
        >>> import torch
        >>> kantorovich_rubinstein(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]))
        tensor(1.)
    """
    return mean_score(joint) - mean_score(marginal)


SMILE_CLIP = 5.0
"""Scores beyond it, of either sign, are cut in the partition of :func:`smile`."""


def smile(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return the SMILE estimate of total correlation: Donsker-Varadhan with clipped scores in its partition.

    ``E_J[T] - log E_Q[exp clip(T, -5, 5)]`` for a critic that estimates the log density ratio. Clipping lowers the
    variance of the logarithm of a mean and makes the estimate biased: it is no bound. The critic is trained by
    :func:`jensen_shannon`, and so are the representations, because the clipped partition has no gradient to hold high
    scores back.

    Args:
        joint: ``(n,)`` scores T of aligned tuples.
        marginal: ``(m,)`` scores T of tuples with broken pairing.

    Returns:
        Scalar in nats.

    Source: Song and Ermon 2020, eq. 15 and section 4.

    Example:
        >>> import torch
        >>> smile(torch.ones(2), torch.tensor([-100.0, 100.0]))         # 1 - log mean(exp -5, exp 5)
        tensor(-3.3069)
    """
    return donsker_varadhan(joint, marginal.clamp(-SMILE_CLIP, SMILE_CLIP))
