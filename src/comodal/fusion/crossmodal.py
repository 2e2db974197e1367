r"""Crossmodal and self-attention transformers, many of one shape side by side.

One crossmodal transformer per pair of modalities makes many small networks, whose cost is the number of calls rather
than the arithmetic. So transformers whose sequences have equal lengths run as one.

Axis legend: N transformers side by side, B samples, T frames of the target, S frames of the source, D width.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import ModalitySequence
from comodal.encoders import last_frame

__all__ = ["CrossmodalTransformers", "ParallelLinear", "SelfAttentionTransformers", "TransformerLayer"]

_RESIDUAL_SCALE = 0.1


def normalize(frames: Tensor) -> Tensor:
    """Return frames with zero mean and unit variance over their features.

    Without the usual scale and shift: the linear maps that follow have both.
    """
    return functional.layer_norm(frames, (int(frames.shape[-1]),))  # int(...): a tracer sees a tensor


class ParallelLinear(nn.Module):
    """Several linear maps side by side, each with weights of its own.

    Args:
        members: how many, N.
        inputs: features in.
        outputs: features out.

    Example:
        >>> ParallelLinear(6, 4, 8)(torch.zeros(6, 5, 3, 4), range(6)).shape
        torch.Size([6, 5, 3, 8])
    """

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members * outputs))  # one axis: no weight decay, as for any bias
        for matrix in self.weight.unbind(0):
            nn.init.xavier_uniform_(matrix)

    def forward(self, frames: Tensor, chosen: Sequence[int], columns: slice = slice(None)) -> Tensor:
        """Map ``(n, B, T, inputs)`` frames, the i-th by member ``chosen[i]``, to the chosen columns of the outputs."""
        weight: Tensor = self.weight
        bias = self.bias.view(-1, 1, self.outputs)
        if len(chosen) < len(weight):
            weight, bias = (torch.stack([tensor[member] for member in chosen]) for tensor in (weight, bias))
        out = torch.baddbmm(bias[..., columns], frames.flatten(1, 2), weight[..., columns])
        return out.view(*frames.shape[:3], -1)


class TransformerLayer(nn.Module):
    r"""One layer of N transformers: attention, then a feed-forward network, each on a residual path.

    .. math:: \hat z = z + A(\mathrm{LN}(z), \mathrm{LN}(s)), \qquad z' = \hat z + F(\mathrm{LN}(\hat z))

    Args:
        members: transformers side by side, N.
        width: features of a frame, D.
        heads: attention heads, a divisor of the width.
        dropout: probability of dropping a unit of what attention and the feed-forward network add.
        attention_dropout: probability of dropping an attention weight.
    """

    def __init__(self, members: int, width: int, heads: int, *, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.project = ParallelLinear(members, width, 3 * width)  # queries, keys, values
        self.combine = ParallelLinear(members, width, width)
        self.expand = ParallelLinear(members, width, 4 * width)
        self.contract = ParallelLinear(members, 4 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.attention_dropout = nn.Dropout(attention_dropout)
        with torch.no_grad():
            # Start near the identity: what is added on the residual paths is small at first.
            self.combine.weight.mul_(_RESIDUAL_SCALE)
            self.contract.weight.mul_(_RESIDUAL_SCALE)

    def forward(self, target: Tensor, mask: Tensor, chosen: Sequence[int], source: Tensor | None = None) -> Tensor:
        """Return new frames ``(n, B, T, D)`` of the target.

        Args:
            target: frames.
            mask: ``(n, B, S)``, which frames of the source are real.
            chosen: which members run.
            source: normalised frames ``(n, B, S, D)``; ``None`` for a target that attends to itself.
        """
        attended = self._attend(normalize(target), source, mask, chosen)
        target = target + self.dropout(attended)
        hidden = functional.relu(self.expand(normalize(target), chosen))
        result: Tensor = target + self.dropout(self.contract(hidden, chosen))
        return result

    def _attend(self, target: Tensor, source: Tensor | None, mask: Tensor, chosen: Sequence[int]) -> Tensor:
        """Multi-head attention; exactly zero where the source is absent."""
        drop = self.attention_dropout.p if self.training else 0.0
        if mask.shape[-1] == 1 and not drop:
            # With one frame, attention is 1.
            mixed = self.project(target if source is None else source, chosen, slice(2 * self.width, None))
        else:
            mixed = self._mix(self._by_head(target, source, chosen), mask, drop)
        return torch.where(mask.any(dim=-1)[..., None, None], self.combine(mixed, chosen), 0.0)

    def _mix(self, projected: list[Tensor], mask: Tensor, drop: float) -> Tensor:
        """Values of the source, mixed for each query: ``(n, B, T, D)``."""
        # A softmax over no key is NaN: where there is none, attend to the first and drop the result.
        some = torch.cat([mask[..., :1] | ~mask.any(dim=-1, keepdim=True), mask[..., 1:]], dim=-1)
        query, key, value = projected
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=some.flatten(0, 1)[:, None, None, :], dropout_p=drop
        )
        return mixed.transpose(1, 2).reshape(*mask.shape[:2], -1, self.width)

    def _by_head(self, target: Tensor, source: Tensor | None, chosen: Sequence[int]) -> list[Tensor]:
        """Queries, keys and values, ``(n * B, heads, T or S, D / heads)`` each."""
        columns = [(target, slice(None))]
        if source is not None:
            columns = [(target, slice(self.width)), (source, slice(self.width, None))]
        projected = [self.project(frames, chosen, part) for frames, part in columns]
        size = self.width // self.heads
        split = [each.view(-1, each.shape[2], each.shape[3] // self.width, self.heads, size) for each in projected]
        return [part.transpose(1, 2) for each in split for part in each.unbind(2)]


class CrossmodalTransformers(nn.Module):
    """One transformer per ordered pair of modalities: the target's frames attend to the source's.

    Only the target's frames change; every layer attends to the source's original frames. Pairs of equal lengths run at
    once: all of them where the data are aligned, or have one frame per modality.

    Args:
        modalities: how many, M; there are M (M - 1) transformers.
        width: features of a frame, D.
        heads: attention heads, a divisor of the width.
        layers: layers of each transformer.
        dropout: probability of dropping a unit of what attention and feed-forward networks add to the frames.
        attention_dropout: probability of dropping an attention weight.

    Source: Tsai et al., *Multimodal Transformer for Unaligned Multimodal Language Sequences*, ACL 2019, sections 3.1
    and 3.2.

    Example:
        >>> def frames(count):
        ...     return ModalitySequence(torch.zeros(2, count, 8), torch.ones(2, count, dtype=torch.bool))
        >>> transformers = CrossmodalTransformers(3, 8, 2, 1, dropout=0.0, attention_dropout=0.0)
        >>> [tuple(told.shape) for told in transformers([frames(5), frames(1), frames(9)])]
        [(2, 5, 16), (2, 1, 16), (2, 9, 16)]
    """

    def __init__(
        self, modalities: int, width: int, heads: int, layers: int, *, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.pairs = list(itertools.permutations(range(modalities), 2))
        self.layers = nn.ModuleList(
            TransformerLayer(len(self.pairs), width, heads, dropout=dropout, attention_dropout=attention_dropout)
            for _ in range(layers)
        )

    def forward(self, sequences: Sequence[ModalitySequence]) -> list[Tensor]:
        """Return the frames ``(B, T_m, (M - 1) D)`` of each target m, the results of all sources concatenated."""
        normal = [normalize(sequence.values) for sequence in sequences]
        told: dict[int, Tensor] = {}
        for chosen in _alike([(sequences[m].mask.shape[1], sequences[n].mask.shape[1]) for m, n in self.pairs]):
            targets, sources = zip(*(self.pairs[pair] for pair in chosen), strict=True)
            frames = torch.stack([sequences[m].values for m in targets])
            mask = torch.stack([sequences[n].mask for n in sources])
            source = torch.stack([normal[n] for n in sources])
            for layer in self.layers:
                frames = layer(frames, mask, chosen, source)
            told.update(zip(chosen, normalize(frames).unbind(0), strict=True))
        return [
            torch.cat([told[pair] for pair, (target, _) in enumerate(self.pairs) if target == m], dim=-1)
            for m in range(len(sequences))
        ]


class SelfAttentionTransformers(nn.Module):
    """One transformer per modality, of which the last frame is returned.

    In the last layer only the last frame is a query, since no other result is read.

    Args:
        members: how many, M.
        width: features of a frame, D.
        heads: attention heads, a divisor of the width.
        layers: layers of each transformer.
        dropout: probability of dropping a unit of what attention and feed-forward networks add to the frames.
        attention_dropout: probability of dropping an attention weight.

    Example:
        >>> frames = ModalitySequence(torch.zeros(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))
        >>> SelfAttentionTransformers(3, 8, 2, 1, dropout=0.0, attention_dropout=0.0)([frames] * 3).shape
        torch.Size([2, 24])
    """

    def __init__(
        self, members: int, width: int, heads: int, layers: int, *, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(members, width, heads, dropout=dropout, attention_dropout=attention_dropout)
            for _ in range(layers)
        )

    def forward(self, sequences: Sequence[ModalitySequence]) -> Tensor:
        """Return the last real frame of each modality, concatenated ``(B, M D)``; zero where there is none."""
        last: dict[int, Tensor] = {}
        for chosen in _alike([sequence.mask.shape[1] for sequence in sequences]):
            frames = torch.stack([sequences[m].values for m in chosen])
            mask = torch.stack([sequences[m].mask for m in chosen])
            for layer in list(self.layers)[:-1]:
                frames = layer(frames, mask, chosen)
            asking = last_frame(ModalitySequence(frames.flatten(0, 1), mask.flatten(0, 1)))
            asking = asking.view(*mask.shape[:2], 1, -1)
            asking = self.layers[-1](asking, mask, chosen, normalize(frames))
            found = torch.where(mask.any(dim=-1, keepdim=True), normalize(asking).squeeze(2), 0.0)
            last.update(zip(chosen, found.unbind(0), strict=True))
        return torch.cat([last[m] for m in range(len(sequences))], dim=-1)


def _alike(shapes: Sequence[object]) -> list[list[int]]:
    """Return the positions of equal shapes, grouped, in the order of their first."""
    firsts = [place for place, shape in enumerate(shapes) if shape not in shapes[:place]]
    return [[place for place, shape in enumerate(shapes) if shape == shapes[first]] for first in firsts]
