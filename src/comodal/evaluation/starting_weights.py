"""The weights of a trained model that the encoders of new runs start from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from comodal.contracts import InputError
from comodal.data.dataset import Dataset
from comodal.evaluation.predictor import Predictor, load_model
from comodal.training.build import build_model
from comodal.training.config import RunConfig
from comodal.training.data import inputs
from comodal.training.weights import copy_weights, start_encoders

__all__ = ["Weights", "digest_of", "starting_weights"]

Weights = Mapping[str, Tensor]


def starting_weights(start: Predictor | str | Path | None, dataset: Dataset, config: RunConfig) -> list[Weights | None]:
    """Return the weights that the run on each partition starts from: of its own fold, or of the only one.

    Raises:
        InputError: a model of other modalities or widths, of other encoders, or of another number of folds.
    """
    count = len(dataset.partitions)
    if start is None:
        return [None] * count
    model = start if isinstance(start, Predictor) else load_model(start)
    if len(model.parts) not in {1, count}:
        raise InputError(
            f"start has {len(model.parts)} folds, {dataset.spec.name} has {count}: give a model of as many, or of one",
            code="mismatch",
        )
    spec = inputs(dataset, config).spec
    for name, width in spec.feature_dims.items():
        if model.dims.get(name) != width:
            has = f"takes {model.dims[name]}" if name in model.dims else f"has {', '.join(model.spec.modalities)} only"
            raise InputError(
                f"start: {dataset.spec.name} has {width} features of {name}, and the model {has}; give a model of the "
                "same modalities",
                code="mismatch",
            )
    found: list[Weights | None] = [copy_weights(part.model, None) for part in model.parts]
    start_encoders(build_model(spec, config), found[0] or {})
    return found * (count // len(found))


def digest_of(weights: Sequence[Weights | None]) -> str:
    """Return a digest of starting weights, which belong to what a run is."""
    found = hashlib.blake2b(digest_size=16)
    for each in weights:
        for name, value in (each or {}).items():
            found.update(name.encode())
            found.update(value.cpu().numpy().tobytes())
    return found.hexdigest()
