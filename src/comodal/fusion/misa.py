"""MISA: modality-invariant and modality-specific subspaces, fused by self-attention."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig, ModalityDropout, presence
from comodal.fusion.head import Head, init_behind_relu
from comodal.fusion.option_checks import require_options
from comodal.fusion.subspaces import cmd, masked_mse, soft_orthogonality

__all__ = ["MISA", "MISAConfig"]


@dataclass(frozen=True)
class MISAConfig:
    """Options of :class:`MISA`.

    Attributes:
        encoder: sizes of the unimodal encoders.
        width: width d of the subspaces and of the tokens that attend to each other.
        heads: attention heads; they divide the width.
        feedforward: width of the hidden layer behind the attention.
        hidden: width of the fused representation, F.
        moments: highest order K of the moments that the similarity term compares.
        similarity_weight: weight of the similarity term.
        difference_weight: weight of the difference term.
        reconstruction_weight: weight of the reconstruction term.
        attention_dropout: probability of dropping an attention weight or a unit of the self-attention layer.
        dropout: probability of dropping a fused unit.
        modality_dropout: probability of hiding a whole modality while training.

    Raises:
        InputError: a size is not positive, the heads do not divide the width, or a weight is negative.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    width: int = 64
    heads: int = 2
    feedforward: int = 128
    hidden: int = 128
    moments: int = 5
    similarity_weight: float = 1.0
    difference_weight: float = 0.3
    reconstruction_weight: float = 1.0
    attention_dropout: float = 0.1
    dropout: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        weights = ["similarity_weight", "difference_weight", "reconstruction_weight"]
        sizes = ["width", "heads", "feedforward", "hidden", "moments"]
        require_options(self, "MISA", positive=sizes, not_negative=weights)
        if self.width % self.heads:
            raise InputError(
                f"MISA heads is {self.heads}: give a number that divides the width, {self.width}", code="conflict"
            )


class _Parts(NamedTuple):
    """The representations in their subspaces; every tensor is ``(M, B, d)``."""

    projected: Tensor
    shared: Tensor
    private: Tensor
    recovered: Tensor


class _Subspaces(nn.Module):
    """Projections to a common width, a shared encoder, private encoders, and decoders."""

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.LayerNorm(width)) for name, dim in dims.items()}
        )
        self.shared = _bounded(width)
        self.private = nn.ModuleDict({name: _bounded(width) for name in dims})
        self.decode = nn.ModuleDict({name: nn.Linear(width, width) for name in dims})

    def forward(self, representations: Mapping[str, Tensor]) -> _Parts:
        """Split ``(B, D_m)`` representations."""
        projected = [layer(representations[name]) for name, layer in self.project.items()]
        private = torch.stack([layer(x) for layer, x in zip(self.private.values(), projected, strict=True)])
        together = torch.stack(projected)
        shared = self.shared(together)
        whole = shared + private
        recovered = torch.stack([layer(x) for layer, x in zip(self.decode.values(), whole, strict=True)])
        return _Parts(together, shared, private, recovered)


def _bounded(width: int) -> nn.Sequential:
    """Return a layer into (0, 1), where central moments of any order are comparable."""
    linear = nn.Linear(width, width)
    # At PyTorch's own scale, sigmoids start within a seventh of 1/2 and carry almost no information.
    nn.init.xavier_uniform_(linear.weight)
    return nn.Sequential(linear, nn.Sigmoid())


