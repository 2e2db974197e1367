"""Early fusion LSTM (EF-LSTM): one recurrent network over the frames of all modalities side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import DatasetSpec, FusionOutput, InputSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import ModalityDropout, align, last_frame, presence, require_modalities
from comodal.fusion.head import Head, init_behind_relu
from comodal.fusion.option_checks import require_options

__all__ = ["EFLSTM", "EFLSTMConfig"]


@dataclass(frozen=True)
class EFLSTMConfig:
    """Options of :class:`EFLSTM`.

    Attributes:
        layers: recurrent layers, one on top of the other.
        hidden: width of each layer's state, of the representations and of the fused vector.
        input_dropout: probability of dropping an input feature at all steps of a sample.
        input_scale: factor of the standardised features. Below 1, the cells start nearly linear in them and the input
            weights learn slowly, which reduces overfitting of wide states to few labels. For hundreds of features, one
            over the square root of their number is a good start: frames of about unit length.
        dropout: probability of dropping a unit of the state, between layers and after the last.
        modality_dropout: probability of hiding a whole modality while training.
    """

    layers: int = 1
    hidden: int = 128
    input_dropout: float = 0.3
    input_scale: float = 1.0
    dropout: float = 0.5
    modality_dropout: float = 0.0

    def __post_init__(self) -> None:
        require_options(self, "EF-LSTM", positive=["layers", "hidden", "input_scale"])


class EFLSTM(nn.Module):
    r"""One LSTM over the frames of all modalities, concatenated at each step.

    .. math::
        x_t = \epsilon\, [x^{(1)}_t; \dots; x^{(M)}_t], \qquad s_t = \mathrm{LSTM}(x_t, s_{t-1}), \qquad
        h = \mathrm{ReLU}(W s_T + b), \qquad \hat y = v^\top h + c

    Here :math:`\epsilon` is ``input_scale``, :math:`T` the last real step of the sample and :math:`s_T` the last
    layer's state there. The only frame of a modality is repeated at every step; an absent or hidden modality is zero.

    There are no unimodal encoders. A modality is by itself only in what it writes into the cell of the first layer,
    before the sum over modalities in :math:`\tanh(\sum_m W^{(m)}_g x^{(m)}_t + U_g s_{t-1} + b_g)`. The text, audio and
    vision representations that a penalty sees are those terms, averaged over the real steps of the modality,

    .. math:: z_m = W^{(m)}_g \, \tfrac{\epsilon}{T_m} \sum_{t \le T_m} x^{(m)}_t

    with the weights of the network itself, so that a penalty trains them; zero for an absent modality. No dropout is
    applied to them.

    Args:
        spec: what the data set holds; any number of modalities, one included, word-aligned.
        config: sizes and dropout rates.

    Source: Hochreiter and Schmidhuber, *Long Short-Term Memory*, Neural Computation 1997, with the forget gate of Gers
    et al. (2000), on concatenated input: the EF-LSTM that Zadeh et al., *Memory Fusion Network*, AAAI 2018, compare
    with. Popular ports normalise each step over the batch, padding included, and take the state after the padding; here
    inputs are standardised beforehand and the state is that of the last real step. Their L2 penalty inside Adam lets
    the model end at a constant; decay here is decoupled. Input dropout that is the same at every step: Gal and
    Ghahramani, NeurIPS 2016. Forget gates that start open: Jozefowicz et al., ICML 2015.

    Example:
        >>> spec = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 3, "audio": 3})
        >>> frames = torch.ones(5, 3, dtype=torch.bool)
        >>> sequences = {name: ModalitySequence(torch.randn(5, 3, dim), frames) for name, dim in spec.dims.items()}
        >>> out = EFLSTM(spec, EFLSTMConfig(hidden=8))(MultimodalBatch(tuple("abcde"), sequences, torch.zeros(5)))
        >>> out.logits.shape, out.representations["audio"].shape
        (torch.Size([5, 1]), torch.Size([5, 8]))
    """

    input_spec = InputSpec(aligned=True)

    def __init__(self, spec: DatasetSpec, config: EFLSTMConfig | None = None) -> None:
        super().__init__()
        config = config or EFLSTMConfig()
        self._widths = list(spec.dims.values())
        self.input_scale = config.input_scale
        self.modality_dropout = ModalityDropout(config.modality_dropout)
        self.input_dropout = nn.Dropout(config.input_dropout)
        between = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(sum(spec.dims.values()), config.hidden, config.layers, dropout=between)
        layer = nn.Linear(config.hidden, config.hidden)
        self.fuse = nn.Sequential(nn.Dropout(config.dropout), layer, nn.ReLU())
        self.head = Head(config.hidden, spec.task.width)
        init_behind_relu(layer, self.head)
        _open_forget_gates(self.lstm)
        self.dims = dict.fromkeys(spec.modalities, config.hidden)
        self.fused_dim = config.hidden

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch.

        Raises:
            InputError: the batch lacks a modality of the spec; an absent one is a mask that is all false.
        """
        require_modalities(batch, self.dims)
        sequences, _ = align(batch, self.dims)
        # (T, B, d): the recurrence would copy any other order.
        frames = torch.cat([sequence.values.transpose(0, 1) for sequence in sequences.values()], dim=2)
        means = self._means(frames, sequences)
        kept = self.modality_dropout(presence(batch, self.dims))
        states, written = self._recur(frames.mul_(self._heard(kept, frames)), means)  # in place: one copy less
        fused = self.fuse(last_frame(ModalitySequence(states.transpose(0, 1), _steps(batch, self.dims, kept))))
        return FusionOutput(self.head(fused), fused, dict(zip(self.dims, written, strict=True)))

    def _means(self, frames: Tensor, sequences: Mapping[str, ModalitySequence]) -> list[Tensor]:
        """Return the scaled mean ``(B, d_m)`` of the frames of each modality."""
        sums = torch.split(frames.sum(dim=0), self._widths, dim=1)
        counts = [sequence.mask.sum(dim=1, keepdim=True).clamp_min(1) for sequence in sequences.values()]
        return [total / count * self.input_scale for total, count in zip(sums, counts, strict=True)]

    def _heard(self, kept: Tensor, frames: Tensor) -> Tensor:
        """Return the factor ``(B, d)`` of all frames: the scale, or zero for hidden modalities and dropped features.

        It is drawn once per sample: one draw per frame costs a fifth of the recurrence.
        """
        said = [kept[:, m : m + 1].expand(-1, width) for m, width in enumerate(self._widths)]
        heard: Tensor = self.input_dropout(torch.cat(said, dim=1).to(frames.dtype) * self.input_scale)
        return heard

    def _recur(self, frames: Tensor, means: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the states ``(B, T, hidden)`` of the last layer and the representation of each modality.

        All uses of the LSTM are here, so that TorchDynamo, which does not trace it, breaks the graph once.
        """
        states = _single_step(self.lstm, frames) if len(frames) == 1 else self.lstm(frames)[0]
        _, _, candidate, _ = self.lstm.get_parameter("weight_ih_l0").chunk(4)  # after the input and the forget gate
        weights = torch.split(candidate, self._widths, dim=1)
        return states, [functional.linear(mean, weight) for mean, weight in zip(means, weights, strict=True)]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group; ``encoders`` are the input weights."""
        encoder = self.lstm.get_parameter("weight_ih_l0")
        return {"encoders": [encoder], "fusion": [each for each in self.parameters() if each is not encoder]}


def _steps(batch: MultimodalBatch, names: Iterable[str], kept: Tensor) -> Tensor:
    """Return the steps ``(B, T)`` bool of the longest modality that is ``kept`` ``(B, M)``."""
    lengths = torch.stack([batch.modalities[name].mask.sum(dim=1) for name in names], dim=1)
    longest = max(batch.modalities[name].mask.shape[1] for name in names)
    return torch.arange(longest, device=kept.device) < (lengths * kept).amax(dim=1, keepdim=True)


def _single_step(lstm: nn.LSTM, frames: Tensor) -> Tensor:
    """Return the states ``(1, B, hidden)`` of the last layer after a single step of ``(1, B, d)`` frames.

    The state before it is zero, so only the product with the input is computed.
    """
    state = frames
    for layer in range(lstm.num_layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        of_input, of_state, bias, other = (lstm.get_parameter(f"{name}_l{layer}") for name in names)
        # A product with an empty state, so that its weights get a gradient of zero rather than none.
        idle = functional.linear(state.new_zeros(0, lstm.hidden_size), of_state).sum()
        write, _, content, read = functional.linear(state, of_input, bias + other + idle).chunk(4, dim=-1)
        state = read.sigmoid() * (write.sigmoid() * content.tanh()).tanh()
        if layer + 1 < lstm.num_layers:
            state = functional.dropout(state, lstm.dropout, lstm.training)
    return state


def _open_forget_gates(lstm: nn.LSTM) -> None:
    """Set the bias of forget gates to 1: at PyTorch's bias near 0, half of a cell is lost at every step."""
    for layer in range(lstm.num_layers):
        bias = getattr(lstm, f"bias_ih_l{layer}")
        with torch.no_grad():
            bias.chunk(4)[1].fill_(1.0)
