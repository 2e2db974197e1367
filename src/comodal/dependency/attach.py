"""Attach a penalty to layers of a model that does not return its representations.

Axis legend: B samples of a batch, T time steps, D width of a representation.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency.layer_paths import find_layers
from comodal.dependency.measure import Measure
from comodal.dependency.penalty import DependencyPenalty
from comodal.dependency.views import mapping_of_masks

__all__ = ["AttachedPenalty", "attach"]

Pool = str | Callable[[Any], Tensor]


class _Outputs(dict[str, tuple[Any, bool]]):
    """View to what its layer returned and whether a gradient reaches it; a copy, as in a saved model, is empty."""

    def __reduce__(self) -> tuple[type[_Outputs], tuple[()]]:
        return _Outputs, ()


class _Keeper:
    """Forward hook that keeps an output while its penalty lives: a copy of the model alone keeps nothing."""

    def __init__(self, outputs: _Outputs, name: str) -> None:
        self.outputs, self.name = weakref.ref(outputs), name

    def __reduce__(self) -> tuple[type[_Keeper], tuple[_Outputs, str]]:
        outputs = self.outputs()
        return _Keeper, (_Outputs() if outputs is None else outputs, self.name)

    def __call__(self, layer: nn.Module, _given: Any, output: Any) -> None:
        if getattr(layer, "_is_replica", False):
            raise InputError(
                f"the layer of {self.name!r} sees a part of the batch on each device of DataParallel: use "
                "DistributedDataParallel, whose processes share their batches",
                code="conflict",
            )
        outputs = self.outputs()
        if outputs is not None:
            outputs[self.name] = (output, torch.is_grad_enabled())


class AttachedPenalty(nn.Module):
    """A :class:`DependencyPenalty` between the outputs of layers; see :func:`attach`.

    Attributes:
        penalty: the penalty, ``None`` before the first call, which finds the widths of the layers.
    """

    penalty: DependencyPenalty | None

    def __init__(self, layers: Mapping[str, nn.Module], pool: Mapping[str, Pool], options: Mapping[str, Any]) -> None:
        super().__init__()
        self.penalty = None
        self._pool, self._options = dict(pool), dict(options)
        self._outputs = _Outputs()
        self._hooks = [layer.register_forward_hook(_Keeper(self._outputs, name)) for name, layer in layers.items()]

    def forward(self, mask: Mapping[str, Tensor] | None = None) -> Tensor:
        """Train the critic on the outputs of the model's last forward pass, and return the term of the loss.

        Where gradients are off, or in evaluation mode, the critic is not trained.

        Args:
            mask: view to ``(B,)`` bool, true for samples that have it; or to ``(B, T)``, true on the real frames of a
                sequence. A mask on the CPU costs a GPU no wait.

        Returns:
            Scalar to add to the loss.

        Raises:
            InputError: a layer that has not run since the last call, or ran without gradients; an output that is no
                tensor, or of another width than before.
        """
        mask = mapping_of_masks(mask)
        for name in mask:
            if name not in self._pool:  # before the outputs are taken
                raise InputError.unknown("view", name, self._pool, where="mask")
        views = {name: self._tensor(name, self._taken(name)) for name in self._pool}
        self._require_gradient(views)
        if self.penalty is None:
            self._build({name: view.shape[-1] for name, view in views.items()})
        penalty = self.penalty
        assert penalty is not None  # noqa: S101 - built above
        device, own = next(iter(views.values())).device, next(penalty.parameters(), None)
        if own is not None and own.device != device:
            penalty.to(device)
        if self._learning:
            penalty.update_critic(views, mask=mask or None)
        term: Tensor = penalty(views, mask=mask or None)
        return term

    @property
    def _learning(self) -> bool:
        return self.training and torch.is_grad_enabled()

    @property
    def last_value(self) -> Tensor | None:
        """Detached value of the measure at the last call, for logs."""
        return None if self.penalty is None else self.penalty.last_value

    def forget(self) -> None:
        """Drop the outputs that layers have returned since the last call, such as those of an evaluation."""
        self._outputs.clear()

    def remove(self) -> None:
        """Take the hooks from the model, which is then as it was."""
        while self._hooks:
            self._hooks.pop().remove()
        self._outputs.clear()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the widths, from which a new penalty is built when the state is loaded."""
        layout = None if self.penalty is None else self.penalty.measure.layout
        return {"dims": None if layout is None else dict(zip(layout.names, layout.dims, strict=True))}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Build the penalty that a state is of, before its weights are loaded; none where it had not been called."""
        if state["dims"] is None:
            self.penalty = None
        elif self.penalty is None:
            self._build(state["dims"])

    def _build(self, dims: Mapping[str, int]) -> None:
        with torch.inference_mode(mode=False):  # else its weights could never be trained
            self.penalty = DependencyPenalty(dims=dims, **self._options).train(self.training)

    def _taken(self, name: str) -> Any:
        if not self._hooks:
            raise InputError("the penalty was removed from its model: attach a new one", code="conflict")
        if name not in self._outputs:
            raise InputError(
                f"the layer of {name!r} has not run since the last call: run the model before each call, and choose a "
                "layer that its forward pass calls; a compiled model must not have run before it is attached to",
                code="missing",
            )
        output, differentiable = self._outputs.pop(name)
        if self._learning and not differentiable:
            raise InputError(
                f"the layer of {name!r} ran without gradients, so the penalty cannot reach it: leave torch.no_grad, "
                "or checkpoint with use_reentrant=False",
                code="conflict",
            )
        return output

    def _require_gradient(self, views: Mapping[str, Tensor]) -> None:
        reached = (view.requires_grad or not view.is_floating_point() for view in views.values())
        if self._learning and not any(reached):
            raise InputError(
                f"no gradient reaches the layers of {', '.join(views)}, so the penalty cannot change the model: they "
                "are frozen or detached; to measure only, use torch.no_grad or penalty.eval()",
                code="conflict",
            )

    def _tensor(self, name: str, returned: Any) -> Tensor:
        """Return ``(B, D)`` or ``(B, T, D)`` of what a layer returned."""
        pool = self._pool[name]
        source = f"the layer of {name!r}" if isinstance(pool, str) else f"the pool of {name!r}"
        output = returned if isinstance(pool, str) else pool(returned)
        if not isinstance(output, Tensor):
            raise InputError(f"{source} returns a {type(output).__name__}{_advice(name, output)}", code="wrong_type")
        if output.ndim not in {2, 3}:
            raise InputError(
                f"{source} returns {tuple(output.shape)}: choose a layer that returns (B, D) or (B, T, D), or "
                f"give pool={{{name!r}: function}}",
                code="wrong_shape",
            )
        return output


def _advice(name: str, output: Any) -> str:
    """Return what a tuple or an output object holds, and the pool that takes a tensor from it."""
    held = output.items() if isinstance(output, Mapping) else enumerate(output) if isinstance(output, tuple) else ()
    tensors = {key: value for key, value in held if isinstance(value, Tensor)}
    if not tensors:
        return f": give pool={{{name!r}: function}} that takes a tensor (B, D) from it"
    fitting = [key for wanted in (2, 3) for key, value in tensors.items() if value.ndim == wanted]
    listed = ", ".join(f"output[{key!r}] {tuple(value.shape)}" for key, value in tensors.items())
    return f" with {listed}: give pool={{{name!r}: lambda output: output[{[*fitting, *tensors][0]!r}]}}"


def attach(
    model: nn.Module,
    layers: Mapping[str, str],
    *,
    measure: str | Measure = "kl",
    pool: Pool | Mapping[str, Pool] = "mean",
    **options: Any,
) -> AttachedPenalty:
    """Return a dependency penalty between the outputs of named layers of a model.

    Forward hooks keep what the layers return, of a layer that runs twice the last output, so the model's code stays as
    it is. Call the penalty after each forward pass and add what it returns to the loss; it trains its own critic. It is
    no part of the model: save its state beside the model's, and leave it out of ``DistributedDataParallel`` and
    ``torch.compile``. A copy of the model alone, such as a moving average, is not watched; one of both together is.

    Args:
        model: any module; one that is compiled must not have run yet.
        layers: name of each view to the path of the layer, as in ``model.named_modules()``; two or more. The path of
            the model itself is ``""``. Views of one layer differ in their ``pool``.
        measure: name of the dependency measure, or a measure of the same views.
        pool: key of :data:`~comodal.dependency.pools.POOLS` for sequences ``(B, T, D)``, or a function from what a
            layer returns, such as a tuple, to ``(B, D)``, or to ``(B, T, D)``, of which the mean is taken; or a mapping
            from view to one of these.
        options: of :class:`DependencyPenalty`, such as ``weight`` and ``critic_lr``.

    Raises:
        InputError: no such layer, an unknown rule of pooling, or options that do not fit.

    Example:
        >>> import torch
        >>> encoders = torch.nn.ModuleDict({"text": torch.nn.Linear(5, 8), "audio": torch.nn.Linear(3, 4)})
        >>> penalty = attach(encoders, {"text": "text", "audio": "audio"}, measure="kl", weight=0.1)
        >>> outputs = encoders["text"](torch.randn(16, 5)), encoders["audio"](torch.randn(16, 3))
        >>> penalty().backward()
        >>> encoders["text"].weight.grad.shape
        torch.Size([8, 5])
    """
    _refuse_options(options)
    if not isinstance(layers, Mapping):
        raise InputError(f"layers is {layers!r}: give a mapping from view to path", code="wrong_type")
    if len(layers) < 2:
        raise InputError(
            f"layers={dict(layers)}: a dependency is between 2 or more views, name 2 layers", code="missing"
        )
    found = find_layers(model, layers)
    rules = _rules(pool, layers)
    if isinstance(measure, Measure) and list(measure.layout.names) != list(layers):
        raise InputError(
            f"layers are of {list(layers)} and the measure of {list(measure.layout.names)}: give both the same views",
            code="mismatch",
        )
    dims = None if isinstance(measure, Measure) else dict.fromkeys(layers, 8)
    of_sequences = {view: rule if isinstance(rule, str) else "mean" for view, rule in rules.items()}
    options = {"measure": measure, "pool": of_sequences, **options}
    DependencyPenalty(dims=dims, **options)  # refuses options before any training
    return AttachedPenalty(found, rules, options)


def _refuse_options(options: Mapping[str, Any]) -> None:
    if options.get("critic_steps") == 0 or options.get("fresh_batches"):
        raise InputError(
            "an attached penalty trains its critic itself, on the batches of the model: give critic_steps of 1 or more "
            "and leave out fresh_batches",
            code="conflict",
        )
    if "dims" in options:
        raise InputError("dims are those of the layers' outputs: leave them out", code="conflict")


def _rules(pool: Pool | Mapping[str, Pool], layers: Mapping[str, str]) -> dict[str, Pool]:
    """Return the rule of each view; refuses what is none, and two views that are one output."""
    rules: dict[str, Pool] = dict.fromkeys(layers, "mean" if isinstance(pool, Mapping) else pool)
    rules |= pool if isinstance(pool, Mapping) else {}
    for view, rule in rules.items():
        if not (isinstance(rule, str) or callable(rule)):
            raise InputError(f"pool[{view!r}] is {rule!r}: give a name or a function", code="wrong_type")
    for view, path in layers.items():
        twin = next(each for each in layers if (layers[each], rules[each]) == (path, rules[view]))
        if twin != view:
            raise InputError(
                f"{twin!r} and {view!r} are both {path!r}: give them different layers or pools", code="duplicate"
            )
    return rules
