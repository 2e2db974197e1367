"""Areas below severity curves: how much performance a model keeps under a corruption.

Axis legend: K severities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError
from comodal.evaluation.paired import ArmMetrics
from comodal.metrics import Array

__all__ = ["area_weights", "effective_area", "relative_area"]


def area_weights(severities: npt.ArrayLike) -> Array:
    r"""Return the weights :math:`w_k` of the trapezoidal mean of a curve, the area below it per unit of severity.

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
        message = f"severities {s.tolist()}: the area below a curve needs at least 2, rising"
        raise InputError(message, code="invalid")
    weights: Array = (np.append(steps, 0.0) + np.insert(steps, 0, 0.0)) / (2.0 * (s[-1] - s[0]))
    return weights


def relative_area(points: Sequence[ArmMetrics], severities: Sequence[float]) -> ArmMetrics:
    """Return the relative robustness: the trapezoidal mean of the curve, in the unit of the metric.

    Args:
        points: metrics of the arm at each severity, the first one clean.
        severities: rising.

    Source: P. P. Liang et al., "MultiBench: Multiscale benchmarks for multimodal representation learning", NeurIPS
    Datasets and Benchmarks 2021, on the evaluation of robustness: the area below the performance-imperfection curve.
    MultiBench then rescales by the best and worst of the compared methods; here the area stays in the unit of the
    metric, so that it does not depend on the other methods.
    """
    return _weighted(points, area_weights(severities))


def effective_area(
    points: Sequence[ArmMetrics], baseline: Sequence[ArmMetrics], severities: Sequence[float]
) -> ArmMetrics:
    r"""Return the effective robustness: how much flatter a curve is than a baseline's, apart from clean performance.

    .. math:: \rho = \mathrm{area}(m) - \mathrm{area}(\beta), \qquad \beta_k = b_k + (m_1 - b_1)

    The baseline's curve :math:`b` is shifted to start where the arm's curve :math:`m` starts; the area between the two
    is robustness that better clean performance does not explain. It is 0 for the baseline itself.

    Args:
        points: metrics of the arm at each severity, the first one clean.
        baseline: metrics of the baseline, with the same seeds in the same order.
        severities: rising.

    Source: MultiBench, as in :func:`relative_area`, after R. Taori et al., "Measuring robustness to natural
    distribution shifts in image classification", NeurIPS 2020. MultiBench's baseline is late fusion; its code sums
    the differences where its text has an area, as here.
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
    """Return the weighted sum of the metrics of the points."""
    if len(points) != len(weights):
        message = f"{len(points)} points of a curve and {len(weights)} severities: give one point per severity"
        raise InputError(message, code="mismatch")
    return ArmMetrics(
        {name: _sum([each.values[name] for each in points], weights) for name in points[0].values},
        {name: _sum([each.left_out[name] for each in points], weights) for name in points[0].left_out},
        points[0].groups,
    )


def _sum(values: Sequence[Array], weights: Array) -> Array:
    total: Array = np.tensordot(weights, np.stack(values), axes=1)
    return total