class MISA(nn.Module):
    r"""Modality-invariant and modality-specific subspaces, fused by one layer of self-attention.

    .. math::

        p_m &= \mathrm{LN}(\mathrm{ReLU}(P_m u_m)), \quad c_m = \sigma(S p_m), \quad s_m = \sigma(S_m p_m), \quad
        \hat p_m = D_m (c_m + s_m) \\
        [\tilde s_1, \dots, \tilde s_M, \tilde c_1, \dots, \tilde c_M] &=
        \mathrm{Transformer}([s_1, \dots, s_M, c_1, \dots, c_M]) \\
        h &= \mathrm{ReLU}(W [\tilde s_1; \dots; \tilde c_M] + b), \qquad \hat y = v^\top h + c

    with :math:`S` the same for all modalities, and biases left out. Its own terms of the objective, each times its
    weight, are

    * ``similarity``, the mean over pairs of modalities of :func:`~comodal.fusion.subspaces.cmd` of
      :math:`c_m, c_n`; there is none of that name for a single modality;
    * ``difference``, the sum of :func:`~comodal.fusion.subspaces.soft_orthogonality` of :math:`c_m, s_m` over
      modalities and of :math:`s_m, s_n` over pairs;
    * ``reconstruction``, the mean over modalities of the mean squared error of :math:`\hat p_m` against :math:`p_m`.

    A sample counts in a term of a modality if it has the modality, and in a term of a pair if it has both; a term
    without any such sample is 0.

    The text, audio and vision representations that a penalty sees are the encoders' outputs :math:`u_m`, before they
    are split. The similarity term already pulls the distributions of the :math:`c_m` together, through a shared
    encoder; a penalty on them would act on the same parameters with the same aim.

    An absent or hidden modality is not attended to, and its two tokens are zeros in the concatenation. The terms leave
    out absent modalities, but not those that modality dropout hides.

    Args:
        spec: what the data set holds; any number of modalities, one included.
        config: sizes, weights and dropout rates.

    Source: Hazarika, Zimmermann and Poria, *MISA: Modality-Invariant and -Specific Representations for Multimodal
    Sentiment Analysis*, ACM MM 2020 (arXiv 2005.03545), section 3. The layers are those of the authors' code, but the
    encoders are this library's, the hidden layer behind the attention is narrower than PyTorch's 2048, and the
    discriminators that the code holds beside the loss of the paper are left out. As in that code, :math:`p_m` is
    trained by the reconstruction term as much as :math:`\hat p_m`, so less informative projections lower it too. Unlike
    a popular port, which cuts audio and video at the text's length, each modality is read to the end of its own mask.

    Example:
        >>> from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
        >>> model = MISA(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}))
        >>> sequences = {n: ModalitySequence(torch.randn(3, 1, d), torch.ones(3, 1).bool()) for n, d in
        ...              {"text": 4, "audio": 2}.items()}
        >>> list(model(MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3))).terms)
        ['similarity', 'difference', 'reconstruction']
    """

    input_spec = InputSpec()
    _first: Tensor
    _second: Tensor

    def __init__(self, spec: DatasetSpec, config: MISAConfig | None = None) -> None:
        super().__init__()
        config = config or MISAConfig()
        self.config = config
        self.encoders = EncoderBank(spec, config.encoder)
        self.dims = {**self.encoders.dims}
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        self.subspaces = _Subspaces(self.dims, config.width)
        self.attention = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, config.attention_dropout, batch_first=True
        )
        concatenated = nn.Linear(2 * len(self.dims) * config.width, config.hidden)
        self.fuse = nn.Sequential(concatenated, nn.ReLU(), nn.Dropout(config.dropout))
        self.head = Head(config.hidden, spec.task.width)
        init_behind_relu(concatenated, self.head)
        self.fused_dim = config.hidden
        pairs = torch.tensor([*itertools.combinations(range(len(self.dims)), 2)], dtype=torch.long).view(-1, 2)
        self.register_buffer("_first", pairs[:, 0], persistent=False)
        self.register_buffer("_second", pairs[:, 1], persistent=False)

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch; the terms are those of this batch, in training and evaluation alike."""
        representations: dict[str, Tensor] = self.encoders(batch)
        there = presence(batch, representations)
        parts: _Parts = self.subspaces(representations)
        fused = self.fuse(self._attend(parts, self.modality_dropout(there)))
        return FusionOutput(self.head(fused), fused, representations, self._terms(parts, there.T))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return {
            "encoders": list(self.encoders.parameters()),
            "subspaces": list(self.subspaces.parameters()),
            "fusion": [*self.attention.parameters(), *self.fuse.parameters(), *self.head.parameters()],
        }

    def _attend(self, parts: _Parts, present: Tensor) -> Tensor:
        """Return the private and shared tokens of all modalities after attention, ``(B, 2Md)``."""
        known = torch.cat([present, present], dim=1)
        selected = known.unsqueeze(-1)
        tokens = torch.where(selected, torch.cat([parts.private, parts.shared]).transpose(0, 1), 0.0)
        # A row without any modality attends to its zeros: a softmax over nothing is NaN.
        unseen = ~known & present.any(dim=1, keepdim=True)
        attended: Tensor = self.attention(tokens, src_key_padding_mask=unseen)
        return torch.where(selected, attended, 0.0).flatten(start_dim=1)

    def _terms(self, parts: _Parts, there: Tensor) -> dict[str, Tensor]:
        """The weighted terms of the objective; ``there`` is ``(M, B)``."""
        # Powers and sums over a batch need at least float32.
        parts = _Parts(*(part if part.dtype == torch.float64 else part.float() for part in parts))
        (shared, other_shared), (private, other_private) = self._pairs(parts.shared), self._pairs(parts.private)
        both = torch.logical_and(*self._pairs(there))
        ones, others = torch.cat([parts.shared, private]), torch.cat([parts.private, other_private])
        with torch.autocast(ones.device.type, enabled=False):
            distances = cmd(shared, other_shared, rows=both, moments=self.config.moments)
            overlaps = soft_orthogonality(ones, others, rows=torch.cat([there, both]))
            errors = masked_mse(parts.recovered, parts.projected, rows=there)
        similarity = {"similarity": self.config.similarity_weight * distances.mean()} if len(distances) else {}
        return {
            **similarity,
            "difference": self.config.difference_weight * overlaps.sum(),
            "reconstruction": self.config.reconstruction_weight * errors.mean(),
        }

    def _pairs(self, of_modalities: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two sides of every pair of modalities, from ``(M, ...)``."""
        return of_modalities[self._first], of_modalities[self._second]
