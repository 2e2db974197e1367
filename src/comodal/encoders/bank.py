"""The unimodal encoders of a model, one per modality.

``ENCODERS`` maps names to classes; a new encoder needs a file and a line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from comodal.contracts import DatasetSpec, InputError, MultimodalBatch
from comodal.encoders.encoding_cache import ModalityEncoders
from comodal.encoders.sequence_encoders import LSTMEncoder, MeanEncoder
from comodal.encoders.widths import per_modality, sizes_per_modality

__all__ = ["ENCODERS", "EncoderBank", "EncoderConfig"]

ENCODERS: dict[str, Any] = {"mean": MeanEncoder, "lstm": LSTMEncoder}
"""Name to encoder class: a small network on the mean of the frames, or a recurrent network."""


@dataclass(frozen=True)
class EncoderConfig:
    """Options of the unimodal encoders.

    Attributes:
        kind: a key of :data:`ENCODERS`, ``mean`` or ``lstm``, or modality to key.
        hidden: width of each encoder's hidden layer or recurrent state, or modality to width.
        representation: width of each representation, D, or modality to width.
        input_dropout: probability of dropping an input feature.
        dropout: probability of dropping a hidden unit.
    """

    kind: str | dict[str, str] = "mean"
    hidden: int | dict[str, int] = 128
    representation: int | dict[str, int] = 32
    input_dropout: float = 0.3
    dropout: float = 0.5

    def __post_init__(self) -> None:
        for kind in self.kind.values() if isinstance(self.kind, dict) else [self.kind]:
            if kind not in ENCODERS:
                raise InputError.unknown("encoder", kind, ENCODERS)


class EncoderBank(nn.Module):
    """Encoders of all modalities of a data set, in the order of its spec.

    Args:
        spec: what the data set holds.
        config: sizes, the same for every modality or one for each.

    Raises:
        InputError: a modality has no kind or size, or its size is not positive.

    Example:
        >>> spec = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})
        >>> EncoderBank(spec, EncoderConfig(representation=8)).dims
        {'text': 8, 'audio': 8}
    """

    def __init__(self, spec: DatasetSpec, config: EncoderConfig) -> None:
        super().__init__()
        kind = per_modality(config.kind, spec.modalities, option="encoder.kind")
        hidden = sizes_per_modality(config.hidden, spec.modalities, option="encoder.hidden")
        self.dims = sizes_per_modality(config.representation, spec.modalities, option="encoder.representation")
        rates = {"input_dropout": config.input_dropout, "dropout": config.dropout}
        self.encoders = ModalityEncoders(
            {
                name: ENCODERS[kind[name]](dim, hidden=hidden[name], out=self.dims[name], **rates)
                for name, dim in spec.dims.items()
            }
        )

    def forward(self, batch: MultimodalBatch) -> dict[str, Tensor]:
        """Return the representations ``(B, D)`` by modality.

        Raises:
            InputError: the batch lacks a modality of the spec; an absent one is a mask that is all false.
        """
        representations: dict[str, Tensor] = self.encoders(batch)
        return representations
