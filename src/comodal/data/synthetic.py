"""Draw the embedded data set: sentiment-like samples with known dependency.

Axis legend: n samples, M modalities, k shared latent dimensions, u unique ones, d features of a frame, T frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comodal.data.dataset import SPLITS, Dataset, Partition, describe
from comodal.data.ragged import RaggedArray
from comodal.data.synthetic_config import PRESETS, SyntheticConfig

__all__ = ["PRESETS", "SyntheticConfig", "synthetic"]

Matrix = NDArray[np.float64]


def synthetic(config: SyntheticConfig | None = None, *, name: str = "synthetic") -> Dataset:
    r"""Draw a data set; the same configuration always gives the same one.

    With a shared cause s, independent standard normal e, p, q and noise strength :math:`\tau_m`, each modality sees

    .. math:: v_m = \sqrt{\rho} s + \sqrt{1 - \rho} e_m + \tau_m p_m, \qquad
              x_m = Q_m [v_m, q_m, \text{nuisance}_m],

    with a random orthogonal matrix :math:`Q_m`, so the features have the total correlation of the views exactly. The
    label is a weighted sum of s, of each :math:`q_m` and of noise, scaled and clipped to [-3, 3]. A sequence is its
    sample's vector plus frame noise that averages to zero over the sample.

    Returns:
        A data set with the columns ``disagree`` (the modality that was taken from another group, else empty) and
        ``disagree_with`` (the id it was taken from, else empty).

    Example:
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16, disagree=0.25))
        >>> int((dataset.columns["disagree"] != "").sum())
        18
    """
    config = config or SyntheticConfig()
    mixing, latent, length, frame, swap = (
        np.random.default_rng(s) for s in np.random.SeedSequence(config.seed).spawn(5)
    )
    shared, views, unique = _draw(config, latent)
    target = _labels(config, shared, unique, latent)
    vectors = {m: _mix(config, np.concatenate([views[m], unique[m]], axis=1), m, mixing, latent) for m in config.dims}
    ids, group, partition = _identities(config)
    disagree, donor = _disagreements(config, group, partition, swap)
    vectors = {m: np.where((disagree == m)[:, None], values[donor], values) for m, values in vectors.items()}
    modalities = _sequences(config, vectors, length, frame)
    return Dataset(
        spec=describe(name, modalities, note="synthetic data"),
        id=ids,
        group=group,
        target=target,
        modalities=modalities,
        partitions=(partition,),
        columns={"disagree": disagree, "disagree_with": np.where(disagree == "", "", ids[donor])},
    )


def _draw(config: SyntheticConfig, rng: np.random.Generator) -> tuple[Matrix, dict[str, Matrix], dict[str, Matrix]]:
    """Return the cause common to all modalities, ``(n, k)``; the noisy view that each has of it; and unique parts."""
    n, k, rho = config.n, config.latent_dim, config.redundancy
    shared = rng.standard_normal((n, k))
    views, unique = {}, {}
    for m in config.dims:
        own, private = rng.standard_normal((2, n, k))
        views[m] = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own + config.noise_of(m) * private
        unique[m] = rng.standard_normal((n, config.unique_dim))
    return shared, views, unique


def _labels(
    config: SyntheticConfig, shared: Matrix, unique: dict[str, Matrix], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Sum unit-variance causes, weighted by their shares of the label's variance."""
    label: Matrix = np.sqrt(config.label_shared) * _direction(shared)
    for m, share in config.label_unique.items():
        label = label + np.sqrt(share) * _direction(unique[m])
    label = label + np.sqrt(config.label_noise) * rng.standard_normal(config.n)
    label = np.clip(config.label_scale * label, -3.0, 3.0)
    label[np.argsort(np.abs(label), kind="stable")[: round(config.zero_share * config.n)]] = 0.0
    return label.astype(np.float32)


def _direction(latent: Matrix) -> Matrix:
    """Return the sum of a latent's coordinates with unit variance; 0 for an empty latent."""
    return np.asarray(latent.sum(axis=1) / np.sqrt(max(1, latent.shape[1])))


def _mix(
    config: SyntheticConfig, latent: Matrix, m: str, mixing: np.random.Generator, rng: np.random.Generator
) -> Matrix:
    dim = config.dims[m]
    nuisance = config.nuisance * rng.standard_normal((config.n, dim - latent.shape[1]))
    rotation, _ = np.linalg.qr(mixing.standard_normal((dim, dim)))
    mixed: Matrix = np.concatenate([latent, nuisance], axis=1) @ rotation
    return mixed


def _identities(config: SyntheticConfig) -> tuple[NDArray[np.str_], NDArray[np.str_], Partition]:
    """Return ids ``video_segment`` with segments from 1; groups are contiguous and never span two splits."""
    sizes = (config.n_train, config.n_valid, config.n_test)
    video = np.concatenate([np.arange(size) // config.per_video for size in sizes])
    first = np.cumsum([0, *(-(-size // config.per_video) for size in sizes[:-1])])
    video = video + np.repeat(first, sizes)
    segment = np.concatenate([np.arange(size) % config.per_video for size in sizes]) + 1
    group = np.array([f"v{v:04d}" for v in video])
    ids = np.array([f"{v}_{s}" for v, s in zip(group, segment, strict=True)])
    rows = np.split(np.arange(config.n, dtype=np.int64), np.cumsum(sizes[:-1]))
    return ids, group, Partition("synthetic", **dict(zip(SPLITS, rows, strict=True)))


def _disagreements(
    config: SyntheticConfig, group: NDArray[np.str_], partition: Partition, rng: np.random.Generator
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Choose a modality of some samples, and a row of another group in the same split to take it from."""
    names = np.array(list(config.dims))
    disagree = np.full(config.n, "", dtype=names.dtype)
    donor = np.arange(config.n)
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    sizes = np.diff(np.append(starts, config.n))
    for rows in partition.splits.values():
        chosen = np.sort(rng.permutation(rows)[: round(config.disagree * len(rows))])
        disagree[chosen] = names[rng.integers(len(names), size=len(chosen))]
        # A video is a run of rows: draw among the rows outside the run, then step over it.
        video = np.searchsorted(starts, chosen, side="right") - 1
        start, size = starts[video], sizes[video]
        drawn = rows[0] + rng.integers(len(rows) - size)
        donor[chosen] = np.where(drawn < start, drawn, drawn + size)
    return disagree, donor


def _sequences(
    config: SyntheticConfig, vectors: dict[str, Matrix], length: np.random.Generator, frame: np.random.Generator
) -> dict[str, RaggedArray]:
    low, high = config.lengths
    common = length.integers(low, high + 1, size=config.n)
    arrays = {}
    for m, values in vectors.items():
        lengths = common if config.aligned else length.integers(low, high + 1, size=config.n)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        noise = frame.standard_normal((int(offsets[-1]), values.shape[1]))
        noise -= np.repeat(np.add.reduceat(noise, offsets[:-1]) / lengths[:, None], lengths, axis=0)
        frames = np.repeat(values, lengths, axis=0) + config.frame_noise * noise
        arrays[m] = RaggedArray(frames.astype(np.float32), offsets)
    return arrays
