"""Callbacks: keep the best weights, keep the history, stop when nothing improves."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from comodal.training.module import FusionTraining
from comodal.training.weights import copy_weights

__all__ = ["BestWeights", "Patience"]


class BestWeights(pl.Callback):
    """Remember the weights of the epoch with the lowest validation loss.

    They stay in memory, because a run of a small model lasts a second and a file an epoch would cost as much; they are
    part of the checkpoint, so a resumed run keeps them.

    Attributes:
        loss: the lowest validation loss so far.
        epoch: the epoch it was reached in, from 0; -1 before the first.
        weights: the model's and the critic's weights there.
        history: per epoch, the numbers that were logged.
    """

    def __init__(self) -> None:
        self.loss = float("inf")
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare this epoch with the best so far."""
        if trainer.sanity_checking or not isinstance(pl_module, FusionTraining):
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.history.append({"epoch": float(trainer.current_epoch), **metrics})
        if metrics["valid_loss"] < self.loss:
            self.loss = metrics["valid_loss"]
            self.epoch = trainer.current_epoch
            self.weights = copy_weights(pl_module.model, pl_module.penalty)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what a checkpoint kept."""
        self.loss = float(state_dict["loss"])
        self.epoch = int(state_dict["epoch"])
        self.weights = {name: torch.as_tensor(value) for name, value in state_dict["weights"].items()}
        self.history = list(state_dict["history"])


class Patience(EarlyStopping):
    """Early stopping that a resumed run remembers: one that had stopped trains no further epoch."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once where the checkpoint was written by the epoch that ended the run."""
        del pl_module
        trainer.should_stop = trainer.should_stop or self.stopped_epoch > 0
