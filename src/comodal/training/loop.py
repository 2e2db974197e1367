"""The training loop: batch, critic steps, objective, model step; validation, best weights, checkpoint."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from comodal.contracts import FusionOutput, MultimodalBatch, ObjectiveTerms
from comodal.dependency import Batch, DependencyPenalty, views_of, views_with_gaps
from comodal.objective import objective_terms
from comodal.training.augment import Augmentation
from comodal.training.checkpoint import save_checkpoint
from comodal.training.config import RunConfig
from comodal.training.data import FoldData
from comodal.training.devices import share_of
from comodal.training.optim import build_optimizer, build_schedule
from comodal.training.streams import stream_seed
from comodal.training.termination import TERMINATED
from comodal.training.validation import dependency_losses, task_losses
from comodal.training.weights import copy_weights

__all__ = ["LoopState", "TrainingLoop"]

_DEPENDENCY = "dependency"


@dataclass
class LoopState:
    """How far a run is; with the weights and the state of the optimisers, all that a checkpoint holds.

    Attributes:
        epoch: the epoch to train next or to go on with, from 0.
        batch: the batch of that epoch to train next.
        sums: name to sum of a loss over this process's samples of the epoch so far, and their number.
        history: the means of every finished epoch.
        best_loss: the lowest validation loss.
        best_epoch: its epoch, -1 before the first finite loss.
        best_weights: weights of the model and the critic there, kept in memory: a file per epoch would take as long
            as the training of a small model.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)


