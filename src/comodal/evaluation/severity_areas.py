"""How much of a model's performance survives a corruption: the area below its severity curve.

Axis legend: K severities, S seeds, V videos.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError
from comodal.evaluation.paired import ArmMetrics
from comodal.metrics import Array

__all__ = ["area_below", "area_weights", "effective_area", "relative_area"]


def area_weights(severities: npt.ArrayLike) -> Array:
    r"""Weights :math:`w_k` of the trapezoidal mean of a curve.

    .. math:: \frac{1}{s_K - s_1} \sum_{k=1}^{K-1} (s_{k+1} - s_k) \frac{m_k + m_{k+1}}{2} = \sum_k w_k m_k

    Args:
        severities: ``(K,)`` rising, at least 2.

    Returns:
        ``(K,)`` summing to 1.

    Raises:
        InputError: fewer than 2 severities, or not rising.

    >>> area_weights([0.0, 0.5, 1.0]).tolist()
    [0.25, 0.5, 0.25]
    """
    s = np.asarray(severities, dtype=np.float64)
    steps = np.diff(s)
    if s.ndim != 1 or len(s) < 2 or not bool((steps > 0).all()):
        raise InputError(f"severities {s.tolist()}: the area below a curve needs at least 2, rising")
    weights: Array = (np.append(steps, 0.0) + np.insert(steps, 0, 0.0)) / (2.0 * (s[-1] - s[0]))
    return weights


def area_below(values: npt.ArrayLike, severities: npt.ArrayLike) -> float:
    """Trapezoidal area below one curve divided by the range of severities: the mean performance over them.

    Args:
        values: ``(K,)`` the metric at each severity.
        severities: ``(K,)`` rising.

    Returns:
        In the unit of the metric.

    >>> area_below([80.0, 70.0, 40.0], [0.0, 0.5, 1.0])
    65.0
    """
    return float(area_weights(severities) @ np.asarray(values, dtype=np.float64))


def relative_area(points: Sequence[ArmMetrics], severities: Sequence[float]) -> ArmMetrics:
    """Relative robustness: :func:`area_below` the curve, for each seed, on all videos and without each one.

    Args:
        points: the arm at each severity, the first one clean.
        severities: rising.

    Source: P. P. Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning", NeurIPS
    Datasets and Benchmarks 2021, on the evaluation of robustness: the area below the performance-imperfection curve.
    MultiBench then rescales by the best and the worst of the methods that happen to be compared; here the area stays in
    the unit of the metric, so that it does not change with the company.
    """
    return _weighted(points, area_weights(severities))


def effective_area(
    points: Sequence[ArmMetrics], baseline: Sequence[ArmMetrics], severities: Sequence[float]
) -> ArmMetrics:
    r"""Effective robustness: how much flatter a curve is than that of a baseline, whatever both reach when clean.

    .. math:: \rho = \mathrm{area}(m) - \mathrm{area}(\beta), \qquad \beta_k = b_k + (m_1 - b_1)

    The baseline's curve :math:`b` is moved to start where the arm's curve :math:`m` starts; what lies between the two
    is robustness that better clean performance does not explain. 0 for the baseline itself.

    Args:
        points: the arm at each severity, the first one clean.
        baseline: the same of the baseline, the same seeds in the same order.
        severities: rising.

    Source: MultiBench, as in :func:`relative_area`, after R. Taori et al., "Measuring robustness to natural
    distribution shifts in image classification", NeurIPS 2020. MultiBench's baseline is late fusion, and its code adds
    the differences up where the text speaks of an area; here it is the area.
    """
    weights = area_weights(severities)
    from_start = weights - np.eye(len(weights))[0]
    ours, theirs = _weighted(points, from_start), _weighted(baseline, from_start)
    return ArmMetrics(
        {name: values - theirs.values[name] for name, values in ours.values.items()},
        {name: values - theirs.left_out[name] for name, values in ours.left_out.items()},
        ours.groups,
    )


def _weighted(points: Sequence[ArmMetrics], weights: Array) -> ArmMetrics:
    """The sum of the points' metrics, each with its weight."""
    if len(points) != len(weights):
        raise InputError(f"{len(points)} points of a curve and {len(weights)} severities: give one point a severity")
    return ArmMetrics(
        {name: _sum([each.values[name] for each in points], weights) for name in points[0].values},
        {name: _sum([each.left_out[name] for each in points], weights) for name in points[0].left_out},
        points[0].groups,
    )


def _sum(values: Sequence[Array], weights: Array) -> Array:
    total: Array = np.tensordot(weights, np.stack(values), axes=1)
    return total
