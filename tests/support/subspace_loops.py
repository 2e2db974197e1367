"""The terms of MISA as its paper and its authors' code define them, one number at a time."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def cmd_by_loop(one: Array, other: Array, moments: int = 5) -> float:
    """Central moment discrepancy of two samples ``(n, d)``, sum over orders of the norm over features."""
    total = 0.0
    for order in range(1, moments + 1):
        squared = 0.0
        for feature in range(one.shape[1]):
            squared += (_moment(one[:, feature], order) - _moment(other[:, feature], order)) ** 2
        total += math.sqrt(squared)
    return total


def _moment(values: Array, order: int) -> float:
    if len(values) == 0:
        return 0.0
    mean = sum(float(x) for x in values) / len(values)
    return mean if order == 1 else sum((float(x) - mean) ** order for x in values) / len(values)


def orthogonality_by_loop(one: Array, other: Array) -> float:
    """Mean squared entry of the product of centred, row-normalised ``(n, d1)`` and ``(n, d2)``."""
    rows_one, rows_other = _unit_rows(one), _unit_rows(other)
    total = 0.0
    for i in range(one.shape[1]):
        for j in range(other.shape[1]):
            total += sum(a[i] * b[j] for a, b in zip(rows_one, rows_other, strict=True)) ** 2
    return total / (one.shape[1] * other.shape[1])


def _unit_rows(sample: Array) -> list[list[float]]:
    count, width = sample.shape
    means = [sum(float(row[f]) for row in sample) / max(count, 1) for f in range(width)]
    centred = [[float(row[f]) - means[f] for f in range(width)] for row in sample]
    lengths = [math.sqrt(sum(x * x for x in row)) for row in centred]
    return [[x / length if length > 1e-12 else 0.0 for x in row] for row, length in zip(centred, lengths, strict=True)]


def mse_by_loop(recovered: Array, wanted: Array) -> float:
    """Mean squared error of ``(n, d)``."""
    errors = [(float(a) - float(b)) ** 2 for a, b in zip(recovered.ravel(), wanted.ravel(), strict=True)]
    return sum(errors) / len(errors) if errors else 0.0
