"""Early (feature-level) fusion: a small network on the concatenated representations."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputSpec, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig, ModalityDropout, mask_absent, presence
from comodal.fusion.head import Head, init_behind_relu, split_off

__all__ = ["EarlyFusion", "EarlyFusionConfig"]


@dataclass(frozen=True)
class EarlyFusionConfig:
    """Options of :class:`EarlyFusion`.

    Attributes:
        encoder: sizes of the unimodal encoders.
        hidden: width of the fused representation, F.
        dropout: probability of dropping a fused unit.
        modality_dropout: probability of hiding a whole modality while training.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    hidden: int = 128
    dropout: float = 0.5
    modality_dropout: float = 0.0


class EarlyFusion(nn.Module):
    r"""Concatenation fusion.

    .. math:: h = \mathrm{ReLU}(W [z_1; \dots; z_M] + b), \qquad \hat y = v^\top h + c

    The text, audio and vision representations that a penalty sees are the encoders' layer-normalised outputs
    :math:`z_m`, before modality dropout hides any of them.

    Args:
        spec: what the data set holds; any number of modalities, one included.
        config: sizes and dropout rates.

    Example:
        >>> import torch
        >>> from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
        >>> model = EarlyFusion(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}))
        >>> sequences = {n: ModalitySequence(torch.randn(3, 1, d), torch.ones(3, 1).bool()) for n, d in
        ...              {"text": 4, "audio": 2}.items()}
        >>> model(MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3))).logits.shape
        torch.Size([3, 1])
    """

    input_spec = InputSpec()

    def __init__(self, spec: DatasetSpec, config: EarlyFusionConfig | None = None) -> None:
        super().__init__()
        config = config or EarlyFusionConfig()
        self.encoders = EncoderBank(spec, config.encoder)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        concatenated = nn.Linear(sum(self.encoders.dims.values()), config.hidden)
        self.fuse = nn.Sequential(concatenated, nn.ReLU(), nn.Dropout(config.dropout))
        self.head = Head(config.hidden, spec.task.width)
        init_behind_relu(concatenated, self.head)
        self.dims = {**self.encoders.dims}
        self.fused_dim = config.hidden

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch; absent modalities are zeros."""
        representations: dict[str, Tensor] = self.encoders(batch)
        present = self.modality_dropout(presence(batch, representations))
        fused = self.fuse(torch.cat(mask_absent(representations, present), dim=1))
        return FusionOutput(self.head(fused), fused, representations)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return split_off(self.encoders, self)
