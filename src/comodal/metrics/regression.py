"""Errors of predictions, and their correlation with the targets.

Axis legend: N samples.

>>> mae([3.0, -1.0], [4.0, -1.5])
0.75
>>> corr([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), corr([1.0, 2.0, 3.0], [0.3, 0.3, 0.3])
(1.0, 0.0)
"""

from __future__ import annotations

import numpy as np

from comodal.metrics.metric import Array, SumMetric, columns, mean, ratio

__all__ = ["ccc", "corr", "mae", "r2", "rmse"]

_NO_VARIATION = 1e-12  # variance below this share of the second moment is rounding error


def _centred(values: Array) -> Array:
    # A constant minus its mean need not be exactly 0; rounding noise would then be correlated with something.
    return values - values.mean() if np.ptp(values) > 0 else np.zeros_like(values)


def _absolute_error(y: Array, p: Array) -> Array:
    return columns(np.abs(p - y), np.ones_like(y))


def _moments(y: Array, p: Array) -> Array:
    # Centring leaves the correlation unchanged and keeps n * sum(p^2) - sum(p)^2 from cancelling.
    y, p = _centred(y), _centred(p)
    return columns(np.ones_like(y), y, p, y * y, p * p, y * p)


def _correlation(sums: Array) -> Array:
    n, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    var_y, var_p = n * yy - y * y, n * pp - p * p
    varied = (var_y > _NO_VARIATION * n * yy) & (var_p > _NO_VARIATION * n * pp)
    scale = np.sqrt(np.where(varied, var_y * var_p, 0.0))
    return np.clip(ratio(n * yp - y * p, scale, empty=0.0), -1.0, 1.0)


def _squared_error(y: Array, p: Array) -> Array:
    return columns(np.square(p - y), np.ones_like(y))


def _root_mean(sums: Array) -> Array:
    return np.sqrt(mean(sums))


def _residuals(y: Array, p: Array) -> Array:
    own = _centred(y)
    return columns(np.ones_like(y), own, own * own, np.square(p - y))


def _determination(sums: Array) -> Array:
    n, y, yy, residual = np.moveaxis(sums, -1, 0)
    total = n * yy - y * y
    varied = total > _NO_VARIATION * n * yy
    return np.where(varied, 1.0 - ratio(n * residual, np.where(varied, total, 0.0), empty=0.0), 0.0)


def _shifted_moments(y: Array, p: Array) -> Array:
    # Both by the mean target, so that the difference of the means stays.
    y, p = y - y.mean(), p - y.mean()
    return columns(np.ones_like(y), y, p, y * y, p * p, y * p)


def _concordance(sums: Array) -> Array:
    n, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    spread = (n * yy - y * y) + (n * pp - p * p) + np.square(y - p)
    return ratio(2.0 * (n * yp - y * p), spread, empty=0.0)


mae = SumMetric("mae", "label", False, _absolute_error, mean, by_output=True)
"""Mean absolute error over all samples, in the unit of the targets; predictions are not clipped."""

corr = SumMetric("corr", "", True, _moments, _correlation, by_output=True)
"""Pearson's correlation, from -1 to 1; 0 where targets or predictions are constant."""

rmse = SumMetric("rmse", "label", False, _squared_error, _root_mean, by_output=True)
"""Root of the mean squared error, in the unit of the targets."""

r2 = SumMetric("r2", "", True, _residuals, _determination, by_output=True)
"""Coefficient of determination: 1 minus squared errors over squared deviations from the mean target; 0 for constant
targets."""

ccc = SumMetric("ccc", "", True, _shifted_moments, _concordance, by_output=True)
"""Concordance correlation coefficient: correlation, reduced by differences of mean and spread.

Source: L. I. Lin, Biometrics 45, 1989.
"""
