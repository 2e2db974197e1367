"""Types that the stages exchange. This package imports no other part of comodal, and no torch.

Types that hold arrays are loaded when first used, so that `comodal --help` imports no numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from comodal.contracts.batch import ModalitySequence, MultimodalBatch
from comodal.contracts.errors import InputError
from comodal.contracts.result_rows import BreakdownRow, ComparisonRow, RobustnessRow
from comodal.contracts.specs import DatasetSpec, InputSpec, TokenSpec

if TYPE_CHECKING:  # the same names as in _WITH_ARRAYS
    from comodal.contracts.explanation import Attribution, ExplanationTable, PairingScore
    from comodal.contracts.findings import ArmPredictions, DataFacts, Findings, TrainingCurve
    from comodal.contracts.outputs import DependencyEstimate, FusionOutput, ObjectiveTerms
    from comodal.contracts.prediction_table import PredictionTable
    from comodal.contracts.tasks import Binary, Multiclass, Multilabel, NoTask, Regression, Sentiment, Task

__all__ = [
    "ArmPredictions",
    "Attribution",
    "Binary",
    "BreakdownRow",
    "ComparisonRow",
    "DataFacts",
    "DatasetSpec",
    "DependencyEstimate",
    "ExplanationTable",
    "Findings",
    "FusionOutput",
    "InputError",
    "InputSpec",
    "ModalitySequence",
    "Multiclass",
    "Multilabel",
    "MultimodalBatch",
    "NoTask",
    "ObjectiveTerms",
    "PairingScore",
    "PredictionTable",
    "Regression",
    "RobustnessRow",
    "Sentiment",
    "Task",
    "TokenSpec",
    "TrainingCurve",
]

_WITH_ARRAYS = {
    **dict.fromkeys(("Attribution", "ExplanationTable", "PairingScore"), "explanation"),
    **dict.fromkeys(("ArmPredictions", "DataFacts", "Findings", "TrainingCurve"), "findings"),
    **dict.fromkeys(("DependencyEstimate", "FusionOutput", "ObjectiveTerms"), "outputs"),
    **dict.fromkeys(("Binary", "Multiclass", "Multilabel", "NoTask", "Regression", "Sentiment", "Task"), "tasks"),
    "PredictionTable": "prediction_table",
}

if not TYPE_CHECKING:  # seen by a type checker it would make every misspelt name legal

    def __getattr__(name: str) -> Any:
        if name not in _WITH_ARRAYS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_WITH_ARRAYS[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WITH_ARRAYS})
