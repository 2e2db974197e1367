"""The nouns every stage exchanges. This room imports nothing of the rest of the package."""

from comodal.contracts.batch import ModalitySequence, MultimodalBatch
from comodal.contracts.errors import InputError
from comodal.contracts.explanation import Attribution, ExplanationTable, PairingScore
from comodal.contracts.findings import DataFacts, Findings, TrainingCurve
from comodal.contracts.outputs import DependencyEstimate, FusionOutput, ObjectiveTerms
from comodal.contracts.robustness import RobustnessRow
from comodal.contracts.specs import DatasetSpec, InputSpec, TokenSpec
from comodal.contracts.tables import ComparisonRow, PredictionTable

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
