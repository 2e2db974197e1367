"""A layer of a language model with a gate before it.

Axis legend: B samples, T pieces, H width of a hidden state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["GatedLayer"]


class GatedLayer(nn.Module):
    """A layer of a language model whose hidden states go through a gate first.

    It replaces the layer in the model's list. The gate depends on other inputs of the batch, which do not pass through
    the model; so :meth:`opened` sets it for one forward pass and removes it afterwards. Other arguments, the result and
    attributes are those of the wrapped layer. The gate runs outside the layer's gradient checkpoint.

    Args:
        layer: takes hidden states as its first argument or as ``hidden_states``.
        time_first: whether those are ``(T, B, H)``; the gate always receives ``(B, T, H)``.

    Example:
        >>> import torch
        >>> layers = nn.ModuleList([nn.Identity()])
        >>> layers[0] = GatedLayer(layers[0])
        >>> with layers[0].opened(lambda hidden: 2 * hidden) as entered:
        ...     layers[0](torch.ones(1, 1, 1)).item(), entered[0].item()
        (2.0, 1.0)
    """

    def __init__(self, layer: nn.Module, *, time_first: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.time_first = time_first
        self._gate: Callable[[Tensor], Tensor] | None = None
        self._entered: list[Tensor] = []

    def __getattr__(self, name: str) -> Any:
        """Return members of this module, else those of the wrapped layer."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "layer":  # not there yet, while it is copied or unpickled
                raise
            return getattr(self.layer, name)

    @contextmanager
    def opened(self, gate: Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
        """Use a gate for one forward pass of the model.

        Args:
            gate: maps hidden states ``(B, T, H)`` to the same shape.

        Yields:
            A list to which the hidden states before the gate are added.

        Raises:
            RuntimeError: the layer was not called exactly once in the context.
        """
        entered: list[Tensor] = []
        self._gate, self._entered = gate, entered
        try:
            yield entered
        finally:
            self._gate, self._entered = None, []
        if len(entered) != 1:
            raise RuntimeError(f"the gated layer was called {len(entered)} times in one forward pass, not once")

    def forward(self, *args: Any, **options: Any) -> Any:
        """Return the layer's result on gated hidden states.

        Raises:
            RuntimeError: called outside of :meth:`opened`.
        """
        if self._gate is None:
            raise RuntimeError("a gated layer was called without its gate: run the model within opened(...)")
        if args:
            return self.layer(self._through(self._gate, args[0]), *args[1:], **options)
        hidden = options.pop("hidden_states")
        return self.layer(hidden_states=self._through(self._gate, hidden), **options)

    def _through(self, gate: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
        states = hidden.transpose(0, 1) if self.time_first else hidden
        self._entered.append(states)
        gated = gate(states)
        return gated.transpose(0, 1) if self.time_first else gated
