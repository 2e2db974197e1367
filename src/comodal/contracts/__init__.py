"""The nouns every stage exchanges. This room imports nothing of the rest of the package."""

from comodal.contracts.batch import ModalitySequence, MultimodalBatch
from comodal.contracts.errors import InputError
from comodal.contracts.outputs import DependencyEstimate, FusionOutput, ObjectiveTerms
from comodal.contracts.specs import DatasetSpec, InputSpec, TokenSpec
from comodal.contracts.tables import ComparisonRow, PredictionTable

__all__ = [
    "ComparisonRow",
    "DatasetSpec",
    "DependencyEstimate",
    "FusionOutput",
    "InputError",
    "InputSpec",
    "ModalitySequence",
    "MultimodalBatch",
    "ObjectiveTerms",
    "PredictionTable",
    "TokenSpec",
]
