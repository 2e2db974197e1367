"""Corruptions of the training batches, so that a model learns to predict from incomplete inputs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from comodal.contracts import DatasetSpec, MultimodalBatch, TokenSpec
from comodal.data.corruptions import Corruption, corrupt, parse_corruption
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.streams import stream_seed

__all__ = ["Augmentation", "of_one_modality"]


@dataclass(frozen=True)
class Augmentation:
    """Corruptions of every training batch; validation and test stay clean.

    Randomness is a pure function of the run's seed, the purpose of the batch and its position among all batches of the
    run: the same in runs with and without a penalty, and after a resume.

    Attributes:
        corruptions: in the order they are applied.
        tokens: how to read a text of word pieces.
        seed: of the run.
    """

    corruptions: tuple[Corruption, ...] = ()
    tokens: TokenSpec | None = None
    seed: int = 0

    @classmethod
    def of(cls, spec: DatasetSpec, config: RunConfig) -> Augmentation:
        """Return the augmentation of a run."""
        corruptions = tuple(parse_corruption(text) for text in config.training.augment)
        for corruption in corruptions:
            corruption.require(spec)
        return cls(corruptions, spec.tokens, config.seed)

    def __call__(self, batch: MultimodalBatch, *, purpose: str, position: int) -> MultimodalBatch:
        """Return the corrupted batch: ``position`` counts batches of the run, ``purpose`` names the stream."""
        if not self.corruptions:
            return batch
        generator = torch.Generator().manual_seed(stream_seed(self.seed, purpose, position))
        return corrupt(batch, self.corruptions, generator, tokens=self.tokens)


def of_one_modality(training: TrainingConfig, modality: str) -> TrainingConfig:
    """Return the optimisation of a model of one modality, without the corruptions of the others."""
    own = tuple(text for text in training.augment if parse_corruption(text).modality == modality)
    return dataclasses.replace(training, augment=own)
