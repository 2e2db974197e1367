"""Names that options take, known without importing torch: the keys of the registries of models and measures.

``comodal --help`` lists them. The registry of each family stays in its own room; a test compares the two.
"""

from __future__ import annotations

__all__ = [
    "BETWEEN",
    "CRITIC_NAMES",
    "ENCODER_NAMES",
    "FUSION_NAMES",
    "LIPSCHITZ_NAMES",
    "MEASURE_HABITS",
    "MEASURE_NAMES",
    "NORMALIZATION_NAMES",
    "REFERENCE_NAMES",
    "TASK_LOSS_NAMES",
]

FUSION_NAMES = ("early", "lfn", "ef_lstm", "late", "tfn", "mfn", "graph_mfn", "misa", "mult", "mag")
"""Keys of :data:`comodal.fusion.FUSIONS`."""

ENCODER_NAMES = ("mean", "lstm")
"""Keys of :data:`comodal.encoders.ENCODERS`."""

MEASURE_NAMES = (
    "kl",
    "mine",
    "f",
    "reverse_kl",
    "pearson",
    "squared_hellinger",
    "jensen_shannon",
    "wasserstein",
    "smile",
    "infonce",
    "symile",
    "gram",
    "dhsic",
    "distance_correlation",
    "gaussian",
    "pmrl",
    "vicreg",
    "barlow",
    "club",
)
"""Keys of :data:`comodal.dependency.MEASURES`."""

MEASURE_HABITS = {
    "barlow_twins": "barlow",
    "cca": "gaussian",
    "cka": "dhsic",
    "clip": "infonce",
    "dcor": "distance_correlation",
    "dcorr": "distance_correlation",
    "donsker_varadhan": "kl",
    "dv": "kl",
    "f_gan": "f",
    "gan": "jensen_shannon",
    "hsic": "dhsic",
    "info_nce": "infonce",
    "js": "jensen_shannon",
    "jsd": "jensen_shannon",
    "mi": "kl",
    "mmd": "dhsic",
    "multivariance": "distance_correlation",
    "mutual_information": "kl",
    "nt_xent": "infonce",
    "ntxent": "infonce",
    "nwj": "f",
    "tc": "kl",
    "total_correlation": "kl",
    "w": "wasserstein",
    "w1": "wasserstein",
    "wgan": "wasserstein",
}
"""Customary names of measures to the name that is meant, offered where they are typed by habit."""

CRITIC_NAMES = ("joint", "separable")
"""Keys of :data:`comodal.dependency.CRITICS`."""

NORMALIZATION_NAMES = ("layer", "sphere", "none")
"""Keys of :data:`comodal.dependency.NORMALIZATIONS`."""

LIPSCHITZ_NAMES = ("gradient_penalty", "spectral_norm")
"""Ways to keep a critic 1-Lipschitz."""

BETWEEN = ("modalities", "fusion")
"""What a dependency is measured between: the unimodal representations, or the fused one and all of them."""

TASK_LOSS_NAMES = ("l1", "mse", "smooth_l1", "cross_entropy", "bce", "none")
"""Keys of :data:`comodal.objective.TASK_LOSSES`."""

REFERENCE_NAMES = ("constant", "linear", "self-training", "label spreading")
"""Keys of :data:`comodal.evaluation.reference_models.REFERENCE_MODELS`, fusion models of reference rows."""
