"""Low-rank fusion network (LFN; called LMF in most papers)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig, ModalityDropout, mask_absent, presence
from comodal.fusion.head import Head
from comodal.fusion.option_checks import require_options

__all__ = ["LFN", "LFNConfig", "low_rank_product"]


@dataclass(frozen=True)
class LFNConfig:
    """Options of :class:`LFN`.

    Attributes:
        encoder: sizes of the unimodal encoders.
        rank: number of rank-one terms, R.
        hidden: width of the fused representation, F.
        dropout: probability of dropping a fused unit.
        modality_dropout: probability of hiding a whole modality while training.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    rank: int = 4
    hidden: int = 32
    dropout: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        require_options(self, "LFN", positive=["rank"])


def low_rank_product(views: list[Tensor], factors: list[Tensor], weights: Tensor, bias: Tensor) -> Tensor:
    r"""Product of an outer-product tensor with a low-rank weight tensor, without building either.

    .. math:: h = \sum_{r=1}^{R} w_r \bigodot_{m=1}^{M} W_m^{(r)} [1; z_m] + b

    Args:
        views: M representations ``(B, D_m)``.
        factors: M tensors ``(R, D_m + 1, F)``; row 0 multiplies the constant 1.
        weights: ``(R,)``.
        bias: ``(F,)``.

    Returns:
        ``(B, F)``.

    Raises:
        InputError: no view, or not one factor for each.

    Source: Liu et al., *Efficient Low-rank Multimodal Fusion with Modality-Specific Factors*, ACL 2018, equations 4-7.

    Example:
        >>> import torch
        >>> one = torch.tensor([[[0.0], [2.0]]])  # R=1, D=1, F=1: the factor 0 + 2 z
        >>> low_rank_product([torch.tensor([[3.0]])] * 2, [one, one], torch.ones(1), torch.zeros(1))
        tensor([[36.]])
    """
    if not views or len(views) != len(factors):
        raise InputError(
            f"low-rank fusion of {len(views)} views and {len(factors)} factors: give one factor per view",
            code="mismatch",
        )
    rank, _, width = factors[0].shape
    product = _project(views[0], factors[0])
    for view, factor in zip(views[1:], factors[1:], strict=True):
        product = product * _project(view, factor)
    return torch.einsum("brf,r->bf", product.view(-1, rank, width), weights) + bias


def _project(view: Tensor, factor: Tensor) -> Tensor:
    """Return the projections of ``[1; z]`` of all ranks, ``(B, R*F)``, in one product."""
    rank, extended, width = factor.shape
    linear = factor[:, 1:].permute(1, 0, 2).reshape(extended - 1, rank * width)
    return torch.addmm(factor[:, 0].reshape(rank * width), view, linear)


class LFN(nn.Module):
    r"""Low-rank fusion: products of features across all modalities, at a cost linear in their number.

    The fused vector is :func:`low_rank_product` of the representations, then dropout and a linear head. Names differ:
    the paper this library serves says LFN, its authors and MMSA say LMF.

    The representations that a penalty sees are the encoders' layer-normalised outputs :math:`z_m`. A modality that is
    absent or hidden contributes the constant part of its factors, as if its representation were zero.

    Args:
        spec: what the data set holds; any number of modalities, one included.
        config: sizes, rank and dropout rates.

    Source: Liu et al., ACL 2018 (arXiv 1806.00064). Unlike ports that select parameters by position, every factor, rank
    weight and bias is trained, and the dropout after fusion is applied.

    Example:
        >>> from comodal.contracts import DatasetSpec
        >>> model = LFN(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}), LFNConfig(rank=2))
        >>> [tuple(factor.shape) for factor in model.factors]
        [(2, 33, 32), (2, 33, 32)]
    """

    input_spec = InputSpec()

    def __init__(self, spec: DatasetSpec, config: LFNConfig | None = None) -> None:
        super().__init__()
        config = config or LFNConfig()
        self.encoders = EncoderBank(spec, config.encoder)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        self.factors = nn.ParameterList(
            nn.Parameter(_identity_like_factor(config.rank, dim, config.hidden)) for dim in self.encoders.dims.values()
        )
        self.rank_weights = nn.Parameter(torch.full((config.rank,), config.rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(config.hidden))
        self.dropout = nn.Dropout(config.dropout)
        self.head = Head(config.hidden, spec.task.width)
        self.dims = {**self.encoders.dims}
        self.fused_dim = config.hidden

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch."""
        representations: dict[str, Tensor] = self.encoders(batch)
        present = self.modality_dropout(presence(batch, representations))
        views = mask_absent(representations, present)
        fused = self.dropout(low_rank_product(views, list(self.factors), self.rank_weights, self.bias))
        return FusionOutput(self.head(fused), fused, representations)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return {
            "encoders": list(self.encoders.parameters()),
            "fusion": [*self.factors, self.rank_weights, self.bias, *self.head.parameters()],
        }


def _identity_like_factor(rank: int, dim: int, width: int) -> Tensor:
    """Return a factor ``(R, D+1, F)`` whose output has unit scale: constant part 1, small linear part.

    A product of M zero-mean factors vanishes or explodes with M; around 1 it starts as a sum of the modalities.
    """
    factor = torch.empty(rank, dim + 1, width)
    nn.init.normal_(factor[:, 1:], std=dim**-0.5)
    nn.init.ones_(factor[:, 0])
    return factor
