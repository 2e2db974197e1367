"""The mean of a table of differences, seeds by videos, and how far it would move with others of both.

A difference between two arms varies because networks are trained from random numbers (seeds) and because the test part
is a handful of videos. Every seed is tested on the same videos, so the two are *crossed*: neither a t-test over seeds
nor resampling videos alone knows how uncertain the mean is.

Axis legend: S seeds, V videos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from comodal.metrics import Array

__all__ = ["CrossedMean", "crossed_mean"]

_ROUNDING = 1e-9  # differences below this, in percent or in the unit of the labels, are rounding error
_FEW = 4  # below this many seeds or videos Satterthwaite's degrees of freedom are a rough guess


@dataclass(frozen=True)
class CrossedMean:
    """A mean difference over seeds and videos.

    Attributes:
        delta: the mean over seeds of the difference on all videos.
        ci_low: lower end of the 95 % interval, NaN when there is none.
        ci_high: upper end.
        p_value: two-sided, of the hypothesis that the mean over all seeds and videos is 0; NaN when there is none.
        df: degrees of freedom of the t distribution used.
        variance_seed: variance of ``delta`` from seeds, interaction included.
        variance_video: variance from videos, interaction excluded, never negative.
        note: why there is no p-value or how far to trust it; empty when there is nothing to say.
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
    """Mean, 95 % interval and two-sided p-value of differences that vary with both seeds and videos.

    With ``d_s`` the difference of seed s on all videos, ``d_vs`` the same without video v, ``e_vs`` its deviation from
    the mean over v, ``e_v`` the mean of ``e_vs`` over s, and ``c = (V - 1) / V``::

        V_seed  = var_s(d_s) / S                             seeds, and seeds x videos
        V_all   = c sum_v e_v^2                              videos, and seeds x videos
        V_cross = c sum_vs (e_vs - e_v)^2 / (S (S - 1))      seeds x videos, counted in both
        V       = V_seed + max(0, V_all - V_cross)

    and ``delta / sqrt(V)`` is referred to Student's t with Satterthwaite's degrees of freedom. For a mean over videos
    of one size these are the mean squares of the two-way random-effects analysis of variance; leaving videos out
    extends them to any metric, as cluster-robust variances for two crossed clusterings do.

    Where seeds matter and videos do not, ``max(0, ...)`` adds a little variance that is not there: p-values are then
    slightly too large, never too small.

    Args:
        differences: ``(S,)``.
        left_out: ``(V, S)`` the differences with one video left out.
        effective_groups: V for videos of one size (the default); fewer when their sizes differ. Only degrees of freedom
            use it.

    Returns:
        In the unit of the differences. With one seed or one video interval and p-value are NaN and ``note`` says why;
        with differences that are all 0 the p-value is 1.

    Source: A. C. Cameron, J. B. Gelbach, D. L. Miller, "Robust inference with multiway clustering", Journal of
    Business & Economic Statistics 29, 2011, equation 2.8; J. G. MacKinnon, M. O. Nielsen, M. D. Webb, "Fast and
    reliable jackknife and bootstrap methods for cluster-robust inference", Journal of Applied Econometrics 38, 2023;
    F. E. Satterthwaite, Biometrics Bulletin 2, 1946.

    >>> d = np.array([0.9, 1.1, 1.0, 1.2, 0.8])
    >>> video = np.linspace(-0.05, 0.05, 30)[:, None]
    >>> result = crossed_mean(d, d + video)
    >>> round(result.delta, 3), result.p_value < 0.001, result.ci_low < 1.0 < result.ci_high
    (1.0, True, True)
    """
    d, left = _rounded(differences), _rounded(left_out)
    delta, (videos, seeds) = float(d.mean()), left.shape
    undefined = not np.isfinite(left).all()
    if seeds < 2 or videos < 2 or undefined:
        few = "1 seed" if seeds < 2 else "1 video" if videos < 2 else "a metric that a single video defines"
        nan = math.nan
        return CrossedMean(delta, nan, nan, nan, nan, nan, nan, f"no p-value from {few}: give at least 2 of each")
    seed, video = _components(d, left)
    df_video = (videos if effective_groups is None else effective_groups) - 1.0
    note = f"fewer than {_FEW} seeds or videos: the p-value is rough" if min(seeds, videos) < _FEW else ""
    low, high, p_value, df = _student(delta, seed, video, seeds - 1.0, max(df_video, 1.0))
    return CrossedMean(delta, low, high, p_value, df, seed, video, note)


def _rounded(values: Array) -> Array:
    return np.where(np.abs(values) < _ROUNDING, 0.0, values)


def _components(d: Array, left: Array) -> tuple[float, float]:
    videos, seeds = left.shape
    shrink = (videos - 1) / videos
    deviation = left - left.mean(axis=0)
    shared = deviation.mean(axis=1, keepdims=True)
    both = shrink * float((shared**2).sum())
    cross = shrink * float(((deviation - shared) ** 2).sum()) / (seeds * (seeds - 1))
    return float(d.var(ddof=1)) / seeds, max(0.0, both - cross)


def _student(delta: float, seed: float, video: float, df_s: float, df_v: float) -> tuple[float, float, float, float]:
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - keeps `import comodal` light

    error = math.sqrt(seed + video)
    if error <= _ROUNDING:
        return delta, delta, 1.0 if delta == 0.0 else 0.0, df_s
    # Shares rather than variances: squares of tiny variances would underflow.
    share = seed / (seed + video)
    df = 1.0 / (share**2 / df_s + (1.0 - share) ** 2 / df_v)
    reach = error * float(stdtrit(df, 0.975))
    return delta - reach, delta + reach, 2.0 * float(stdtr(df, -abs(delta) / error)), df
