"""Multimodal Adaptation Gate (MAG): a pretrained language model with audio and vision added between its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import ModalityDropout, align, masked_mean, presence
from comodal.encoders.backbone import load_tokenizer
from comodal.encoders.language_model import POOLINGS, LanguageModel
from comodal.encoders.presence import require_modalities
from comodal.fusion.adaptation_gate import AdaptationGate
from comodal.fusion.head import Head, split_off
from comodal.fusion.option_checks import require_options

__all__ = ["MAG", "MAGConfig", "tokenizer_of"]


@dataclass(frozen=True)
class MAGConfig:
    """Options of :class:`MAG`.

    Attributes:
        backbone: folder with a pretrained encoder, or its name on the Hugging Face hub; must be given.
        max_length: most word pieces of a sample, special tokens included.
        gate_layer: number of layers before the gate, 0 for directly after the embeddings; ``None`` for the published
            place, which is 1 for XLNet and 0 for others.
        beta: largest length of a displacement relative to the hidden state; 0 switches the gate off and leaves the
            plain encoder.
        dropout: probability of dropping a unit after the gate.
        head_dropout: probability of dropping a unit of the pooled vector.
        modality_dropout: probability of hiding a whole modality while training.
        pooling: ``mean`` of the hidden states of all pieces, ``cls`` for that of the special token, or ``pooler`` for
            the encoder's pretrained pooler on it.
        freeze_layers: number of first layers that are not trained, and the embeddings with them; 0 for the embeddings
            alone, all of them for the whole encoder, ``None`` to train everything.
        lora_rank: rank of low-rank adapters, the only trained part of the encoder; 0 for none.
        gradient_checkpointing: recompute layers in the backward pass: less memory, more time.
    """

    backbone: str = ""
    max_length: int = 50
    gate_layer: int | None = None
    beta: float = 1.0
    dropout: float = 0.5
    head_dropout: float = 0.1
    modality_dropout: float = 0.0
    pooling: str = "mean"
    freeze_layers: int | None = None
    lora_rank: int = 0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise InputError.unknown("MAG pooling", self.pooling, POOLINGS)
        require_options(
            self,
            "MAG",
            not_negative=["gate_layer", "beta", "freeze_layers", "lora_rank"],
            probabilities=["dropout", "head_dropout"],
        )
        if self.lora_rank and self.freeze_layers is not None:
            raise InputError(
                "MAG has lora_rank and freeze_layers: give one of them, adapters freeze the encoder anyway",
                code="conflict",
            )


def tokenizer_of(config: MAGConfig) -> Any:
    """Return the tokenizer of a config's backbone.

    Raises:
        InputError: no backbone is given, or its tokenizer cannot be loaded or does not fit it.
    """
    return load_tokenizer(config.backbone)


class MAG(nn.Module):
    r"""A pretrained encoder fine-tuned with an :class:`AdaptationGate` in front of one of its layers.

    With :math:`E_{<k}` the embeddings and the layers in front of the gate, :math:`E_{\geq k}` those behind it, and
    frames :math:`v^m` of the other modalities, one for every word piece of the text :math:`p`:

    .. math:: x = E_{<k}(p), \qquad
        h = \mathrm{pool}(E_{\geq k}(\mathrm{gate}(x, v))), \qquad \hat y = w^\top h + c

    The text representation that a penalty sees is the mean of :math:`x` over the pieces; that of another modality is
    the mean of its projected frames :math:`W_m v^m`. Later states depend on all modalities. Both have the width of a
    hidden state.

    An absent or hidden modality displaces nothing. An absent text is read as the unknown piece at every step at which
    another modality has a frame, or at one step where there is none. Text without any other modality is plain
    fine-tuning, the baseline for the gate.

    Args:
        spec: what the data set holds: word pieces, and any number of modalities with a frame for each of them.
        config: which encoder, and how it is gated and trained.

    Raises:
        InputError: no backbone, one that cannot be loaded or used, pieces that are not its tokenizer's, or an option
            that it does not fit.

    Source: Rahman et al., *Integrating Multimodal Information in Large Pretrained Transformers*, ACL 2020. Unlike the
    authors' code, which needs a copy of the model's source for every kind of encoder and every version of its library,
    the gate stands in front of a layer of any encoder as it was loaded, states are pooled by their mean, and masks keep
    what is absent apart from what is zero. See :class:`AdaptationGate` for the gate itself.

    Example:
        >>> import tempfile, transformers
        >>> from comodal.contracts import TokenSpec
        >>> sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 9}
        >>> tokens = TokenSpec("toy", 9, pad_id=0, unknown_id=1, max_length=8)
        >>> spec = DatasetSpec("toy", {"text": 2, "audio": 5}, {"text": 8, "audio": 8}, tokens=tokens)
        >>> with tempfile.TemporaryDirectory() as folder:  # stands for one with a pretrained encoder
        ...     transformers.BertModel(transformers.BertConfig(**sizes)).save_pretrained(folder)
        ...     model = MAG(spec, MAGConfig(backbone=folder))
        >>> model.dims
        {'text': 8, 'audio': 8}
    """

    input_spec = InputSpec(aligned=True, tokens=True)

    def __init__(self, spec: DatasetSpec, config: MAGConfig | None = None) -> None:
        super().__init__()
        config = config or MAGConfig()
        if spec.tokens is None or "text" not in spec.dims:
            raise InputError(
                f"{spec.name}: there is no text of word pieces, which MAG reads; give a tokenized text", code="missing"
            )
        self.encoder = LanguageModel(config.backbone, gate_layer=config.gate_layer, pooling=config.pooling)
        self.encoder.require_tokens(spec.tokens)
        self.tokens = spec.tokens
        self._choose_what_is_trained(config)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        width = self.encoder.width
        self.gate = (
            AdaptationGate(width, spec.feature_dims, beta=config.beta, dropout=config.dropout)
            if spec.feature_dims
            else None
        )
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = Head(width, spec.task.width)
        self.dims = dict.fromkeys(spec.modalities, width)
        self.fused_dim = width

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch."""
        require_modalities(batch, self.dims)
        sequences, steps = align(batch, self.dims)
        present = presence(batch, self.dims)
        kept = dict(zip(self.dims, self.modality_dropout(present).unbind(1), strict=True))
        heard = {
            name: ModalitySequence(torch.where(kept[name][:, None, None], s.values, 0), s.mask & kept[name][:, None])
            for name, s in sequences.items()
        }
        text = heard.pop("text")
        gate = self.gate and partial(self.gate, frames=heard)
        pooled, entered = self.encoder(self._pieces(text, steps), gate or (lambda hidden: hidden))
        if self.training and self.modality_dropout.rate > 0.0 and self.gate is not None:
            # A penalty also sees the text of samples whose text is hidden from the fusion.
            entered = self.encoder.states_at_gate(self._pieces(sequences["text"], steps))
        fused = self.dropout(pooled)
        return FusionOutput(self.head(fused), fused, self._representations(sequences, entered))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return split_off(self.encoder, self)

    def _choose_what_is_trained(self, config: MAGConfig) -> None:
        if config.freeze_layers is not None:
            self.encoder.freeze(config.freeze_layers)
        if config.lora_rank:
            self.encoder.add_adapters(config.lora_rank)
        if config.gradient_checkpointing:
            self.encoder.checkpoint_gradients()

    def _pieces(self, text: ModalitySequence, steps: Tensor) -> ModalitySequence:
        """Return legal pieces at all steps: unknown ones where the text is absent, padding after the end."""
        read = steps.clone()
        read[:, 0] = True  # attention needs at least one piece
        ids, types = text.values.long().unbind(-1)
        ids = torch.where(text.mask, ids, self.tokens.unknown_id)
        ids = torch.where(read, ids, self.tokens.pad_id)
        return ModalitySequence(torch.stack([ids, types], dim=-1), read)

    def _representations(self, sequences: Mapping[str, ModalitySequence], entered: Tensor) -> dict[str, Tensor]:
        found = {}
        for name, sequence in sequences.items():
            if name == "text" or self.gate is None:
                found[name] = masked_mean(ModalitySequence(entered, sequence.mask))
            else:  # linear, so the order of mean and projection is free
                found[name] = self.gate.projections[name](masked_mean(sequence))
        return found
