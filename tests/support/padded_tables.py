"""Splits of padded features, as MMSA's and MulT's files hold them, and what their frames must come back as."""

from __future__ import annotations

import numpy as np

DIMS = {"text": 4, "audio": 2, "vision": 3}
SPLITS = {"train": 6, "valid": 3, "test": 4}


def padded(rows, steps, side):
    """Padding on a side, as a plain loop."""
    out = np.zeros((len(rows), steps, rows[0].shape[1]), dtype=np.float32)
    for i, row in enumerate(rows):
        shift = steps - len(row) if side == "left" else 0
        for j, frame in enumerate(row):
            out[i, shift + j] = frame
    return out


def frames(rng, lengths, dim):
    """Sequences of these lengths without a zero."""
    return [np.round(rng.uniform(1, 2, size=(length, dim)), 3).astype(np.float32) for length in lengths]


def assert_rows(array, rows):
    """What was read is what was padded."""
    assert array.lengths.tolist() == [len(row) for row in rows]
    np.testing.assert_array_equal(array.values, np.concatenate(rows))
