"""A layer with something in front of it.

Axis legend: B utterances, T pieces, H width of a hidden state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["GatedLayer"]


class GatedLayer(nn.Module):
    """A layer of a language model whose hidden states go through a gate first.

    It takes the place of the layer in the model's list. What the gate needs beside the hidden states changes with every
    batch and does not pass through the model, so the gate is handed over for one forward pass by :meth:`opened`, and
    taken away after it: nothing of an earlier batch can be used. All else goes to the wrapped layer as it is; so does
    the layer's result, whatever its form. Attributes that models read off their layers are those of the wrapped one.

    The gate runs outside of the layer, and so outside of the layer's gradient checkpoint.

    Args:
        layer: takes hidden states as its first argument or as ``hidden_states``.
        time_first: whether those are ``(T, B, H)``; the gate gets ``(B, T, H)`` in any case.

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
        """Members of this module, else those of the wrapped layer."""
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
            A list that the hidden states in front of the gate are added to.

        Raises:
            RuntimeError: the layer was not called exactly once, so this is not a layer of the model that was run, or
                the model runs it again and again.
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
        """The layer's result on gated hidden states.

        Raises:
            RuntimeError: outside of :meth:`opened`, where hidden states would pass ungated.
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
