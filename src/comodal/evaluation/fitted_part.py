"""The model of one fold, without the data that it was trained on.

Axis legend: N samples, D_m width of the representation of modality m.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from comodal.contracts import DatasetSpec, PredictionTable, Task
from comodal.data.arrays import of_arrays
from comodal.data.dataset import Dataset, Partition
from comodal.data.standardize import Standardizer
from comodal.dependency import DependencyPenalty
from comodal.evaluation.fitted import FittedFold, load_networks
from comodal.evaluation.saved_model import SavedPart
from comodal.fusion import fusion_family
from comodal.training.config import RunConfig
from comodal.training.data import inputs, prepare_with

__all__ = ["FittedPart"]


@dataclass(frozen=True)
class FittedPart:
    """The model of one fold, in evaluation mode, without data."""

    config: RunConfig
    spec: DatasetSpec  # what it takes
    standardizer: Standardizer  # statistics of its training part
    model: nn.Module
    penalty: DependencyPenalty | None

    @classmethod
    def load(cls, saved: SavedPart, task: Task, *, name: str) -> FittedPart:
        """Build the network of a configuration and its statistics, and load its weights."""
        standardizer = Standardizer.load(saved.standardizer)
        dims = {modality: len(mean) for modality, mean in standardizer.mean.items()}
        spec = inputs(_with_task(_one_sample(dims, name), task), saved.config).spec
        return cls(saved.config, spec, standardizer, *load_networks(spec, saved.config, saved.weights))

    def predict(self, dataset: Dataset) -> PredictionTable:
        """Return predictions for samples with the features of :attr:`standardizer`, not yet standardised."""
        return self._fitted(dataset).predict()

    def representations(self, dataset: Dataset) -> dict[str, NDArray[np.float32]]:
        """Return modality to ``(N, D_m)`` representations of such samples."""
        return self._fitted(dataset).representations()

    def _fitted(self, dataset: Dataset) -> FittedFold:
        """Return the model with these samples as its test part."""
        none = np.zeros(0, dtype=np.int64)
        whole = Partition("input", none, none, np.arange(len(dataset)))
        fold = prepare_with(_with_task(dataset, self.spec.task), whole, self.config, self.standardizer)
        family = fusion_family(self.config.fusion).model
        family.input_spec.require(fold.view.spec, fusion=family.__name__)
        return FittedFold(fold, self.config, self.model, self.penalty)


def _one_sample(dims: Mapping[str, int], name: str) -> Dataset:
    """Return one sample of these modalities, which gives the spec of a model that takes them."""
    return of_arrays({modality: np.zeros((1, dim)) for modality, dim in dims.items()}, transcript=["a"], name=name)


def _with_task(dataset: Dataset, task: Task) -> Dataset:
    return replace(dataset, spec=replace(dataset.spec, task=task))
