"""Tensor fusion network (TFN): the outer product of all representations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig, ModalityDropout, mask_absent, presence
from comodal.fusion.head import Head, init_behind_relu, split_off
from comodal.fusion.option_checks import require_options

__all__ = ["MOST_ENTRIES", "TFN", "TFNConfig", "tensor_product"]

MOST_ENTRIES = 2**20
"""Largest tensor of a sample that is built; with 128 hidden units, its weights take half a gigabyte."""


@dataclass(frozen=True)
class TFNConfig:
    """Options of :class:`TFN`.

    Attributes:
        encoder: the unimodal encoders; the tensor has one more than ``encoder.representation`` to the power of the
            number of modalities entries, which is why representations are narrower here than elsewhere.
        hidden: width of the two hidden layers behind the tensor, and of the fused vector.
        dropout: probability of dropping a unit of either hidden layer.
        modality_dropout: probability of hiding a whole modality while training.
    """

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(representation=12))
    hidden: int = 128
    dropout: float = 0.3
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        require_options(self, "TFN", positive=["hidden"])


def tensor_product(views: Iterable[Tensor]) -> Tensor:
    r"""Return the outer product of all :math:`[1; z_m]`, flattened.

    Args:
        views: M representations ``(B, D_m)``.

    Returns:
        ``(B, (D_1 + 1) ... (D_M + 1))``, the last modality's index running fastest; entry 0 is the constant 1.

    Example:
        >>> import torch
        >>> tensor_product([torch.tensor([[2.0]]), torch.tensor([[3.0, 5.0]])])
        tensor([[ 1.,  3.,  5.,  2.,  6., 10.]])
    """
    first, *others = [functional.pad(view, (1, 0), value=1.0) for view in views]
    product = first
    for each in others:
        product = (product.unsqueeze(2) * each.unsqueeze(1)).flatten(1)
    return product


class TFN(nn.Module):
    r"""Tensor fusion: the outer product of the representations with a constant, then a network of two hidden layers.

    .. math::
        t = [1; z_1] \otimes \dots \otimes [1; z_M], \qquad h' = \mathrm{ReLU}(W_1 t + b_1), \qquad
        h = \mathrm{ReLU}(W_2 h' + b_2), \qquad \hat y = v^\top h + c

    The tensor holds every representation, every product of features of two modalities, and so on up to all of them;
    :class:`~comodal.fusion.lfn.LFN` factorises :math:`W_1` and never builds it.

    The text, audio and vision representations that a penalty sees are the encoders' layer-normalised outputs
    :math:`z_m`, before modality dropout hides any of them. An absent or hidden modality is zero, so that only products
    with its constant 1 remain: the tensor fusion of the others.

    Args:
        spec: what the data set holds; any number of modalities, one included, as long as the tensor fits.
        config: sizes and dropout rates.

    Raises:
        InputError: the tensor would have more than :data:`MOST_ENTRIES` entries.

    Source: Zadeh et al., *Tensor Fusion Network for Multimodal Sentiment Analysis*, EMNLP 2017 (arXiv 1707.07250), the
    sections on the tensor fusion layer and on the sentiment inference subnetwork. Unlike the paper, the output is
    linear rather than a sigmoid stretched to the range of the labels, whose ends are then out of reach, and the
    encoders are those of this library.

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> spec = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})
        >>> model = TFN(spec, TFNConfig(encoder=EncoderConfig(representation=7)))
        >>> model.fuse[0].in_features
        64
    """

    input_spec = InputSpec()

    def __init__(self, spec: DatasetSpec, config: TFNConfig | None = None) -> None:
        super().__init__()
        config = config or TFNConfig()
        self.encoders = EncoderBank(spec, config.encoder)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        first = nn.Linear(_checked_entries(self.encoders.dims), config.hidden)
        second = nn.Linear(config.hidden, config.hidden)
        dropouts = [nn.Dropout(config.dropout) for _ in range(2)]
        self.fuse = nn.Sequential(first, nn.ReLU(), dropouts[0], second, nn.ReLU(), dropouts[1])
        self.head = Head(config.hidden, spec.task.width)
        init_behind_relu(first, second, self.head)
        self.dims = {**self.encoders.dims}
        self.fused_dim = config.hidden

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch."""
        representations: dict[str, Tensor] = self.encoders(batch)
        present = self.modality_dropout(presence(batch, representations))
        fused = self.fuse(tensor_product(mask_absent(representations, present)))
        return FusionOutput(self.head(fused), fused, representations)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return split_off(self.encoders, self)


def _checked_entries(dims: Mapping[str, int]) -> int:
    """Return the number of entries of the tensor of representations of these widths."""
    entries = math.prod(dim + 1 for dim in dims.values())
    if entries > MOST_ENTRIES:
        sizes = " x ".join(str(dim + 1) for dim in dims.values())
        raise InputError(
            f"TFN of {', '.join(dims)} would build a tensor of {sizes} = {entries} entries per sample, more than "
            f"{MOST_ENTRIES}: give a smaller encoder.representation or fewer modalities, or take lfn, which needs none",
            code="too_large",
        )
    return entries
