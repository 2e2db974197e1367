"""Types that the stages exchange. This package imports no other part of comodal, and no torch."""

from comodal.contracts.batch import ModalitySequence, MultimodalBatch
from comodal.contracts.errors import InputError
from comodal.contracts.explanation import Attribution, ExplanationTable, PairingScore
from comodal.contracts.findings import DataFacts, Findings, TrainingCurve
from comodal.contracts.outputs import DependencyEstimate, FusionOutput, ObjectiveTerms
from comodal.contracts.prediction_table import PredictionTable
from comodal.contracts.result_rows import ComparisonRow, RobustnessRow
from comodal.contracts.specs import DatasetSpec, InputSpec, TokenSpec

__all__ = [
    "Attribution",
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
    "MultimodalBatch",
    "ObjectiveTerms",
    "PairingScore",
    "PredictionTable",
    "RobustnessRow",
    "TokenSpec",
    "TrainingCurve",
]
