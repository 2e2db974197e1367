"""Late (decision-level) fusion: a weighted mean of unimodal predictions."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputSpec, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig, ModalityDropout, presence
from comodal.fusion.head import Head, init_behind_relu, split_off
from comodal.fusion.option_checks import require_options

__all__ = ["LateFusion", "LateFusionConfig"]


@dataclass(frozen=True)
class LateFusionConfig:
    """Options of :class:`LateFusion`.

    Attributes:
        encoder: the unimodal encoders; of kind ``mean`` the model is an LF-DNN, of kind ``lstm`` an LF-LSTM.
        hidden: width of each modality's hidden layer.
        dropout: probability of dropping a hidden unit.
        modality_dropout: probability of hiding a whole modality while training.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    hidden: int = 32
    dropout: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        require_options(self, "late fusion", positive=["hidden"])


class LateFusion(nn.Module):
    r"""A weighted mean of the predictions that each modality makes alone.

    .. math::
        h_m = \mathrm{ReLU}(W_m z_m + b_m), \qquad \hat y_m = v_m^\top h_m + c, \qquad
        \hat y = \sum_{m \in P} w_m \hat y_m, \qquad w_m = e^{a_m} \Big/ \sum_{k \in P} e^{a_k}

    The sums are over the modalities :math:`P` that the sample has: when one is absent or hidden, the weights of the
    others grow. Without any modality, the prediction is the shared bias :math:`c`. One logit :math:`a_m` per modality
    is learnt; ``model.logits.softmax(0)`` are the weights of the modalities.

    The fused vector is :math:`[w_1 h_1; \dots; w_M h_M]`, zero for an absent modality; the prediction is linear
    in it. The text, audio and vision representations that a penalty sees are the encoders' layer-normalised outputs
    :math:`z_m`, before modality dropout hides any of them.

    Args:
        spec: what the data set holds; any number of modalities, one included.
        config: sizes and dropout rates.

    Source: linear weighted fusion at the decision level, as in section 3.1.1 of Atrey et al., *Multimodal fusion for
    multimedia analysis: a survey*, Multimedia Systems 2010, with weights learnt together with the networks. Popular
    ports call LF-DNN a network over concatenated encoder outputs, which here is
    :class:`~comodal.fusion.early.EarlyFusion`: there modalities interact before the decision, here they do not.

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> model = LateFusion(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})).eval()
        >>> sequences = {"text": ModalitySequence(torch.randn(1, 1, 4), torch.ones(1, 1, dtype=torch.bool)),
        ...              "audio": ModalitySequence(torch.randn(1, 1, 2), torch.zeros(1, 1, dtype=torch.bool))}
        >>> out = model(MultimodalBatch(("a",), sequences, torch.zeros(1)))
        >>> out.fused.view(2, 32).abs().sum(dim=1) > 0
        tensor([ True, False])
    """

    input_spec = InputSpec()

    def __init__(self, spec: DatasetSpec, config: LateFusionConfig | None = None) -> None:
        super().__init__()
        config = config or LateFusionConfig()
        self.encoders = EncoderBank(spec, config.encoder)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        self.hidden = nn.ModuleDict(
            {name: _hidden_layer(dim, config.hidden, config.dropout) for name, dim in self.encoders.dims.items()}
        )
        self.logits = nn.Parameter(torch.zeros(len(self.hidden)))
        self.fused_dim = config.hidden * len(self.hidden)
        self.head = Head(self.fused_dim, spec.task.width)
        # The scale of one modality's prediction behind its ReLU layer, for any number of modalities.
        nn.init.normal_(self.head.weight, std=(2.0 / config.hidden) ** 0.5)
        self.dims = {**self.encoders.dims}

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch."""
        representations: dict[str, Tensor] = self.encoders(batch)
        present = self.modality_dropout(presence(batch, representations))
        hidden = torch.stack([layer(representations[name]) for name, layer in self.hidden.items()], dim=1)
        fused = (present_softmax(self.logits, present).unsqueeze(2) * hidden).flatten(1)
        return FusionOutput(self.head(fused), fused, representations)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return split_off(self.encoders, self)


def present_softmax(logits: Tensor, present: Tensor) -> Tensor:
    """Return the softmax of ``(M,)`` logits over present modalities ``(B, M)``.

    Each row ``(B, M)`` sums to one over the present ones and is zero elsewhere; all zero where none is present.
    """
    # The least finite number: the softmax of a row of minus infinities is NaN.
    there = torch.where(present, logits, torch.finfo(logits.dtype).min)
    return torch.where(present, there.softmax(dim=1), 0.0)


def _hidden_layer(dim: int, hidden: int, dropout: float) -> nn.Sequential:
    linear = nn.Linear(dim, hidden)
    init_behind_relu(linear)
    return nn.Sequential(linear, nn.ReLU(), nn.Dropout(dropout))
