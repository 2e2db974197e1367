"""Multimodal fusion trained with dependency penalties.

Every name is loaded when it is first used, so ``import comodal`` imports neither torch nor numpy. Models, critics,
bounds and metrics are in ``comodal.fusion``, ``encoders``, ``dependency``, ``functional``, ``metrics`` and
``distributions``.

>>> import comodal
>>> comodal.FusionOutput.__module__
'comodal.contracts.outputs'
>>> comodal.fusion.LFN.__name__, comodal.metrics.mae([1.0], [0.5])
('LFN', 0.5)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as in _HOMES: editors and type checkers read these lines and not __getattr__
    from comodal import dependency, distributions, encoders, functional, fusion, metrics
    from comodal.contracts import (
        Binary,
        ComparisonRow,
        DatasetSpec,
        DependencyEstimate,
        FusionOutput,
        InputError,
        InputSpec,
        ModalitySequence,
        Multiclass,
        Multilabel,
        MultimodalBatch,
        NoTask,
        ObjectiveTerms,
        PredictionTable,
        Regression,
        Sentiment,
        Task,
    )
    from comodal.data.arrays import from_arrays, from_frame
    from comodal.data.dataset import Dataset
    from comodal.data.load import load as load_dataset
    from comodal.data.synthetic_config import SyntheticConfig
    from comodal.dependency.attach import attach
    from comodal.dependency.catalog import build_measure
    from comodal.dependency.estimation import EstimationConfig, estimate_dependency
    from comodal.dependency.penalty import DependencyPenalty
    from comodal.dependency.schedules import CosineWarmup, LinearWarmup
    from comodal.estimators import FusionClassifier, FusionRegressor
    from comodal.evaluation.comparison import Comparison, compare
    from comodal.evaluation.data_config import DataConfig
    from comodal.evaluation.experiment import RunReport, evaluate, fit, train
    from comodal.evaluation.grid import CompareConfig
    from comodal.evaluation.predictions import Predictions
    from comodal.evaluation.predictor import Predictor, load_model
    from comodal.evaluation.probe import probe
    from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

__version__ = "0.1.0"

__all__ = [
    "Binary",
    "CompareConfig",
    "Comparison",
    "ComparisonRow",
    "CosineWarmup",
    "DataConfig",
    "Dataset",
    "DatasetSpec",
    "DependencyEstimate",
    "DependencyPenalty",
    "EstimationConfig",
    "FusionClassifier",
    "FusionOutput",
    "FusionRegressor",
    "InputError",
    "InputSpec",
    "LinearWarmup",
    "ModalitySequence",
    "Multiclass",
    "Multilabel",
    "MultimodalBatch",
    "NoTask",
    "ObjectiveTerms",
    "PenaltyConfig",
    "PredictionTable",
    "Predictions",
    "Predictor",
    "Regression",
    "RunConfig",
    "RunReport",
    "Sentiment",
    "SyntheticConfig",
    "Task",
    "TrainingConfig",
    "attach",
    "build_measure",
    "compare",
    "dependency",
    "distributions",
    "encoders",
    "estimate_dependency",
    "evaluate",
    "fit",
    "from_arrays",
    "from_frame",
    "functional",
    "fusion",
    "load_dataset",
    "load_model",
    "metrics",
    "probe",
    "train",
]

# Public name to the module that defines it, with ":name" where it has another name there; "comodal" for a module.
_HOMES = {
    "Binary": "comodal.contracts",
    "CompareConfig": "comodal.evaluation.grid",
    "Comparison": "comodal.evaluation.comparison",
    "ComparisonRow": "comodal.contracts",
    "CosineWarmup": "comodal.dependency.schedules",
    "DataConfig": "comodal.evaluation.data_config",
    "Dataset": "comodal.data.dataset",
    "DatasetSpec": "comodal.contracts",
    "DependencyEstimate": "comodal.contracts",
    "DependencyPenalty": "comodal.dependency.penalty",
    "EstimationConfig": "comodal.dependency.estimation",
    "FusionClassifier": "comodal.estimators",
    "FusionOutput": "comodal.contracts",
    "FusionRegressor": "comodal.estimators",
    "InputError": "comodal.contracts",
    "InputSpec": "comodal.contracts",
    "LinearWarmup": "comodal.dependency.schedules",
    "ModalitySequence": "comodal.contracts",
    "Multiclass": "comodal.contracts",
    "Multilabel": "comodal.contracts",
    "MultimodalBatch": "comodal.contracts",
    "NoTask": "comodal.contracts",
    "ObjectiveTerms": "comodal.contracts",
    "PenaltyConfig": "comodal.training.config",
    "PredictionTable": "comodal.contracts",
    "Predictions": "comodal.evaluation.predictions",
    "Predictor": "comodal.evaluation.predictor",
    "Regression": "comodal.contracts",
    "RunConfig": "comodal.training.config",
    "RunReport": "comodal.evaluation.experiment",
    "Sentiment": "comodal.contracts",
    "SyntheticConfig": "comodal.data.synthetic_config",
    "Task": "comodal.contracts",
    "TrainingConfig": "comodal.training.config",
    "attach": "comodal.dependency.attach",
    "build_measure": "comodal.dependency.catalog",
    "compare": "comodal.evaluation.comparison",
    "dependency": "comodal",
    "distributions": "comodal",
    "encoders": "comodal",
    "estimate_dependency": "comodal.dependency.estimation",
    "evaluate": "comodal.evaluation.experiment",
    "fit": "comodal.evaluation.experiment",
    "from_arrays": "comodal.data.arrays",
    "from_frame": "comodal.data.arrays",
    "functional": "comodal",
    "fusion": "comodal",
    "load_dataset": "comodal.data.load:load",
    "load_model": "comodal.evaluation.predictor",
    "metrics": "comodal",
    "probe": "comodal.evaluation.probe",
    "train": "comodal.evaluation.experiment",
}


if not TYPE_CHECKING:  # seen by a type checker it would make every misspelt name legal

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'comodal' has no attribute {name!r}")
        home, _, original = _HOMES[name].partition(":")
        if home == __name__:
            return importlib.import_module(f"{__name__}.{name}")
        value = getattr(importlib.import_module(home), original or name)
        globals()[name] = value  # the next use is a plain attribute
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