class TrainingLoop:
    """Train a fusion model, with or without a dependency penalty, until validation stops improving.

    One step is K critic steps on detached representations, then a step of the model on the whole objective with the
    critic fixed; with accumulation the model steps on the mean gradient of several batches. PyTorch's global random
    stream is seeded per batch, from the run's seed and the batch's number alone: dropout masks are the same with and
    without a penalty, and after a resume.

    Several processes train the model of one: each computes its share of every global batch, the penalty gathers the
    representations of all, and gradients are averaged. A model's own terms are averaged over the processes, which
    differs from one process where such a term is no mean over samples. Dropout masks differ between processes.

    Args:
        model: a fusion model; anything that maps a batch to a ``FusionOutput``.
        penalty: the dependency penalty, or ``None``.
        fold: training and validation samples.
        config: the run.
        accelerator: device, precision and processes.
        folder: where checkpoints go, ``None`` for none.
    """

    def __init__(
        self,
        model: nn.Module,
        penalty: DependencyPenalty | None,
        fold: FoldData,
        config: RunConfig,
        *,
        accelerator: Accelerator,
        folder: Path | None = None,
    ) -> None:
        options = config.training
        self.config, self.accelerator, self.folder, self.fold = config, accelerator, folder, fold
        self.sampler, self.unlabelled = fold.samplers(config, processes=accelerator.num_processes)
        self.loss, self.augment = fold.task_loss(config), Augmentation.of(fold.view.spec, config)
        self.fresh_batches = fold.fresh_batches(config, processes=accelerator.num_processes)
        self.has_gaps = fold.view.has_gaps or bool(self.augment.corruptions)
        self.model = model.to(accelerator.device)
        self.penalty = None if penalty is None else penalty.to(accelerator.device)
        optimizer = build_optimizer(model, options, penalty.parameter_groups() if penalty else None)
        steps = math.ceil(len(self.sampler) / options.accumulate)
        self.schedule = build_schedule(optimizer, options, steps * options.max_epochs)
        # Accelerate's wrappers cost a small model as much as its step: only where they do something.
        self.optimizer = optimizer if accelerator.scaler is None else accelerator.prepare_optimizer(optimizer)
        self.parallel = model if accelerator.num_processes == 1 else accelerator.prepare_model(model)
        self.state = LoopState()

    def run(self, *, terminated: Callable[[], bool], on_batch: Callable[[LoopState], None]) -> None:
        """Train from the current state to the end; once ``terminated``, write a checkpoint and exit with 143."""
        for entry in self.state.history:  # of a resumed run
            self.accelerator.log(entry, step=int(entry["epoch"]))
        while not self._finished():
            self._train_epoch(terminated, on_batch)
            self._validate()
            self._end_epoch()
            self._save()

    def _finished(self) -> bool:
        """Whether all epochs are trained, the loss is not finite, or none of the last ``patience`` was the best."""
        state, options = self.state, self.config.training
        if state.epoch == 0:
            return False
        waited = state.epoch - 1 - state.best_epoch
        diverged = not math.isfinite(state.history[-1]["valid_loss"])
        return state.epoch >= options.max_epochs or waited >= options.patience or diverged

    def _train_epoch(self, terminated: Callable[[], bool], on_batch: Callable[[LoopState], None]) -> None:
        state = self.state
        self._set_mode(training=True)
        batches = self.sampler.batches(state.epoch)
        more = self.unlabelled.batches(state.epoch) if self.unlabelled and self.penalty else None
        while state.batch < len(batches):
            with self.accelerator.autocast():
                rows = [batches[state.batch], *([more[state.batch]] if more else [])]
                stepped = self._train_batch([self.fold.view[each] for each in rows], state.batch, len(batches))
            state.batch += 1
            on_batch(state)
            if stepped and self._anywhere(terminated()):
                self._save()
                raise SystemExit(TERMINATED)

    def _train_batch(self, given: Sequence[MultimodalBatch], number: int, batches: int) -> bool:
        """Critic steps, then the gradient of one batch; return whether the model stepped on those gathered.

        Of the batches given, the first has labels; the penalty alone sees a second one, without labels.
        """
        options, accelerator = self.config.training, self.accelerator
        position = self.state.epoch * batches + number
        first = number - number % options.accumulate
        gathered = min(options.accumulate, batches - first)
        last = number + 1 == first + gathered

        whole, *unlabelled = (
            self.augment(batch, purpose=purpose, position=position)
            for batch, purpose in zip(given, ("augment", "unlabelled augment"), strict=False)
        )
        own = self._share(whole)
        self._seed_dropout(position)
        with contextlib.nullcontext() if last else accelerator.no_sync(self.parallel):
            output: FusionOutput = self.parallel(own)
            outputs = [output, *(self.parallel(self._share(each)) for each in unlabelled)]
            seen = zip(outputs, (whole, *unlabelled), strict=True)
            penalties = {} if self.penalty is None else {_DEPENDENCY: self._penalise(self.penalty, seen, position)}
            terms = objective_terms(output, own.target, loss=self.loss, penalties=penalties)
            total = self._weighted(terms, len(own) * accelerator.num_processes / len(whole)).total
            accelerator.backward(total / gathered if gathered > 1 else total)
        for name, value in {"task": terms.task, **terms.penalties}.items():
            self._add(f"train_{name}", value.detach() * len(own), len(own))
        if last:
            self._step()
        return last

    def _step(self) -> None:
        limit = self.config.training.gradient_clip
        if limit > 0:
            self.accelerator.clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.schedule is not None:
            self.schedule.step()

    def _views(self, output: FusionOutput, whole: MultimodalBatch) -> Batch:
        """Return what the penalty measures, with a mask where samples may lack a modality; it stays on the CPU."""
        between = self.config.penalty.between
        if not self.has_gaps:
            return views_of(output, between=between)
        own = share_of(whole, self.accelerator.process_index, self.accelerator.num_processes)
        return views_with_gaps(output, own, between=between)

    def _penalise(self, penalty: DependencyPenalty, seen: Iterable[Any], position: int) -> Tensor:
        """Train the critic and return the penalty's term of the objective."""
        views = [self._views(*each) for each in seen]
        penalty.update_critic(self._fresh_views(position) if penalty.fresh_batches else views)
        return cast("Tensor", penalty(views))

    def _fresh_views(self, position: int) -> Iterator[Batch]:
        """Yield representations of new batches, the same after a resume; the next step seeds dropout anew."""
        for number in itertools.count(position * self.config.penalty.critic_steps):
            batch = self.augment(self.fresh_batches(number), purpose="critic augment", position=number)
            with torch.no_grad():
                output = self.model(self._share(batch))
            yield self._views(output, batch)

    @torch.inference_mode()
    def _validate(self) -> None:
        """Record the loss of the validation part, a mean over samples rather than over batches."""
        self._set_mode(training=False)
        whole = self.fold.valid_loader()
        with self.accelerator.autocast():
            if self.fold.task.predicts or self.penalty is None:
                found = task_losses(self.model, filter(len, map(self._share, whole)), self.loss)
            else:  # of all samples in every process: a dependency is no mean over samples
                every = (batch.to(self.accelerator.device) for batch in whole)
                found = dependency_losses(self.model, every, self.penalty, between=self.config.penalty.between)
            for value, count in found:
                self._add("valid_loss", value * count, count)

    def _end_epoch(self) -> None:
        """Log the epoch and keep the weights when it is the best so far."""
        state = self.state
        means = {name: float(total / count) for name, (total, count) in self._totals().items()}
        state.history.append({"epoch": float(state.epoch), **means})
        self.accelerator.log(state.history[-1], step=state.epoch)
        loss = means["valid_loss"]
        if loss < state.best_loss:
            state.best_loss, state.best_epoch = loss, state.epoch
            state.best_weights = copy_weights(self.model, self.penalty)
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}

    def _add(self, name: str, total: Tensor, count: int) -> None:
        """Count a sum over samples in the means of the epoch."""
        before, seen = self.state.sums.get(name, (0.0, 0))
        self.state.sums[name] = (before + total, seen + count)

    def _totals(self) -> dict[str, tuple[Tensor, int]]:
        """Return the sums of all processes."""
        if self.accelerator.num_processes == 1:
            return self.state.sums
        zero = torch.zeros((), device=self.accelerator.device)
        totals = {}
        for name in dict.fromkeys([*self.state.sums, "valid_loss"]):  # a process may have had no validation sample
            total, seen = self.state.sums.get(name, (zero, 0))
            both = self.accelerator.reduce(torch.stack([total.double(), torch.tensor(seen).to(total).double()]))
            totals[name] = (both[0], int(both[1]))
        return totals

    def _save(self) -> None:
        """Write a checkpoint from the first process, with the sums of every process."""
        if self.folder is None:
            return
        sums = [self.state.sums] if self.accelerator.num_processes == 1 else gather_object([self.state.sums])
        if not self.accelerator.is_main_process:
            return
        content = {name: part.state_dict() for name, part in self._parts().items()}
        save_checkpoint(self.folder, self.config, {**content, "state": {**vars(self.state), "sums": sums}})

    def restore(self, content: Mapping[str, Any]) -> None:
        """Go on from the content of a checkpoint."""
        for name, part in self._parts().items():
            part.load_state_dict(content[name])
        self.state = LoopState(**{**content["state"], "sums": {}})
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        for sums in content["state"]["sums"][process::processes]:  # its own, unless the number of processes differs
            for name, (total, count) in sums.items():
                self._add(name, total.to(self.accelerator.device), count)

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "penalty": self.penalty, "optimizer": self.optimizer, "schedule": self.schedule}
        return {name: part for name, part in parts.items() if part is not None}

    def _share(self, batch: MultimodalBatch) -> MultimodalBatch:
        """Return this process's samples of a batch, on its device."""
        own = share_of(batch, self.accelerator.process_index, self.accelerator.num_processes)
        return own if own.target.device == self.accelerator.device else own.to(self.accelerator.device)

    def _weighted(self, terms: ObjectiveTerms, weight: float) -> ObjectiveTerms:
        """Weight means over this process's samples so that their mean over processes is that over the batch."""
        if weight == 1:
            return terms
        own = {name: term * (1 if name == _DEPENDENCY else weight) for name, term in terms.penalties.items()}
        return ObjectiveTerms(terms.task * weight, own)

    def _seed_dropout(self, position: int) -> None:
        """Seed the random stream of this device; not ``torch.manual_seed``, which visits every kind of device."""
        process = self.accelerator.process_index
        seed = stream_seed(self.config.seed, "dropout", position, *([process] if process else []))
        torch.default_generator.manual_seed(seed)
        if self.accelerator.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _anywhere(self, here: bool) -> bool:
        """Return whether something is so in any process, the same answer in all of them."""
        if self.accelerator.num_processes == 1:
            return here
        return bool(self.accelerator.reduce(torch.tensor(float(here), device=self.accelerator.device)) > 0)

    def _set_mode(self, *, training: bool) -> None:
        for part in (self.parallel, self.penalty):
            if part is not None:
                part.train(training)
