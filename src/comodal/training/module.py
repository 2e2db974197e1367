"""The LightningModule: one model, one optional penalty, trained in turn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from comodal.contracts import FusionOutput, MultimodalBatch
from comodal.dependency import DependencyPenalty, views_of
from comodal.objective import TASK_LOSSES, objective_terms
from comodal.training.augment import Augmentation
from comodal.training.config import RunConfig
from comodal.training.optim import build_optimizer, build_schedule
from comodal.training.streams import stream_seed

__all__ = ["FusionTraining"]


class FusionTraining(pl.LightningModule):
    """A fusion model with or without a dependency penalty, under Lightning's Trainer.

    One training step is K critic steps on detached representations, then one step of the model on the whole objective
    with the critic fixed; with accumulation the model steps on the mean gradient of several batches. PyTorch's global
    random stream is seeded for every batch from the run's seed and the batch's number alone, so dropout masks are the
    same with and without a penalty, and after a resume.

    Args:
        model: a fusion model; anything that maps a batch to a ``FusionOutput``.
        penalty: the dependency penalty, or ``None``.
        config: the run's configuration.
        batches: of an epoch.
        fresh_batches: position to batch, endlessly, used when the penalty asks for a new batch at every critic step.
        augment: what is done to training batches; nothing when ``None``.
    """

    def __init__(
        self,
        model: nn.Module,
        penalty: DependencyPenalty | None,
        config: RunConfig,
        *,
        batches: int,
        fresh_batches: Callable[[int], MultimodalBatch] | None = None,
        augment: Augmentation | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.penalty = penalty
        self.config = config
        self._fresh_batches = fresh_batches
        self._augment = augment or Augmentation()
        self._between = config.penalty.between
        self._parameters_to_clip = list(model.parameters())
        self._batches = batches
        self._position = 0

    def configure_optimizers(self) -> Any:
        """AdamW over the model and its schedule; the critic has its own optimiser inside the penalty."""
        simultaneous = self.penalty.parameter_groups() if self.penalty and self.config.penalty.critic_steps == 0 else []
        optimizer = build_optimizer(self.model, self.config.training, simultaneous)
        steps = math.ceil(self._batches / self.config.training.accumulate)
        schedule = build_schedule(optimizer, self.config.training, steps * self.config.training.max_epochs)
        return optimizer if schedule is None else ([optimizer], [{"scheduler": schedule, "interval": "step"}])

    def transfer_batch_to_device(
        self, batch: MultimodalBatch, device: torch.device, dataloader_idx: int
    ) -> MultimodalBatch:
        """A batch knows how to move itself; Lightning's general search through collections costs more on a CPU."""
        del dataloader_idx
        return batch if batch.target.device == device else batch.to(device)

    def training_step(self, batch: MultimodalBatch, batch_idx: int) -> None:
        """K critic steps, then the gradient of one batch, and a model step when enough of them are gathered."""
        options = self.config.training
        self._position = self.current_epoch * self._batches + batch_idx
        batch = self._augment(batch, purpose="augment", position=self._position)
        first = batch_idx - batch_idx % options.accumulate
        gathered = min(options.accumulate, self._batches - first)
        _seed_device(self.device, stream_seed(self.config.seed, "dropout", self._position))
        output: FusionOutput = self.model(batch)
        penalties = {} if self.penalty is None else {"dependency": self._penalize(self.penalty, output)}
        terms = objective_terms(output, batch.target, task_loss=options.task_loss, penalties=penalties)
        optimizer = cast("LightningOptimizer", self.optimizers())
        if batch_idx == first:
            optimizer.zero_grad()
        self.manual_backward(terms.total / gathered if gathered > 1 else terms.total)
        if batch_idx + 1 == first + gathered:
            self._step(optimizer)
        self._record("train_task", terms.task, len(batch))
        for name, value in terms.penalties.items():
            self._record(f"train_{name}", value, len(batch))

    def _step(self, optimizer: LightningOptimizer) -> None:
        if self.config.training.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self._parameters_to_clip, self.config.training.gradient_clip)
        optimizer.step()
        schedule = self.lr_schedulers()
        if schedule is not None:
            cast("torch.optim.lr_scheduler.LambdaLR", schedule).step()

    def validation_step(self, batch: MultimodalBatch, batch_idx: int) -> None:
        """Accumulate the task loss of the validation part, a mean over utterances rather than over batches."""
        del batch_idx
        loss = TASK_LOSSES[self.config.training.task_loss](self.model(batch).logits.squeeze(1), batch.target)
        self._record("valid_loss", loss, len(batch))

    def on_train_epoch_start(self) -> None:
        """Empty the running means."""
        self._sums: dict[str, tuple[Tensor | float, int]] = {}

    def on_validation_epoch_start(self) -> None:
        """Empty the running mean of the validation loss."""
        if not hasattr(self, "_sums"):
            self._sums = {}
        self._sums.pop("valid_loss", None)

    def on_validation_epoch_end(self) -> None:
        """Hand the epoch's means to Lightning: loggers, early stopping and model selection read them there."""
        self.log_dict(
            {name: torch.as_tensor(total / count) for name, (total, count) in self._sums.items()}, sync_dist=True
        )

    def _penalize(self, penalty: DependencyPenalty, output: FusionOutput) -> Tensor:
        views = views_of(output, between=self._between)
        if self.config.penalty.fresh_batches:
            penalty.update_critic(self._fresh_views())
        else:
            penalty.update_critic(views)
        value: Tensor = penalty(views)
        return value

    def _fresh_views(self) -> Iterator[Mapping[str, Tensor]]:
        """Representations of new batches, the same after a resume; dropout's stream starts anew with the next step."""
        if self._fresh_batches is None:
            return
        for position in itertools.count(self._position * self.config.penalty.critic_steps):
            batch = self._fresh_batches(position).to(self.device)
            batch = self._augment(batch, purpose="critic augment", position=position)
            with torch.no_grad():
                output = self.model(batch)
            yield views_of(output, between=self._between)

    def _record(self, name: str, value: Tensor, count: int) -> None:
        total, seen = self._sums.get(name, (0.0, 0))
        self._sums[name] = (total + value.detach() * count, seen + count)

    def release(self) -> None:
        """Forget the model and the penalty, which outlive their training."""
        del self.model
        self.penalty = None
        self._parameters_to_clip = []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the configuration beside the weights, so that a checkpoint of another run is refused."""
        checkpoint["comodal_config"] = self.config.to_dict()


def _seed_device(device: torch.device, seed: int) -> None:
    """Seed the stream that dropout on a device draws from.

    ``torch.manual_seed`` also visits every accelerator that is not there, which takes longer than a small model's step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
