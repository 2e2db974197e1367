"""Configure the embedded synthetic data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from comodal.contracts import InputError

__all__ = ["PRESETS", "SyntheticConfig"]


_LIMITS = {
    **dict.fromkeys(("n_train", "n_valid", "n_test", "per_video", "latent_dim"), (1, np.inf)),
    **dict.fromkeys(("unique_dim", "seed", "nuisance", "frame_noise", "label_scale"), (0, np.inf)),
    **dict.fromkeys(("redundancy", "label_shared", "zero_share", "disagree"), (0, 1)),
}


@dataclass(frozen=True)
class SyntheticConfig:
    """Sizes, dependency and label of the embedded data set.

    Attributes:
        n_train: training samples.
        n_valid: validation samples.
        n_test: test samples.
        per_video: samples per group.
        dims: features per frame of each modality.
        lengths: fewest and most frames per sample; (1, 1) gives one vector per sample.
        aligned: all modalities of a sample have the same number of frames.
        latent_dim: dimensions of the shared cause, k.
        unique_dim: dimensions of the unique part of each modality, u.
        redundancy: correlation of the modalities' views of the shared cause before private noise, in [0, 1].
        private_noise: strength of each modality's own noise on its view (the view has strength 1): one number for all,
            or by modality, 0 for those not named.
        nuisance: standard deviation of features unrelated to anything.
        frame_noise: standard deviation of the noise of single frames.
        label_shared: share of the label's variance from the shared cause.
        label_unique: share from the unique part of each named modality; the rest is noise.
        label_scale: standard deviation of the label before it is clipped to [-3, 3].
        zero_share: share of labels, those nearest to 0, that are set to exactly 0.
        disagree: share of samples in which one modality is taken from another group.
        seed: of all random numbers.

    Raises:
        InputError: values that cannot make a data set.

    Example:
        >>> round(SyntheticConfig(redundancy=0.5, private_noise=0.0, latent_dim=1).total_correlation, 4)
        0.3466
    """

    n_train: int = 600
    n_valid: int = 200
    n_test: int = 400
    per_video: int = 8
    dims: Mapping[str, int] = field(default_factory=lambda: {"text": 24, "audio": 16, "vision": 16})
    lengths: tuple[int, int] = (1, 1)
    aligned: bool = True
    latent_dim: int = 3
    unique_dim: int = 2
    redundancy: float = 0.7
    private_noise: float | Mapping[str, float] = 0.5
    nuisance: float = 1.0
    frame_noise: float = 1.0
    label_shared: float = 0.6
    label_unique: Mapping[str, float] = field(default_factory=dict)
    label_scale: float = 1.5
    zero_share: float = 0.04
    disagree: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            _require(name, getattr(self, name), low, high)
        self._require_sizes()
        private = self.private_noise if isinstance(self.private_noise, Mapping) else {}
        for name in (*self.label_unique, *private):
            if name not in self.dims:
                raise InputError.unknown("modality", name, self.dims)
        for name in self.dims:
            _require(f"private_noise of {name}", self.noise_of(name), 0, np.inf)
        for name, share in self.label_unique.items():
            _require(f"label_unique of {name}", share, 0, 1)
        if self.label_noise < 0:
            total = f"{1 - self.label_noise:g}"
            raise InputError(
                f"label_shared and label_unique sum to {total}: give shares of at most 1", code="out_of_range"
            )
        if self.label_unique and not self.unique_dim:
            raise InputError("label_unique needs a unique part; give unique_dim=1 or more", code="conflict")

    def _require_sizes(self) -> None:
        low, high = self.lengths
        if not 1 <= low <= high:
            remedy = "give (fewest, most) frames with 1 <= fewest <= most"
            raise InputError(f"lengths {tuple(self.lengths)}: {remedy}", code="out_of_range")
        if not self.dims:
            raise InputError("dims is empty: give at least one modality", code="empty")
        least = self.latent_dim + self.unique_dim
        for name, dim in self.dims.items():
            if dim < least:
                reason = f"it must hold latent_dim + unique_dim = {least}; give more dims"
                raise InputError(f"dims of {name} is {dim}: {reason}", code="out_of_range")
        if self.disagree and min(self.n_train, self.n_valid, self.n_test) <= self.per_video:
            remedy = f"give splits of more than {self.per_video} samples"
            raise InputError(f"disagree needs two groups in every split: {remedy}", code="conflict")

    def noise_of(self, modality: str) -> float:
        """Strength of a modality's private noise."""
        if isinstance(self.private_noise, Mapping):
            return float(self.private_noise.get(modality, 0.0))
        return float(self.private_noise)

    @property
    def n(self) -> int:
        """Samples of all splits."""
        return self.n_train + self.n_valid + self.n_test

    @property
    def label_noise(self) -> float:
        """Share of the label's variance that no modality can explain."""
        share = 1.0 - self.label_shared - sum(self.label_unique.values())
        return 0.0 if abs(share) < 1e-9 else share

    @property
    def total_correlation(self) -> float:
        r"""Total correlation of the features in nats, without disagreeing samples.

        .. math:: -\tfrac{k}{2} \ln \det R, \qquad R_{ml} = \rho / \sqrt{(1 + \tau_m^2)(1 + \tau_l^2)}

        It is infinite when two modalities see the shared cause exactly.
        """
        noise = np.array([self.noise_of(name) for name in self.dims])
        if self.redundancy == 1 and (noise == 0).sum() > 1:
            return float("inf")
        scale = 1 / np.sqrt(1 + noise**2)
        correlation = self.redundancy * np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        # `+ 0.0` turns the -0.0 of independent views into 0.0.
        return float(-0.5 * self.latent_dim * np.linalg.slogdet(correlation).logabsdet) + 0.0


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high or value == np.inf:
        limits = f"{low:g} or more" if high == np.inf else f"a number from {low:g} to {high:g}"
        raise InputError(f"{name} is {value}: give {limits}", code="out_of_range")


# `redundant`: few samples; each modality is a noisy view of one cause, which alone determines the label.
# `single`: the label depends on the unique part of the text, while the modalities share much else.
# `disagreement`: modalities share so much that one from another group can be detected; a tenth of the samples have one.
_SMALL = SyntheticConfig(dims={"text": 8, "audio": 8, "vision": 8}, private_noise=0.2, seed=10)
PRESETS: dict[str, SyntheticConfig] = {
    "default": SyntheticConfig(label_unique={"text": 0.1, "audio": 0.05, "vision": 0.05}, disagree=0.1),
    "redundant": replace(
        _SMALL, n_train=120, n_valid=100, n_test=800, latent_dim=1, unique_dim=0, redundancy=1.0, label_shared=0.5
    ),
    "single": replace(
        _SMALL, n_train=200, n_valid=96, n_test=640, redundancy=0.9, label_shared=0.0, label_unique={"text": 0.8}
    ),
    "disagreement": replace(
        _SMALL,
        n_train=1600,
        n_valid=400,
        n_test=800,
        latent_dim=4,
        redundancy=1.0,
        private_noise=0.1,
        label_unique={"text": 0.1, "audio": 0.05, "vision": 0.05},
        disagree=0.1,
    ),
}
