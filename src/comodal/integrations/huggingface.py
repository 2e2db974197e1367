"""A dependency penalty between layers of a model that a Hugging Face ``Trainer`` trains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from comodal.atomic_write import write_atomic
from comodal.dependency.attach import AttachedPenalty, Pool, attach
from comodal.dependency.measure import Measure
from comodal.integrations.instance_method import wrap_method

__all__ = ["TrainerPenalty", "attach_to_trainer"]

_log = logging.getLogger(__name__)


class TrainerPenalty(TrainerCallback):
    """The penalty of a ``Trainer``, which :func:`attach_to_trainer` makes and adds to it.

    Attributes:
        penalty: the :class:`~comodal.dependency.attach.AttachedPenalty`, ``None`` before ``train``.
    """

    penalty: AttachedPenalty | None

    def __init__(
        self,
        trainer: Trainer,
        layers: Mapping[str, str],
        *,
        name: str,
        mask: Callable[[Mapping[str, Any]], Mapping[str, Tensor]] | None,
        options: Mapping[str, Any],
    ) -> None:
        self.name = name
        self.penalty = None
        self._trainer, self._layers, self._mask, self._options = trainer, layers, mask, options
        self._checkpoint: Path | None = None
        self._logged = _Means()
        wrap_method(trainer, "train", self._train)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: nn.Module | None = None, **_: Any) -> None:  # noqa: ARG002
        """Attach the penalty, and restore it when training resumes."""
        assert model is not None  # noqa: S101 - Trainer gives it
        self._detach()
        self.penalty = attach(model, self._layers, **self._options)
        if self._checkpoint is None:
            return
        path = self._checkpoint / self._file
        if path.exists():
            self.penalty.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        else:
            _log.warning("%s is not there, so the critic of the penalty starts anew", path)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write the penalty's state into the checkpoint that was just made."""
        folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        if self.penalty is None or args.save_only_model or not (args.should_save and folder.is_dir()):
            return
        state = self.penalty.state_dict()
        write_atomic(folder / self._file, lambda partial: torch.save(state, partial))

    @property
    def _file(self) -> str:
        return f"dependency_{self.name}.pt"

    def _train(
        self, original: Callable[..., Any], resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        found = resume_from_checkpoint
        if found is True:
            found = get_last_checkpoint(str(self._trainer.args.output_dir))  # type: ignore[no-untyped-call]
        self._checkpoint = Path(found) if found else None
        self._logged = _Means()
        undo = [wrap_method(self._trainer, "compute_loss", self._compute_loss)]
        undo.append(wrap_method(self._trainer, "log", self._add_to_logs))
        try:
            return original(resume_from_checkpoint, *args, **kwargs)
        finally:
            for each in undo:
                each()
            self._detach()

    def _compute_loss(
        self, original: Callable[..., Any], model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        if not (model.training and torch.is_grad_enabled()):
            return original(model, inputs, *args, **kwargs)
        penalty = self.penalty
        assert penalty is not None  # noqa: S101 - training has begun
        penalty.forget()  # what an evaluation left
        mask = self._mask(inputs) if self._mask else None  # before labels are taken out of the inputs
        found = original(model, inputs, *args, **kwargs)
        term = penalty(mask)
        self._logged.add({"dependency": penalty.last_value, "penalty": term.detach()})
        term = term * self._share(kwargs.get("num_items_in_batch"))
        return (found[0] + term, *found[1:]) if isinstance(found, tuple) else found + term

    def _share(self, num_items_in_batch: Any) -> float:
        """Return 1 / accumulated batches where the loss is a share already, 1 where ``Trainer`` divides it later."""
        trainer = self._trainer
        scaled = getattr(trainer, "loss_is_scaled_for_ga", None)
        if scaled is None:  # as Trainer.training_step decides; older versions lack some of these
            counted = getattr(trainer, "model_accepts_loss_kwargs", False) and num_items_in_batch is not None
            scaled = counted or getattr(trainer, "compute_loss_func", None) is not None
        accumulated = getattr(trainer, "current_gradient_accumulation_steps", trainer.args.gradient_accumulation_steps)
        return 1 / accumulated if scaled else 1.0

    def _add_to_logs(self, original: Callable[..., None], logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        if "loss" in logs:  # of training
            logs = logs | {f"{name}/{self.name}": value for name, value in self._logged.take().items()}
        original(logs, *args, **kwargs)

    def _detach(self) -> None:
        if self.penalty is not None:
            self.penalty.remove()


class _Means:
    """Means of scalars since they were last taken, without waiting for the device before."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, values: Mapping[str, Tensor | None]) -> None:
        for name, value in values.items():
            if value is not None:
                total, count = self._sums.get(name, (torch.zeros_like(value), 0))
                self._sums[name] = total + value, count + 1

    def take(self) -> dict[str, float]:
        means = {name: total.item() / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means


def attach_to_trainer(
    trainer: Trainer,
    layers: Mapping[str, str],
    *,
    measure: str | Measure = "kl",
    pool: Pool | Mapping[str, Pool] = "mean",
    mask: Callable[[Mapping[str, Any]], Mapping[str, Tensor]] | None = None,
    name: str | None = None,
    **options: Any,
) -> TrainerPenalty:
    """Add a dependency penalty between named layers to what a Hugging Face ``Trainer`` trains with.

    Call it before ``trainer.train()``. In training, the critic learns from what the layers returned, and the term is
    added to what ``compute_loss`` returns, also to that of your own subclass or ``compute_loss_func``. It counts as a
    mean over accumulated batches, like the loss. Evaluation and prediction are as without, and the model is left as it
    was when ``train`` ends. Checkpoints have one more file, from which ``resume_from_checkpoint`` goes on exactly; the
    state is left out where the optimiser's is (``save_only_model``).

    Logs of training have ``dependency/NAME``, the measure's value, and ``penalty/NAME``, the term, as means since the
    last log.

    Args:
        trainer: any ``Trainer``.
        layers: name of each view to the path of its layer, as in ``model.named_modules()``; two or more.
        measure: name of the dependency measure, or a measure of the same views.
        pool: what makes one vector of a sequence or an output object, as in :func:`comodal.attach`.
        mask: function from the inputs of the model to the ``mask`` of the penalty, such as view to ``(B, T)`` bool,
            true on real frames.
        name: in logs and checkpoints, the measure's if not given; names tell several penalties of one measure apart.
        options: of :class:`~comodal.DependencyPenalty`, such as ``weight`` and ``critic_lr``.

    Returns:
        The callback, which the trainer has.

    Raises:
        InputError: when ``train`` begins: no such layer, or options that do not fit.

    Example:
        >>> import tempfile, torch, transformers
        >>> class Towers(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.text, self.audio = torch.nn.Linear(3, 8), torch.nn.Linear(2, 8)
        ...
        ...     def forward(self, words, sound, labels):
        ...         logits = (self.text(words) * self.audio(sound)).sum(dim=1)
        ...         return {"loss": (logits - labels).square().mean(), "logits": logits}
        >>> rows = [{"words": torch.randn(3), "sound": torch.randn(2), "labels": 1.0} for _ in range(16)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     args = transformers.TrainingArguments(folder, max_steps=2, use_cpu=True, disable_tqdm=True)
        ...     trainer = transformers.Trainer(Towers(), args, train_dataset=rows)
        ...     penalty = attach_to_trainer(trainer, {"text": "text", "audio": "audio"}, measure="kl", weight=0.1)
        ...     _ = trainer.train()
        {...}
        >>> penalty.penalty.penalty.step
        2
    """
    options = {"measure": measure, "pool": pool, **options}
    found = TrainerPenalty(
        trainer,
        layers,
        name=name or (measure.name if isinstance(measure, Measure) else measure),
        mask=mask,
        options=options,
    )
    trainer.add_callback(found)
    return found
