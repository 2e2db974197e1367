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

from comodal.contracts import InputError, MultimodalBatch
from comodal.data.collate import TensorView
from comodal.data.dataset import Dataset, Partition
from comodal.data.loader import EpochSampler, loader, ordered
from comodal.data.standardize import Standardizer
from comodal.data.tokenize import with_tokens
from comodal.fusion import fusion_family
from comodal.objective import TaskLoss
from comodal.training.config import RunConfig
from comodal.training.streams import stream_seed

__all__ = ["FoldData", "inputs", "prepare", "prepare_with"]

EVALUATION_BATCH = 1024


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

    def train_sampler(self, config: RunConfig, *, purpose: str = "batches", processes: int = 1) -> EpochSampler:
        """Return the rows of the training batches; their order depends on seed, purpose and epoch alone."""
        lengths = self.view.lengths if config.training.length_pool else None
        fewest = max(len(self.view.spec.modalities), processes)
        return train_sampler(self.partition, self.groups, config, fewest, purpose=purpose, lengths=lengths)

    def task_loss(self, config: RunConfig) -> TaskLoss:
        """Return the loss of a run, its class weights from the labels of the training part.

        Raises:
            InputError: a loss that does not fit the task, or class weights or smoothing for a regression.
        """
        options, task = config.training, self.view.spec.task
        name = task.require_loss(options.task_loss)
        if not task.classes and (options.class_weight != "none" or options.label_smoothing):
            raise InputError(
                f"training.class_weight and training.label_smoothing are for classes; {self.view.spec.name} is a "
                f"{task.kind}: leave them out",
                code="conflict",
            )
        weight = None
        if options.class_weight == "balanced":
            weight = torch.from_numpy(task.balance(self.view.target.numpy()[self.partition.train]))
        return TaskLoss(name, weight, options.label_smoothing)

    def valid_loader(self) -> DataLoader[MultimodalBatch]:
        """Return the validation part in order."""
        return loader(self.view, ordered(self.partition.valid, batch_size=EVALUATION_BATCH))

    def fresh_batches(self, config: RunConfig, *, processes: int = 1) -> Callable[[int], MultimodalBatch]:
        """Return endless training batches in another random order, for the critic, as a function of their number."""
        sampler = self.train_sampler(config, purpose="critic batches", processes=processes)
        batches_of = functools.lru_cache(maxsize=1)(sampler.batches)

        def fresh(position: int) -> MultimodalBatch:
            epoch, number = divmod(position, len(sampler))
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
    return _prepared(features, partition, config, Standardizer.fit(features, partition.train))


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
    partition: Partition,
    groups: NDArray[Any],
    config: RunConfig,
    modalities: int,
    *,
    purpose: str = "batches",
    lengths: NDArray[np.int64] | None = None,
) -> EpochSampler:
    """Return training batches of at least as many samples as modalities; fewer have no broken pairing."""
    rows = training_rows(partition.train, groups, config)
    return EpochSampler(
        rows,
        batch_size=config.training.batch_size,
        seed=stream_seed(config.seed, purpose),
        minimum=max(2, modalities),
        lengths=None if lengths is None else lengths[rows],
        pool=max(1, config.training.length_pool),
    )


def training_rows(rows: NDArray[np.int64], groups: NDArray[Any], config: RunConfig) -> NDArray[np.int64]:
    """Return the share of the training rows that a config asks for: whole groups, drawn by the run's seed."""
    share = config.training.train_share
    if share == 1.0:
        return rows
    names = np.unique(groups[rows])
    kept = round(share * len(names))
    if kept == 0:
        raise InputError(
            f"training.train_share {share:g} of {len(names)} groups keeps none: give a larger share",
            code="out_of_range",
        )
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(stream_seed(config.seed, "share")))
    return rows[np.isin(groups[rows], names[order[:kept].numpy()])]
