"""Multimodal transformer (MulT): every modality attends to every other, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import ModalityDropout, masked_mean, presence
from comodal.encoders.temporal import TemporalEncoders, sinusoidal_positions
from comodal.fusion.crossmodal import CrossmodalTransformers, SelfAttentionTransformers
from comodal.fusion.head import Head, init_behind_relu, split_off
from comodal.fusion.option_checks import require_options

__all__ = ["MulT", "MulTConfig"]


@dataclass(frozen=True)
class MulTConfig:
    """Options of :class:`MulT`.

    Attributes:
        width: features of a convolved frame, D, which are those of a crossmodal transformer.
        heads: attention heads of every transformer, a divisor of the width.
        layers: layers of each crossmodal transformer.
        self_layers: layers of each self-attention transformer.
        kernel_size: taps of the temporal convolution, odd: one number for all modalities, or one for each by name.
        input_dropout: probability of dropping an input feature.
        attention_dropout: probability of dropping an attention weight; above 0 it takes several times as long on a CPU,
            where PyTorch's fast attention draws no random numbers.
        dropout: probability of dropping a unit of what attention and feed-forward networks add to the frames.
        output_dropout: probability of dropping a hidden unit of the block behind the transformers.
        modality_dropout: probability of hiding a whole modality while training.
    """

    width: int = 32
    heads: int = 4
    layers: int = 2
    self_layers: int = 1
    kernel_size: int | dict[str, int] = 3
    input_dropout: float = 0.5
    attention_dropout: float = 0.0
    dropout: float = 0.2
    output_dropout: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        shares = ["input_dropout", "attention_dropout", "dropout", "output_dropout"]
        require_options(self, "MulT", positive=["width", "heads", "layers", "self_layers"], probabilities=shares)
        if self.width % self.heads:
            raise InputError(
                f"MulT width {self.width} is not a multiple of {self.heads} heads: change one of them", code="conflict"
            )


class MulT(nn.Module):
    r"""Crossmodal transformers between all pairs of modalities, whose sequences may have different lengths.

    .. math::
        \hat x^{(m)} &= \mathrm{Conv}^{(m)}(x^{(m)}), \qquad z^{(m)}_t = \hat x^{(m)}_t + P_t \\
        u^{(n \to m)} &= \mathrm{Crossmodal}^{(n \to m)}(z^{(m)}, z^{(n)}), \qquad n \neq m \\
        v^{(m)} &= \mathrm{SelfAttention}^{(m)}\big([u^{(n \to m)}]_{n \neq m}\big)_{T_m} \\
        h &= v + W_2\, \mathrm{ReLU}(W_1 v + b_1) + b_2, \qquad v = [v^{(1)}; \dots; v^{(M)}], \qquad
        \hat y = w^\top h + c

    Here :math:`P_t` is the position (:func:`~comodal.encoders.temporal.sinusoidal_positions`) and :math:`T_m` the last
    real frame. Layers are those of :class:`~comodal.fusion.crossmodal.TransformerLayer`; in a crossmodal transformer
    the target makes the queries, and in every layer the keys and values are the frames :math:`z^{(n)}` of the source.
    Crossmodal transformers have width D, self-attention transformers (M - 1) D. There are M (M - 1) of the former, so
    time and weights grow with the square of the number of modalities. A modality alone has none: its frames go straight
    into its self-attention transformer, of width D.

    The text, audio and vision representations that a penalty sees are the means over time of the convolved frames
    :math:`\hat x^{(m)}`, before any modality is hidden. From the first crossmodal layer on, the frames of a modality
    depend on the others: attention alone could satisfy a penalty on :math:`v^{(m)}`. Positions are left out of the
    mean, since they only depend on the length of a sample.

    Attention to an absent or hidden modality is exactly zero, and so is its own :math:`v^{(m)}`. A sample without any
    modality gets a constant.

    Args:
        spec: what the data set holds; any number of modalities, one included, of any lengths.
        config: sizes and dropout rates.

    Raises:
        InputError: kernel sizes that are even, not positive, or not one for each modality.

    Source: Tsai et al., *Multimodal Transformer for Unaligned Multimodal Language Sequences*, ACL 2019 (arXiv
    1906.00295), sections 3.1 and 3.2; kernel size as in its table 5, width and depth smaller for a CPU. Differences
    from the authors' code and its ports:

    - Padding is masked everywhere, and the last frame is the last real one; there, padding is attended to and read.
    - No frame is hidden from another, as in the equations. The code has a causal mask, on by default: the last frame,
      which is what is read, sees all others with or without it, and between modalities of different rates it compares
      indices that are no times.
    - Positions are added once, to the frames, and not again in front of self-attention; frames are not multiplied by
      the root of D first, which drowns the positions. A popular port has them switched off.
    - The convolution keeps every frame in its place, and is never left out where D is the number of features.
    - The residual paths are not normalised (equation 4 of the paper normalises them, the code does not).

    Example:
        >>> import torch
        >>> from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
        >>> model = MulT(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 5, "audio": 9}, aligned=False))
        >>> sequences = {n: ModalitySequence(torch.randn(3, t, d), torch.ones(3, t).bool()) for n, t, d in
        ...              [("text", 5, 4), ("audio", 9, 2)]}
        >>> model(MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3))).fused.shape
        torch.Size([3, 64])
    """

    input_spec = InputSpec()
    positions: Tensor

    def __init__(self, spec: DatasetSpec, config: MulTConfig | None = None) -> None:
        super().__init__()
        config = config or MulTConfig()
        self.dims = dict.fromkeys(spec.modalities, config.width)
        self.encoders = TemporalEncoders(
            spec.dims, config.width, kernel_size=config.kernel_size, dropout=config.input_dropout
        )
        longest = max(spec.max_lengths.values())
        self.register_buffer("positions", sinusoidal_positions(longest, config.width), persistent=False)
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        rates = {"dropout": config.dropout, "attention_dropout": config.attention_dropout}
        count, width = len(self.dims), config.width
        self.crossmodal = None
        if count > 1:
            self.crossmodal = CrossmodalTransformers(count, width, config.heads, config.layers, **rates)
            width *= count - 1
        self.memory = SelfAttentionTransformers(count, width, config.heads, config.self_layers, **rates)
        self.fused_dim = count * width
        self.block = nn.Sequential(
            nn.Linear(self.fused_dim, self.fused_dim),
            nn.ReLU(),
            nn.Dropout(config.output_dropout),
            nn.Linear(self.fused_dim, self.fused_dim),
        )
        self.head = Head(self.fused_dim, spec.task.width)
        init_behind_relu(self.head)

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch."""
        convolved = self.encoders(batch)
        sequences = self._placed(convolved, self.modality_dropout(presence(batch, convolved)))
        if self.crossmodal is not None:
            told = self.crossmodal(sequences)
            sequences = [ModalitySequence(t, s.mask) for t, s in zip(told, sequences, strict=True)]
        last = self.memory(sequences)
        fused = last + self.block(last)
        representations = {name: masked_mean(sequence) for name, sequence in convolved.items()}
        return FusionOutput(self.head(fused), fused, representations)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        return split_off(self.encoders, self)

    def _placed(self, convolved: Mapping[str, ModalitySequence], present: Tensor) -> list[ModalitySequence]:
        """Return frames with positions added; the masks of modalities that are not present are all false."""
        return [
            ModalitySequence(values + self._positions(values.shape[1]), mask & there.unsqueeze(1))
            for (values, mask), there in zip(convolved.values(), present.unbind(1), strict=True)
        ]

    def _positions(self, length: int) -> Tensor:
        if length <= len(self.positions):
            return self.positions[:length]
        return sinusoidal_positions(length, self.positions.shape[1]).to(self.positions)
