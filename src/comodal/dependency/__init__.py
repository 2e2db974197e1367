"""Dependency between representations: bounds, critics, measures, estimates and penalties."""

from comodal.contracts.option_names import BETWEEN
from comodal.dependency.attach import AttachedPenalty
from comodal.dependency.bound import BOUNDS, Bound
from comodal.dependency.bounds import (
    donsker_varadhan,
    jensen_shannon,
    kantorovich_rubinstein,
    nwj,
    pearson,
    reverse_kl,
    smile,
    squared_hellinger,
)
from comodal.dependency.calibration import Calibration
from comodal.dependency.catalog import MEASURES, MeasureSpec, build_measure, measure_spec
from comodal.dependency.conditional import Conditional, DiagonalGaussian
from comodal.dependency.contrastive import SIMILARITIES, Contrastive, Similarity
from comodal.dependency.covariance_statistics import barlow, gaussian, vicreg
from comodal.dependency.critics import CRITICS, Critic, JointCritic, QuadraticCritic, SeparableCritic, SumCritic
from comodal.dependency.distributed import Gathered
from comodal.dependency.draws import Draws
from comodal.dependency.estimation import EstimationConfig, estimate_dependency
from comodal.dependency.finite import FiniteWatch
from comodal.dependency.fitted_critic import CorrectedGaussianCritic, OrthogonalCritic, PairwiseSort
from comodal.dependency.fitting import FitConfig
from comodal.dependency.kernel_statistics import dhsic, distance_correlation
from comodal.dependency.label_critic import HeadCritic, tcmax
from comodal.dependency.lipschitz import SpectralLinear, gradient_penalty, spectral_norm
from comodal.dependency.log_ratio import LogRatioForm
from comodal.dependency.measure import Measure, MeasureFacts
from comodal.dependency.normalization import NORMALIZATIONS
from comodal.dependency.penalty import DependencyPenalty
from comodal.dependency.pools import POOLS
from comodal.dependency.samples import SplitViews, held_out_rows
from comodal.dependency.schedules import ConstantWeight, CosineWarmup, LinearWarmup
from comodal.dependency.spectral_statistics import pmrl
from comodal.dependency.statistic import Statistic
from comodal.dependency.variational import Variational
from comodal.dependency.views import Batch, MaskedViews, ViewLayout, Views, views_of, views_with_gaps

__all__ = [
    "BETWEEN",
    "BOUNDS",
    "CRITICS",
    "MEASURES",
    "NORMALIZATIONS",
    "POOLS",
    "SIMILARITIES",
    "AttachedPenalty",
    "Batch",
    "Bound",
    "Calibration",
    "Conditional",
    "ConstantWeight",
    "Contrastive",
    "CorrectedGaussianCritic",
    "CosineWarmup",
    "Critic",
    "DependencyPenalty",
    "DiagonalGaussian",
    "Draws",
    "EstimationConfig",
    "FiniteWatch",
    "FitConfig",
    "Gathered",
    "HeadCritic",
    "JointCritic",
    "LinearWarmup",
    "LogRatioForm",
    "MaskedViews",
    "Measure",
    "MeasureFacts",
    "MeasureSpec",
    "OrthogonalCritic",
    "PairwiseSort",
    "QuadraticCritic",
    "SeparableCritic",
    "Similarity",
    "SpectralLinear",
    "SplitViews",
    "Statistic",
    "SumCritic",
    "Variational",
    "ViewLayout",
    "Views",
    "barlow",
    "build_measure",
    "dhsic",
    "distance_correlation",
    "donsker_varadhan",
    "estimate_dependency",
    "gaussian",
    "gradient_penalty",
    "held_out_rows",
    "jensen_shannon",
    "kantorovich_rubinstein",
    "measure_spec",
    "nwj",
    "pearson",
    "pmrl",
    "reverse_kl",
    "smile",
    "spectral_norm",
    "squared_hellinger",
    "tcmax",
    "vicreg",
    "views_of",
    "views_with_gaps",
]
