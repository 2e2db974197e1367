"""Mean, interval and p-value of differences that vary over both seeds and groups.

A difference between two arms varies with the random numbers of training (seeds) and with the groups (such as videos) in
the test part. Every seed is tested on the same groups, so the two are *crossed*: neither a t-test over seeds nor
resampling of groups alone measures the uncertainty of the mean.

Axis legend: S seeds, V groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from comodal.metrics import Array

__all__ = ["CrossedMean", "crossed_mean"]

_ROUNDING = 1e-9  # differences below this, in percent or in the unit of the targets, are rounding errors
_FEW = 4  # below this many seeds or groups Satterthwaite's degrees of freedom are inaccurate


@dataclass(frozen=True)
class CrossedMean:
    """A mean difference over seeds and groups.

    Attributes:
        delta: mean over seeds of the difference on all groups.
        ci_low: lower end of the 95 % interval, NaN when there is none.
        ci_high: upper end.
        p_value: two-sided, of the hypothesis that the mean over all seeds and groups is 0; NaN when there is none.
        df: degrees of freedom of the t distribution used.
        variance_seed: variance of ``delta`` from seeds, interaction included.
        variance_video: variance of ``delta`` from groups, interaction excluded, never negative.
        note: why there is no p-value, or why it is inaccurate; empty otherwise.
    """

    delta: float
    ci_low: float
    ci_high: float
    p_value: float
    df: float
    variance_seed: float
    variance_video: float
    note: str = ""


def crossed_mean(differences: Array, left_out: Array, *, effective_groups: float | None = None) -> CrossedMean:
    """Return mean, 95 % interval and two-sided p-value of differences that vary with both seeds and groups.

    With ``d_s`` the difference of seed s on all groups, ``d_vs`` the same without group v, ``e_vs`` its deviation from
    the mean over v, ``e_v`` the mean of ``e_vs`` over s, and ``c = (V - 1) / V``::

        V_seed  = var_s(d_s) / S                             seeds, and seeds x groups
        V_all   = c sum_v e_v^2                              groups, and seeds x groups
        V_cross = c sum_vs (e_vs - e_v)^2 / (S (S - 1))      seeds x groups, counted in both
        V       = V_seed + max(0, V_all - V_cross)

    and ``delta / sqrt(V)`` is referred to Student's t with Satterthwaite's degrees of freedom. For a mean over groups
    of one size these are the mean squares of the two-way random-effects analysis of variance; leaving groups out
    extends them to any metric, as cluster-robust variances for two crossed clusterings do.

    Where both parts of V are 0, as for two seeds that each gain one other sample, V is V_all.

    Where seeds matter and groups do not, ``max(0, ...)`` adds a little spurious variance: p-values are then slightly
    too large, never too small.

    Args:
        differences: ``(S,)``.
        left_out: ``(V, S)`` the differences with one group left out.
        effective_groups: V for groups of one size (the default), less when sizes differ; only the degrees of freedom
            use it.

    Returns:
        In the unit of the differences. With one seed or one group, interval and p-value are NaN and ``note`` gives the
        reason; with differences that are all 0 the p-value is 1.

    Source: A. C. Cameron, J. B. Gelbach, D. L. Miller, "Robust inference with multiway clustering", Journal of
    Business & Economic Statistics 29, 2011, equation 2.8; J. G. MacKinnon, M. O. Nielsen, M. D. Webb, "Fast and
    reliable jackknife and bootstrap methods for cluster-robust inference", Journal of Applied Econometrics 38, 2023;
    F. E. Satterthwaite, Biometrics Bulletin 2, 1946.

    >>> d = np.array([0.9, 1.1, 1.0, 1.2, 0.8])
    >>> group = np.linspace(-0.05, 0.05, 30)[:, None]
    >>> result = crossed_mean(d, d + group)
    >>> round(result.delta, 3), result.p_value < 0.001, result.ci_low < 1.0 < result.ci_high
    (1.0, True, True)
    """
    d, left = _rounded(differences), _rounded(left_out)
    delta, (groups, seeds) = float(d.mean()), left.shape
    undefined = not np.isfinite(left).all()
    if seeds < 2 or groups < 2 or undefined:
        few = "1 seed" if seeds < 2 else "1 group" if groups < 2 else "a metric that a single group determines"
        nan = math.nan
        return CrossedMean(delta, nan, nan, nan, nan, nan, nan, f"no p-value from {few}: give at least 2 of each")
    seed, group = _components(d, left)
    df_group = (groups if effective_groups is None else effective_groups) - 1.0
    note = f"fewer than {_FEW} seeds or groups: the p-value is approximate" if min(seeds, groups) < _FEW else ""
    low, high, p_value, df = _student(delta, seed, group, seeds - 1.0, max(df_group, 1.0))
    return CrossedMean(delta, low, high, p_value, df, seed, group, note)


def _rounded(values: Array) -> Array:
    return np.where(np.abs(values) < _ROUNDING, 0.0, values)


def _components(d: Array, left: Array) -> tuple[float, float]:
    groups, seeds = left.shape
    shrink = (groups - 1) / groups
    deviation = left - left.mean(axis=0)
    shared = deviation.mean(axis=1, keepdims=True)
    both = shrink * float((shared**2).sum())
    cross = shrink * float(((deviation - shared) ** 2).sum()) / (seeds * (seeds - 1))
    seed, group = float(d.var(ddof=1)) / seeds, max(0.0, both - cross)
    return seed, group if math.sqrt(seed + group) > _ROUNDING else both


def _student(delta: float, seed: float, group: float, df_s: float, df_v: float) -> tuple[float, float, float, float]:
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - keeps `import comodal` light

    error = math.sqrt(seed + group)
    if error <= _ROUNDING:
        return delta, delta, 1.0 if delta == 0.0 else 0.0, df_s
    # Shares rather than variances: squares of tiny variances would underflow.
    share = seed / (seed + group)
    df = 1.0 / (share**2 / df_s + (1.0 - share) ** 2 / df_v)
    reach = error * float(stdtrit(df, 0.975))
    return delta - reach, delta + reach, 2.0 * float(stdtr(df, -abs(delta) / error)), df
