"""Scale features to mean 0 and standard deviation 1 over the frames of the training part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import DatasetSpec, InputError
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray

__all__ = ["Scale", "Standardizer"]

# Below this share of its root mean square a feature's spread is rounding error: float32 keeps about 7 digits.
_FLOOR = 1e-6
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class Scale:
    """Standardisation of the frames of one modality.

    In double precision: a large mean over a small spread cancels in single precision.

    Attributes:
        mean: ``(d,)`` float64.
        inverse: ``(d,)`` float64, 1 / standard deviation, or 0.
        clip: largest absolute standardised value.

    Example:
        >>> frames = np.array([[3.0, 5.0], [-90.0, 5.0]], dtype=np.float32)
        >>> Scale(np.array([1.0, 5.0]), np.array([0.5, 0.0]), 10.0)(frames, frames)
        >>> frames.tolist()
        [[1.0, 0.0], [-10.0, 0.0]]
    """

    mean: NDArray[np.float64]
    inverse: NDArray[np.float64]
    clip: float

    def __call__(self, frames: NDArray[np.float32], into: NDArray[np.float32]) -> None:
        """Write standardised ``(T, d)`` frames into an array of the same shape, which may be the input itself."""
        scaled = frames.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # checks of the data report non-finite values
            scaled -= self.mean
            scaled *= self.inverse
            np.clip(scaled, -self.clip, self.clip, out=scaled)
            into[...] = scaled


@dataclass(frozen=True, eq=False)
class Standardizer:
    r"""Mean and scale of every feature, learnt from the training part alone.

    .. math:: z = \mathrm{clip}((x - \mu_{train}) / \sigma_{train}, -c, c)

    A feature that is constant in the training part becomes 0 everywhere, since its scale elsewhere is unknown. A
    feature that hardly varies there can lie a hundred deviations away elsewhere, hence the clipping.

    Attributes:
        mean: modality to ``(d,)`` float64.
        std: modality to ``(d,)`` float64, 0 for a feature that is constant in the training part.
        clip: largest absolute standardised value, c; infinity for none.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
        >>> train = dataset.partitions[0].train
        >>> scaled = Standardizer.fit(dataset, train).transform(dataset)
        >>> bool(abs(scaled.modalities["text"].take(train).values.mean()) < 1e-6)
        True
    """

    mean: Mapping[str, NDArray[np.float64]]
    std: Mapping[str, NDArray[np.float64]]
    clip: float = 10.0

    def __post_init__(self) -> None:
        if not self.clip > 0:
            raise InputError(f"clip {self.clip}: give a positive number of standard deviations", code="out_of_range")

    @classmethod
    def fit(cls, dataset: Dataset, index: NDArray[np.int64], *, clip: float = 10.0) -> Standardizer:
        """Learn from the rows of ``index``, the training part, and from no others.

        Raises:
            InputError: no training sample has a modality, or ``clip`` is not positive.
        """
        moments = {name: _moments(array, index, name, dataset.spec.name) for name, array in dataset.modalities.items()}
        means, stds = ({n: pair[k] for n, pair in moments.items()} for k in (0, 1))
        return cls(means, stds, clip)

    def require(self, spec: DatasetSpec) -> None:
        """Raise an ``InputError`` when a data set has other modalities or dims than those learnt from."""
        learnt = {name: len(mean) for name, mean in self.mean.items()}
        if learnt != dict(spec.dims):
            reason = f"features {dict(spec.dims)} where the standardiser knows {learnt}; fit it on the same features"
            raise InputError(f"{spec.name}: {reason}", code="mismatch")

    def transform(self, dataset: Dataset) -> Dataset:
        """Standardise every sample of a data set that passes :meth:`require`."""
        self.require(dataset.spec)
        return dataset.with_features({name: self.scale(name, array) for name, array in dataset.modalities.items()})

    def of(self, name: str) -> Scale:
        """Return the scale of one modality; a feature that is constant in the training part is multiplied by 0."""
        std = self.std[name]
        return Scale(self.mean[name], np.divide(1.0, std, out=np.zeros_like(std), where=std > 0), self.clip)

    def scale(self, name: str, array: RaggedArray) -> RaggedArray:
        """Standardise one modality, in memory."""
        scale, start = self.of(name), 0
        values = np.empty((array.offsets[-1], array.dim), dtype=np.float32)
        for part in array.parts(_CHUNK):
            scale(part, values[start : start + len(part)])
            start += len(part)
        return array.with_values(values)

    def save(self, path: str | Path) -> None:
        """Write as safetensors, atomically."""
        from safetensors.numpy import save  # noqa: PLC0415 - keeps `import comodal` light

        tensors = {f"{name}.{kind}": value for kind in ("mean", "std") for name, value in getattr(self, kind).items()}
        # The order of the modalities is part of what was learnt; safetensors sorts its keys.
        data = save(tensors, metadata={"modalities": "\n".join(self.mean), "clip": repr(self.clip)})
        write_atomic(Path(path), lambda partial: partial.write_bytes(data))

    @classmethod
    def load(cls, path: str | Path) -> Standardizer:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing, damaged or of another kind.
        """
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415

        try:
            with safe_open(str(path), framework="numpy") as file:
                facts = file.metadata() or {}
                names = [name for name in facts["modalities"].split("\n") if name]
                means, stds = ({n: file.get_tensor(f"{n}.{kind}") for n in names} for kind in ("mean", "std"))
                return cls(means, stds, float(facts["clip"]))
        except (OSError, KeyError, SafetensorError) as error:
            raise InputError(f"{path}: not a readable standardiser ({error}); train again", code="damaged") from error


def _moments(
    array: RaggedArray, index: NDArray[np.int64], name: str, source: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and spread over the frames of some samples, read in parts because a large data set is on disk."""
    count = int(array.lengths[index].sum())
    if not count:
        remedy = "leave it out (features=..., --features)"
        raise InputError(f"{source}: no training sample has modality {name!r}; {remedy}", code="empty")
    total, second = np.zeros(array.dim), np.zeros(array.dim)
    for rows in array.groups(index):
        total += array.take(rows).values.sum(axis=0, dtype=np.float64)
    mean = total / count
    for rows in array.groups(index):
        centred = array.take(rows).values - mean
        second += np.square(centred, out=centred).sum(axis=0)
    std = np.sqrt(second / count)
    return mean, np.where(std > _FLOOR * np.hypot(mean, std), std, 0.0)
