"""A pretrained language model as an encoder of word pieces, with a gate between its layers.

Axis legend: B samples, P pieces, H width of a hidden state.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from comodal.contracts import InputError, ModalitySequence, TokenSpec
from comodal.encoders.backbone import layout_of, load_backbone, load_tokenizer, longest_input
from comodal.encoders.gated_layer import GatedLayer
from comodal.encoders.pooling import last_frame, masked_mean

__all__ = ["POOLINGS", "EncodedText", "LanguageModel", "TextEncoder"]

POOLINGS = ("mean", "cls", "pooler")
"""Ways to pool hidden states: their mean, the state of the summary token, or the output of the pretrained pooler."""


class EncodedText(NamedTuple):
    """The output of a language model.

    Attributes:
        pooled: ``(B, H)`` one vector per sample.
        entered: ``(B, P, H)`` hidden states before the gate.
    """

    pooled: Tensor
    entered: Tensor


class _GateReachedError(Exception):
    """Ends a forward pass at the gate."""


class LanguageModel(nn.Module):
    """A pretrained encoder of Hugging Face.

    Args:
        name: folder, or name on the hub.
        gate_layer: number of layers before the gate; ``None`` for the published place, which is 1 for XLNet and 0,
            directly after the embeddings, for others.
        pooling: one of :data:`POOLINGS`; ``cls`` is the summary token, the last piece of XLNet and the first of
            others.

    Raises:
        InputError: the encoder cannot be loaded, has no such layer, or has no pretrained pooler to pool with.
    """

    def __init__(self, name: str, *, gate_layer: int | None = None, pooling: str = "mean") -> None:
        super().__init__()
        self.name = name
        self.pooling = pooling
        self.model = load_backbone(name, pooler=pooling == "pooler")
        self.layout = layout_of(self.model.config.model_type, where=name)
        self.width = int(self.model.config.hidden_size)
        self.gate_layer = self.layout.gate_layer if gate_layer is None else gate_layer
        if self.gate_layer >= len(self.layers):
            raise InputError(
                f"{name}: gate_layer is {self.gate_layer} and there are {len(self.layers)} layers; "
                f"give 0 to {len(self.layers) - 1}",
                code="out_of_range",
            )
        self.layers[self.gate_layer] = GatedLayer(self.layers[self.gate_layer], time_first=self.layout.time_first)
        self._takes_types = "token_type_ids" in inspect.signature(self.model.forward).parameters

    @property
    def layers(self) -> nn.ModuleList:
        """The encoder's layers, one of them gated."""
        return cast("nn.ModuleList", self.model.get_submodule(self.layout.layers))

    @property
    def gated(self) -> GatedLayer:
        """The layer behind the gate."""
        return cast("GatedLayer", self.layers[self.gate_layer])

    def require_tokens(self, tokens: TokenSpec) -> None:
        """Check that this encoder can read the pieces of a data set.

        Raises:
            InputError: ids without an embedding, or more pieces than it has positions.
        """
        rows = len(self.model.get_input_embeddings().weight)
        if max(tokens.vocabulary, tokens.pad_id + 1, tokens.unknown_id + 1) > rows:
            raise InputError(
                f"{self.name}: the pieces are from {tokens.tokenizer} with {tokens.vocabulary} ids, and the "
                f"encoder embeds {rows}; tokenize with the encoder's own tokenizer",
                code="mismatch",
            )
        longest = longest_input(self.model)
        if longest is not None and tokens.max_length > longest:
            raise InputError(
                f"{self.name}: max_length is {tokens.max_length} and the encoder takes {longest} pieces; "
                f"give max_length={longest} or less",
                code="out_of_range",
            )

    def freeze(self, layers: int) -> None:
        """Freeze the embeddings and the first layers; with all layers, the whole encoder.

        Raises:
            InputError: there are fewer layers.
        """
        if layers > len(self.layers):
            raise InputError(
                f"{self.name}: freeze_layers is {layers} and there are {len(self.layers)} layers; give fewer",
                code="out_of_range",
            )
        if layers == len(self.layers):
            self.model.requires_grad_(requires_grad=False)
            return
        self.model.get_input_embeddings().requires_grad_(requires_grad=False)
        for part, module in self.model.named_children():
            if part.startswith("embeddings"):
                module.requires_grad_(requires_grad=False)
        for layer in self.layers[:layers]:
            layer.requires_grad_(requires_grad=False)

    def add_adapters(self, rank: int) -> None:
        """Freeze the encoder and add low-rank adapters to the linear maps of its layers.

        Source: Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022, section 4.1.

        Raises:
            InputError: ``peft`` is not installed.
        """
        try:
            import peft  # noqa: PLC0415 - keeps `import comodal` light
        except ImportError as error:
            raise InputError.needs_extra("hf", "low-rank adapters") from error
        adapters = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(self.layout.adapted), bias="none")
        peft.inject_adapter_in_model(adapters, self.model)

    def checkpoint_gradients(self) -> None:
        """Recompute every layer, but not the gate, in the backward pass: less memory, more time."""
        for layer in self.layers:
            inner = layer.layer if isinstance(layer, GatedLayer) else layer
            inner.forward = functools.partial(checkpoint, inner.forward, use_reentrant=False)

    def forward(self, pieces: ModalitySequence, gate: Callable[[Tensor], Tensor]) -> EncodedText:
        """Encode word pieces.

        Args:
            pieces: ``(B, P, 2)`` ids and type ids, legal ones in the padding too; and the mask ``(B, P)`` of real
                pieces, at least one per sample.
            gate: maps hidden states ``(B, P, H)`` on their way into layer ``gate_layer``.

        Raises:
            RuntimeError: the gate was not used exactly once.
        """
        with self.gated.opened(gate) as entered:
            output = self._run(pieces)
        hidden = ModalitySequence(output.last_hidden_state, pieces.mask)
        if self.pooling == "pooler":
            pooled = output.pooler_output
        elif self.pooling == "mean":
            pooled = masked_mean(hidden)
        else:
            pooled = last_frame(hidden) if self.layout.reads_last else hidden.values[:, 0]
        return EncodedText(pooled, entered[0])

    def states_at_gate(self, pieces: ModalitySequence) -> Tensor:
        """Return the hidden states ``(B, P, H)`` before the gate, without running the layers after it."""
        with self.gated.opened(_stop) as entered, suppress(_GateReachedError):
            self._run(pieces)
        return entered[0]

    def last_states(self, pieces: ModalitySequence) -> Tensor:
        """Return the hidden states ``(B, P, H)`` after the last layer, without a gate."""
        with self.gated.opened(lambda hidden: hidden):
            return cast("Tensor", self._run(pieces).last_hidden_state)

    def _run(self, pieces: ModalitySequence) -> Any:
        types = {"token_type_ids": pieces.values[..., 1]} if self._takes_types else {}
        mask = pieces.mask.to(torch.int64)  # XLNet subtracts it from one
        return self.model(input_ids=pieces.values[..., 0], attention_mask=mask, **types, **self.layout.options)


