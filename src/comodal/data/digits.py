"""The embedded real data set: images of handwritten digits, whose halves are two modalities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from comodal.contracts import Multiclass
from comodal.data.arrays import of_arrays
from comodal.data.dataset import Dataset
from comodal.data.splits import three_way

__all__ = ["digits"]

_SHARES = (0.4, 0.1, 0.5)
_NOTE = "digits of scikit-learn, left and right half of each image; writers are unknown and may be in several splits"


def digits() -> Dataset:
    """Return 1797 images of handwritten digits, the ten digits as classes.

    They are those of :func:`sklearn.datasets.load_digits`: 8 x 8 pixels from 0 to 16, the test part of the UCI set of
    E. Alpaydin and C. Kaynak (1998), by 13 writers who are not named. The modalities ``left`` and ``right`` are the
    four left and the four right columns of each image, as vectors ``(32,)``. An id is the number of the row, and every
    sample is its own group. The partition is random: 40 % train, 10 % validation, 50 % test.

    Example:
        >>> dataset = digits()
        >>> len(dataset), dict(dataset.spec.dims), dataset.spec.task.classes[:3]
        (1797, {'left': 32, 'right': 32}, ('0', '1', '2'))
        >>> [len(rows) for rows in dataset.partitions[0].splits.values()]
        [719, 179, 899]
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - keeps `import comodal` light

    found = load_digits()
    halves = {"left": found.images[:, :, :4], "right": found.images[:, :, 4:]}
    dataset = of_arrays(
        {name: pixels.reshape(len(pixels), -1) for name, pixels in halves.items()},
        target=found.target,
        task=Multiclass(tuple(map(str, found.target_names))),
        name="digits",
    )
    partition = three_way(np.arange(len(dataset)), seed=0, shares=_SHARES)
    return replace(dataset, spec=replace(dataset.spec, note=_NOTE), partitions=(partition,))
