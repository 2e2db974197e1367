"""A trained model that predicts new samples.

Axis legend: N samples, M modalities, K folds, D_m width of the representation of modality m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError, MultimodalBatch
from comodal.data.arrays import of_arrays
from comodal.data.dataset import Dataset
from comodal.data.load import read_inputs
from comodal.data.ragged import RaggedArray
from comodal.evaluation.fitted_part import FittedPart
from comodal.evaluation.predictions import Predictions
from comodal.evaluation.saved_model import SavedModel, find_model

__all__ = ["Predictor", "load_model", "predictor_of"]


class Predictor:
    """A model of one fold or several, whose mean is the prediction.

    :func:`comodal.fit` returns one, :func:`comodal.load_model` reads one from a folder.

    Args:
        parts: the model of each fold.
        features: modality to the name of its features in the source of training, where they were chosen.
        label: name of its label in the source of training, where it was chosen.

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.data_config import DataConfig
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.training.config import TrainingConfig
        >>> folder = tempfile.mkdtemp()
        >>> from comodal.training.config import RunConfig
        >>> short = RunConfig(training=TrainingConfig(max_epochs=1))
        >>> _ = train(DataConfig(source="synthetic:redundant"), short, out=folder)
        >>> model = load_model(folder)
        >>> dict(model.dims)
        {'text': 8, 'audio': 8, 'vision': 8}
        >>> model.predict({"text": np.zeros((2, 8))}).modalities.tolist()
        ['text', 'text']
    """

    def __init__(
        self, parts: Sequence[FittedPart], *, features: Mapping[str, str] | None = None, label: str | None = None
    ) -> None:
        self.parts = tuple(parts)
        self.features = dict(features or {})
        self.label = label
        self.spec = self.parts[0].spec

    @property
    def dims(self) -> dict[str, int]:
        """Return the features per frame of each modality, except a text that is read from transcripts."""
        return {name: len(mean) for name, mean in self.parts[0].standardizer.mean.items()}

    @property
    def reads_transcripts(self) -> bool:
        """Return whether its text is the word pieces of transcripts."""
        return self.spec.tokens is not None

    def read(
        self,
        source: str | Path,
        *,
        features: Mapping[str, str] | None = None,
        protocol: str | None = None,
        split: str | None = None,
    ) -> Dataset:
        """Read the samples of a source with :func:`comodal.data.load.read_inputs`.

        Features chosen for training are chosen here too, where the source has them by the same names.

        Raises:
            InputError: the source cannot be read.
        """
        return read_inputs(
            source,
            features=features,
            usual=self.features or None,
            protocol=protocol,
            split=split,
            label=self.label,
            task=self.spec.task if self.spec.task.classes else None,
        )

    def predict(
        self,
        data: Dataset | MultimodalBatch | Mapping[str, Any],
        *,
        id: ArrayLike | None = None,  # noqa: A002 - the name the column has everywhere
        transcript: Sequence[str] | None = None,
        clean: bool = False,
    ) -> Predictions:
        """Predict samples from features as they are in their file; they are standardised here.

        Args:
            data: a data set, a batch, or modality to ``(N, d)``, ``(N, T, d)`` or a list of N arrays ``(T_i, d)``. A
                modality that is missing is hidden; one that the model does not know is left out.
            id: ``(N,)`` ids of arrays.
            transcript: N texts that belong to arrays, for a language model.
            clean: replace features that are not finite by their mean over the training part; otherwise they are an
                error.

        Raises:
            InputError: features of another width, not finite, or none that the model knows; a model without a task.
        """
        if not self.spec.task.predicts:
            raise InputError(
                "this model was trained without a task and predicts nothing: take its representations, or fit a probe "
                "on them (comodal.probe)",
                code="unsupported",
            )
        dataset = _samples(data, id=id, transcript=transcript)
        fitting, notes = self._fitting(dataset, clean=clean)
        tables = [part.predict(fitting) for part in self.parts]
        folds = np.stack([table.prediction for table in tables], axis=1)
        present = self._present(fitting)
        scores = np.stack([table.critic_score for table in tables], axis=1).mean(axis=1)
        if not present.any(axis=1).all():
            count = int((~present.any(axis=1)).sum())
            notes.append(f"{count} samples have none of the modalities: their prediction means nothing")
        names = np.array(self.spec.modalities)
        task, mean = self.spec.task, folds.mean(axis=1)
        spread = folds.std(axis=1, ddof=1) if len(tables) > 1 else np.full_like(mean, np.nan)
        return Predictions(
            id=fitting.id,
            prediction=task.readable(task.decide(mean)),
            prediction_std=task.of_decided(spread, mean),
            critic_score=np.where(present.all(axis=1), scores, np.nan).astype(np.float32),
            target=dataset.spec.task.readable(dataset.target),
            modalities=np.array(["+".join(names[row]) for row in present]),
            folds=folds,
            probability=task.probabilities(mean),
            notes=tuple(notes),
        )

    def representations(
        self,
        data: Dataset | MultimodalBatch | Mapping[str, Any],
        *,
        transcript: Sequence[str] | None = None,
        fold: int = 0,
        clean: bool = False,
    ) -> dict[str, NDArray[np.float32]]:
        """Return modality to the representations ``(N, D_m)`` of samples, which the dependency measure compares.

        Args:
            data: as in :meth:`predict`, and so are ``transcript`` and ``clean``. A modality that is missing is hidden.
            transcript: N texts.
            fold: which model of several: each has representations of its own.
            clean: replace features that are not finite.

        Raises:
            InputError: as :meth:`predict`, or no such fold.
        """
        if not 0 <= fold < len(self.parts):
            raise InputError(f"fold {fold}: give 0 to {len(self.parts) - 1}", code="out_of_range")
        fitting, _ = self._fitting(_samples(data, transcript=transcript), clean=clean)
        return self.parts[fold].representations(fitting)

    def _fitting(self, dataset: Dataset, *, clean: bool) -> tuple[Dataset, list[str]]:
        """Return the data set with exactly the modalities of the model, and notes on what was changed."""
        where = dataset.spec.name
        notes: list[str] = []
        given = {name: array for name, array in dataset.modalities.items() if name in self.dims}
        if not given and not (self.reads_transcripts and dataset.transcript is not None):
            known = ", ".join(self.spec.modalities)
            raise InputError(
                f"{where}: has none of the modalities of the model ({known}); choose features (--features)",
                code="missing",
            )
        if extra := [name for name in dataset.modalities if name not in self.spec.modalities]:
            notes.append(f"{', '.join(extra)}: not known to the model, left out")
        if missing := [name for name in self.dims if name not in given]:
            notes.append(f"{', '.join(missing)}: not in {where}, hidden")
        modalities = {}
        for name, dim in self.dims.items():
            array = given.get(name, _absent(len(dataset), dim))
            if array.dim != dim:
                raise InputError(
                    f"{where}: {name} has shape (samples, frames, {array.dim}) where the model was trained on "
                    f"(samples, frames, {dim}); choose the features it was trained on ({self._choice()})",
                    code="wrong_shape",
                )
            modalities[name], count = _finite(array, self.parts[0].standardizer.mean[name])
            if count and not clean:
                raise InputError(
                    f"{where}: {count} values of {name} are NaN or infinite; clean them (--clean), which takes their "
                    "mean over the training part",
                    code="not_finite",
                )
            if count:
                notes.append(f"{count} values of {name} were not finite: mean of the training part")
        return replace(dataset, partitions=()).with_features(modalities), notes

    def _choice(self) -> str:
        """Return the option that chooses the features of training."""
        return f"--features {','.join(f'{name}={each}' for name, each in self.features.items())}".rstrip()

    def _present(self, dataset: Dataset) -> NDArray[np.bool_]:
        """Return ``(N, M)``, which modalities each sample has."""
        lengths = {name: array.lengths > 0 for name, array in dataset.modalities.items()}
        if self.reads_transcripts and dataset.transcript is not None:
            lengths["text"] = np.array([bool(str(each or "").strip()) for each in dataset.transcript.tolist()])
        return np.stack([lengths[name] for name in self.spec.modalities], axis=1)


def load_model(folder: str | Path, *, arm: str = "", seed: int | None = None) -> Predictor:
    """Load a trained model; the data it was trained on need not be present.

    Args:
        folder: what `comodal train`, `comodal compare` or `comodal export` wrote.
        arm: which of a comparison, for example ``"early/kl"``.
        seed: which run of that arm, its first when not given.

    Raises:
        InputError: no such folder, arm or seed, or damaged files.
    """
    return predictor_of(find_model(folder, arm=arm, seed=seed))


def predictor_of(saved: SavedModel) -> Predictor:
    """Load the model of every fold."""
    parts = [FittedPart.load(each, saved.task, name=str(saved.folder)) for each in saved.parts]
    return Predictor(parts, features=saved.data.get("features"), label=saved.data.get("label"))


def _samples(
    data: Dataset | MultimodalBatch | Mapping[str, Any],
    *,
    id: ArrayLike | None = None,  # noqa: A002
    transcript: Sequence[str] | None = None,
) -> Dataset:
    """Return the samples of a data set, a batch or arrays."""
    if isinstance(data, MultimodalBatch):
        id, data = data.id, _frames(data)  # noqa: A001
    return data if isinstance(data, Dataset) else of_arrays(data, id=id, transcript=transcript)


def _absent(count: int, dim: int) -> RaggedArray:
    return RaggedArray(np.zeros((0, dim), dtype=np.float32), np.zeros(count + 1, dtype=np.int64))


def _finite(array: RaggedArray, mean: NDArray[np.float64]) -> tuple[RaggedArray, int]:
    """Replace values that are not finite by the mean of their feature; also return their number."""
    known = np.isfinite(array.values)
    if known.all():
        return array, 0
    return array.with_values(np.where(known, array.values, mean).astype(np.float32)), int((~known).sum())


def _frames(batch: MultimodalBatch) -> dict[str, list[NDArray[Any]]]:
    """Return the real frames of a batch."""
    return {
        name: [values[mask].numpy(force=True) for values, mask in zip(*sequence, strict=True)]
        for name, sequence in batch.modalities.items()
    }
