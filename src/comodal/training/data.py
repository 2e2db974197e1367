"""One partition of a data set, standardised and ready for training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from comodal.contracts import InputError, MultimodalBatch, Task
from comodal.data.collate import TensorView
from comodal.data.dataset import Dataset, Partition
from comodal.data.loader import CycledSampler, EpochSampler, loader, ordered
from comodal.data.standardize import Standardizer
from comodal.data.tokenize import with_tokens
from comodal.fusion import fusion_family
from comodal.objective import TaskLoss
from comodal.training.config import RunConfig
from comodal.training.streams import stream_seed
from comodal.training.training_rows import TrainingRows

__all__ = ["FoldData", "inputs", "prepare", "prepare_with"]

EVALUATION_BATCH = 1024
Batches = EpochSampler | CycledSampler


@dataclass(frozen=True)
class FoldData:
    """A partition's tensors, standardised with statistics of its training part.

    Attributes:
        view: every sample of the data set as tensors; only the rows of ``partition`` are read.
        partition: which rows train, validate and test.
        standardizer: the statistics, for prediction on new data.
        groups: ``(N,)`` the group of each sample.
    """

    view: TensorView
    partition: Partition
    standardizer: Standardizer
    groups: NDArray[Any]

    @property
    def task(self) -> Task:
        """Return what is predicted."""
        return self.view.spec.task

    def rows(self, config: RunConfig) -> TrainingRows:
        """Return the labelled and the unlabelled rows of the training part that a run uses."""
        target = self.view.target.numpy()
        return TrainingRows.of(self.partition, config, group=self.groups, target=target, task=self.task)

    def samplers(self, config: RunConfig, *, processes: int = 1) -> tuple[Batches, Batches | None]:
        """Return the labelled batches of an epoch, and as many without labels where there are any.

        An epoch is a pass over the larger of the two; the rows of the smaller one come again. The order depends on
        seed, purpose and epoch alone, and every one of several processes has a sample of each batch.

        Raises:
            InputError: a batch has fewer samples than there are processes.
        """
        rows = self.rows(config)
        labelled = self._sampler(rows.labelled, config, "batches", processes)
        if len(rows.unlabelled) < max(2, len(self.view.spec.modalities)):
            return labelled, None
        unlabelled = self._sampler(rows.unlabelled, config, "unlabelled batches", processes)
        steps = max(len(labelled), len(unlabelled))
        return CycledSampler(labelled, steps=steps), CycledSampler(unlabelled, steps=steps)

    def _sampler(self, rows: NDArray[np.int64], config: RunConfig, purpose: str, processes: int) -> EpochSampler:
        lengths = self.view.lengths if config.training.length_pool else None
        found = train_sampler(rows, config, len(self.view.spec.modalities), purpose=purpose, lengths=lengths)
        if found.shortest < processes:
            raise InputError(
                f"{self.view.spec.name}, {self.partition.name}: {len(rows)} training samples in {purpose} of "
                f"{config.training.batch_size} leave one of {found.shortest} for {processes} processes; give another "
                f"training.batch_size, or at most {found.shortest} processes",
                code="out_of_range",
            )
        return found

    def task_loss(self, config: RunConfig) -> TaskLoss:
        """Return the loss of a run, its class weights from the labels of the training part.

        Raises:
            InputError: a loss that does not fit the task, or class weights or smoothing for a regression.
        """
        options, task = config.training, self.task
        name = task.require_loss(options.task_loss)
        if not task.classes and (options.class_weight != "none" or options.label_smoothing):
            raise InputError(
                f"training.class_weight and training.label_smoothing are for classes; {self.view.spec.name} is a "
                f"{task.kind}: leave them out",
                code="conflict",
            )
        weight = None
        if options.class_weight == "balanced":
            weight = torch.from_numpy(task.balance(self.view.target.numpy()[self.rows(config).labelled]))
        return TaskLoss(name, weight, options.label_smoothing)

    def valid_loader(self) -> DataLoader[MultimodalBatch]:
        """Return the validation part in order."""
        return loader(self.view, ordered(self.partition.valid, batch_size=EVALUATION_BATCH))

    def fresh_batches(self, config: RunConfig, *, processes: int = 1) -> Callable[[int], MultimodalBatch]:
        """Return endless training batches in another random order, for the critic, as a function of their number."""
        rows = self.rows(config)
        every = np.concatenate([rows.labelled, rows.unlabelled])
        sampler = functools.cache(lambda: self._sampler(every, config, "critic batches", processes))
        batches_of = functools.lru_cache(maxsize=1)(lambda epoch: sampler().batches(epoch))

        def fresh(position: int) -> MultimodalBatch:
            epoch, number = divmod(position, len(sampler()))
            return self.view[batches_of(epoch)[number]]

        return fresh


def inputs(dataset: Dataset, config: RunConfig) -> Dataset:
    """Return a data set as the architecture of a run reads it: for a language model, with word pieces as text."""
    family = fusion_family(config.fusion)
    if family.tokenizer is None:
        return dataset
    options = config.build_fusion_config()
    return with_tokens(dataset, family.tokenizer(options), max_length=options.max_length)


def prepare(dataset: Dataset, partition: Partition, config: RunConfig | None = None, *, modality: str = "") -> FoldData:
    """Standardise a data set with the statistics of a partition's training part.

    Args:
        dataset: all samples.
        partition: which of them train, validate and test.
        config: the run, whose architecture says how text is read; as features when ``None``.
        modality: the only modality that is kept; all when empty. A language model's is ``text``.

    Example:
        >>> from comodal.data.load import load
        >>> dataset = load("synthetic")
        >>> prepare(dataset, dataset.partitions[0]).view.spec.modalities
        ('text', 'audio', 'vision')
    """
    config = config or RunConfig()
    features = _features(dataset, config, modality)
    return _prepared(
        features, partition, config, Standardizer.fit(features, np.concatenate([partition.train, partition.unlabelled]))
    )


def prepare_with(
    dataset: Dataset, partition: Partition, config: RunConfig, standardizer: Standardizer, *, modality: str = ""
) -> FoldData:
    """Return the same with known statistics, those of a finished run."""
    return _prepared(_features(dataset, config, modality), partition, config, standardizer)


def _features(dataset: Dataset, config: RunConfig, modality: str) -> Dataset:
    """Return what is standardised: the modalities kept, except the text of a model that reads transcripts."""
    if fusion_family(config.fusion).tokenizer is None:
        return dataset.select_modalities([modality]) if modality else dataset
    return dataset.with_features(
        {name: array for name, array in dataset.modalities.items() if name != "text" and modality in {"", name}}
    )


def _prepared(features: Dataset, partition: Partition, config: RunConfig, standardizer: Standardizer) -> FoldData:
    if fusion_family(config.fusion).tokenizer is None:
        view = TensorView(features, standardizer)
    else:
        # Before frames are aligned to pieces: the zero frames of special tokens are no observations.
        view = TensorView(inputs(standardizer.transform(features), config))
    return FoldData(view, partition, standardizer, features.group)


def train_sampler(
    rows: NDArray[np.int64],
    config: RunConfig,
    modalities: int,
    *,
    purpose: str = "batches",
    lengths: NDArray[np.int64] | None = None,
) -> EpochSampler:
    """Return training batches of at least as many samples as modalities; fewer have no broken pairing."""
    return EpochSampler(
        rows,
        batch_size=config.training.batch_size,
        seed=stream_seed(config.seed, purpose),
        minimum=max(2, modalities),
        lengths=None if lengths is None else lengths[rows],
        pool=max(1, config.training.length_pool),
    )
