"""Correct p-values for multiplicity (Holm), and test whether p-values are uniform (for A/A comparisons)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError
from comodal.metrics import Array

__all__ = ["Uniformity", "holm", "uniformity"]


def holm(p_values: npt.ArrayLike) -> Array:
    """Return p-values after Holm's step-down correction ``p_(i)' = max_{j <= i} min(1, (m - j + 1) p_(j))``.

    A rejection below 0.05 of the corrected values keeps the chance of *any* false rejection in the family below 5 %,
    under any dependence between its members.

    Args:
        p_values: ``(m,)`` from 0 to 1; NaN marks a comparison without a p-value, which is not counted in m.

    Returns:
        ``(m,)`` corrected, in the order given, NaN where NaN was given.

    Raises:
        InputError: a value outside [0, 1].

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _checked_p_values(p_values)
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return corrected


class Uniformity(NamedTuple):
    """Result of a test of p-values for uniformity.

    Attributes:
        statistic: Kolmogorov-Smirnov distance to the uniform distribution.
        p_value: of the hypothesis that they are uniform; small when the comparison is miscalibrated.
        rejected: share of them below 0.05; about 0.05 for a calibrated comparison.
        n: number of p-values.
    """

    statistic: float
    p_value: float
    rejected: float
    n: int


def uniformity(p_values: Sequence[float] | Array) -> Uniformity:
    """Test p-values of independent A/A comparisons for uniformity (Kolmogorov-Smirnov, two-sided).

    No command calls it: it is for checking the comparison itself, as ``benchmarks/placebo.py`` does.

    Args:
        p_values: ``(m,)``, at least 2.

    Returns:
        :class:`Uniformity`.

    Raises:
        InputError: fewer than 2 values, a NaN, or a value outside [0, 1].

    >>> even = [(i + 0.5) / 40 for i in range(40)]
    >>> uniformity(even).rejected, uniformity(even).p_value > 0.99, uniformity([p**4 for p in even]).p_value < 0.001
    (0.05, True, True)
    """
    from scipy.stats import kstest  # noqa: PLC0415 - keeps `import comodal` light

    p = _checked_p_values(p_values)
    if len(p) < 2 or np.isnan(p).any():
        message = f"{len(p)} p-values of which {int(np.isnan(p).sum())} are NaN: give at least 2, and no NaN"
        raise InputError(message, code="invalid")
    result = kstest(p, "uniform")
    return Uniformity(float(result.statistic), float(result.pvalue), float((p < 0.05).mean()), len(p))


def _checked_p_values(p_values: npt.ArrayLike) -> Array:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or bool(((p < 0) | (p > 1)).any()):
        raise InputError(f"p-values of shape {p.shape}: give a vector of values from 0 to 1", code="out_of_range")
    return p