def _stop(hidden: Tensor) -> Tensor:
    del hidden
    raise _GateReachedError


class TextEncoder:
    """A frozen pretrained encoder whose hidden states are features of a text.

    Args:
        backbone: folder with a pretrained encoder and its tokenizer, or its name on the Hugging Face hub.

    Attributes:
        name: the last part of ``backbone``.
        tokenizer: its fast tokenizer.
        width: of a hidden state, H.
        longest: the largest number of pieces that it takes, ``None`` without a limit.

    Raises:
        InputError: the encoder or its tokenizer cannot be loaded, or they do not fit.

    Example:
        >>> import tempfile, transformers
        >>> words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good"])}
        >>> sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 6}
        >>> with tempfile.TemporaryDirectory() as folder:  # in place of a pretrained encoder
        ...     _ = transformers.BertTokenizerFast(vocab=words).save_pretrained(folder)
        ...     transformers.BertModel(transformers.BertConfig(**sizes)).save_pretrained(folder)
        ...     encoder = TextEncoder(folder)
        >>> pieces = torch.tensor([[[2, 0], [5, 0], [3, 0]]])
        >>> encoder.states(ModalitySequence(pieces, torch.ones(1, 3, dtype=torch.bool))).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, backbone: str) -> None:
        self.tokenizer: Any = load_tokenizer(backbone)
        self._model = LanguageModel(backbone).eval()
        self.name = Path(backbone).expanduser().name or backbone
        self.width = self._model.width
        self.longest = longest_input(self._model)

    def states(self, pieces: ModalitySequence) -> Tensor:
        """Return the hidden states after the last layer, without dropout.

        Args:
            pieces: ``(B, P, 2)`` ids and type ids, legal ones in the padding too; and the mask ``(B, P)`` of real
                pieces.

        Returns:
            ``(B, P, H)``, undefined where the mask is false.
        """
        with torch.no_grad():
            return self._model.last_states(pieces)
