"""A dependency penalty between layers of a LightningModule, whose code stays as it is."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.attach import AttachedPenalty, Pool, attach
from comodal.dependency.measure import Measure
from comodal.integrations.instance_method import wrap_method

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:

    def _callback_of_lightning() -> type:
        """Return a callback for whichever is installed of the package's two names; they share no class."""
        found = [name for name in ("lightning", "pytorch_lightning") if importlib.util.find_spec(name)]
        if not found:
            raise InputError.needs_extra("lightning", "penalties in Lightning")
        modules = [importlib.import_module("lightning.pytorch" if name == "lightning" else name) for name in found]
        return type("Callback", tuple(module.Callback for module in modules), {})

    Callback = _callback_of_lightning()

__all__ = ["DependencyCallback"]


class DependencyCallback(Callback):
    """Lightning callback that adds a dependency penalty between named layers to the loss of ``training_step``.

    ``fit`` attaches the penalty (:func:`comodal.attach`) and takes it off at its end. After each ``training_step`` the
    critic is trained on what the layers returned, and the term is added to the loss before Lightning divides it for
    accumulation, scales it and calls ``backward``. Validation, test and prediction are as without. The critic with its
    optimiser, generator and step is part of Lightning's checkpoints; a ``fit`` without ``ckpt_path`` starts a new one.

    It logs ``dependency/NAME``, the value of the measure, and ``penalty/NAME``, the term. For modules imported from
    ``lightning.pytorch`` or ``pytorch_lightning``.

    Args:
        layers: name of each view to the path of its layer, as in ``module.named_modules()``; two or more.
        measure: name of the dependency measure, or a measure of the same views.
        pool: what makes one vector of a sequence or a tuple, as in :func:`comodal.attach`.
        mask: function from a batch to the ``mask`` of the penalty, such as view to ``(B, T)`` bool, true on real
            frames.
        name: in logs and checkpoints, the measure's if not given; names tell several penalties of one measure apart.
        options: of :class:`~comodal.DependencyPenalty`, such as ``weight`` and ``critic_lr``.

    Attributes:
        penalty: the :class:`~comodal.dependency.attach.AttachedPenalty`, ``None`` before the first ``fit``.

    Raises:
        InputError: when ``fit`` starts: no such layer, options that do not fit, or manual optimisation.

    Example:
        >>> callback = DependencyCallback({"text": "encoders.text", "audio": "encoders.audio"}, measure="f", weight=0.1)
        >>> callback.name
        'f'
    """

    penalty: AttachedPenalty | None

    def __init__(
        self,
        layers: Mapping[str, str],
        *,
        measure: str | Measure = "kl",
        pool: Pool | Mapping[str, Pool] = "mean",
        mask: Callable[[Any], Mapping[str, Tensor]] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.name = name or (measure.name if isinstance(measure, Measure) else measure)
        self.penalty = None
        self._layers, self._mask = layers, mask
        self._options = {"measure": measure, "pool": pool, **options}
        self._restored: dict[str, Any] | None = None
        self._undo: Callable[[], None] | None = None

    @property
    def state_key(self) -> str:
        """The callback's key in a checkpoint."""
        return f"{type(self).__qualname__}({self.name})"

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Forget the state of a checkpoint that was loaded for something else, such as a test."""
        self._restored = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Attach the penalty, and restore it when training resumes."""
        if not pl_module.automatic_optimization:
            raise InputError(
                f"{type(pl_module).__name__} optimises manually, where no loss can be changed from outside: "
                "penalty = comodal.attach(self, ...), then self.manual_backward(loss + penalty())",
                code="unsupported",
            )
        self._detach()
        self.penalty = attach(pl_module, self._layers, **self._options)
        if self._restored is not None:
            self.penalty.load_state_dict(self._restored)
        self._undo = wrap_method(pl_module, "training_step", self._training_step(self.penalty, pl_module))

    def _training_step(self, penalty: AttachedPenalty, module: LightningModule) -> Callable[..., Any]:
        def step(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            penalty.forget()  # what validation left
            output = original(*args, **kwargs)
            loss = output.get("loss") if isinstance(output, Mapping) else output
            if not isinstance(loss, Tensor):  # a step that is skipped, or that Lightning refuses
                return output
            batch = args[0] if args else next(iter(kwargs.values()))
            term = penalty(self._mask(batch) if self._mask else None)
            if (value := penalty.last_value) is not None:  # too few samples have the views
                module.log_dict({f"dependency/{self.name}": value, f"penalty/{self.name}": term.detach()})
            return {**output, "loss": loss + term} if isinstance(output, Mapping) else loss + term

        return step

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Leave the module as it was."""
        self._detach()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Leave the module as it was."""
        self._detach()

    def state_dict(self) -> dict[str, Any]:
        """Return the penalty's state for a checkpoint."""
        return {"penalty": self._restored if self.penalty is None else self.penalty.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the penalty's state from a checkpoint."""
        self._restored = state_dict["penalty"]
        if self._undo is not None and self._restored is not None:  # strategies that restore after fit has begun
            assert self.penalty is not None  # noqa: S101 - attached
            self.penalty.load_state_dict(self._restored)

    def _detach(self) -> None:
        if self._undo is not None:
            assert self.penalty is not None  # noqa: S101 - attached
            self._undo()
            self.penalty.remove()
            self._undo = None
