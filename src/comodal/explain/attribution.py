"""Attribution of predictions to inputs by integrated gradients over all modalities together.

Axis legend: B samples, K outputs, T frames, d features of a frame, P word pieces, H width of a piece's embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from comodal.contracts import Attribution, InputError, ModalitySequence, MultimodalBatch, Regression, Task, TokenSpec

__all__ = ["STEPS", "TOP_FEATURES", "Contributions", "attributions_of", "integrated_gradients"]

STEPS = (32, 128, 512)
"""Steps of the numerical integral; each number after the first is for samples that did not converge before."""

TOP_FEATURES = 10
AT_ONCE = 4096
TOLERANCE = 0.01
TEXT = "text"


class Contributions(NamedTuple):
    """Integrated gradients of a batch.

    Attributes:
        values: modality to ``(B, T, d)`` contributions, in units of the label or, of a class, of its logit; of word
            pieces ``(B, P, H)``.
        change: ``(B,)`` prediction or logit less that at the baseline; the contributions sum to it.
        residual: ``(B,)`` the sum less ``change``: the error of the numerical integral.
    """

    values: Mapping[str, Tensor]
    change: Tensor
    residual: Tensor


def integrated_gradients(
    model: nn.Module,
    batch: MultimodalBatch,
    *,
    task: Task | None = None,
    output: Tensor | None = None,
    tokens: TokenSpec | None = None,
    steps: Sequence[int] = STEPS,
) -> Contributions:
    r"""Return the contribution of every input to one output of every sample, by integrated gradients from a baseline.

    .. math:: c_i = (x_i - b_i) \int_0^1 \frac{\partial \hat y}{\partial x_i}\bigl(b + t (x - b)\bigr)\, dt,
        \qquad \sum_i c_i = \hat y(x) - \hat y(b)

    For classes and labels :math:`\hat y` is the logit, whose contributions add up; those to a probability saturate.
    The baseline :math:`b` of standardised features is 0, their mean in the training part; that of word pieces is the
    embedding of the unknown piece. Masks stay: no modality is removed, but at the baseline it carries no information.

    Args:
        model: in evaluation mode.
        batch: B samples.
        task: of the model; a regression by default.
        output: ``(B,)`` number of the output to explain; the first by default.
        tokens: special ids of the tokenizer, for a model that reads word pieces.
        steps: of the integral, tried in turn until the sum is within 1 % of the change, or 0.01.

    Raises:
        InputError: captum is not installed (``needs_package``).

    Source: Sundararajan, Taly and Yan 2017, *Axiomatic Attribution for Deep Networks*; computed by captum.
    """
    tokens = tokens if tokens is not None and TEXT in batch.modalities else None
    point, baseline = _ends(model, batch, tokens)
    masks = tuple(sequence.mask for sequence in batch.modalities.values())
    which = torch.zeros(len(batch), dtype=torch.int64) if output is None else output
    extra = (*masks, which, batch.modalities[TEXT].values) if tokens is not None else (*masks, which)
    forward = _forward(model, task or Regression(), tuple(batch.modalities), reads_pieces=tokens is not None)
    return _refined(forward, dict(zip(batch.modalities, point, strict=True)), baseline, extra, steps)


def attributions_of(
    batch: MultimodalBatch,
    found: Contributions,
    words: Sequence[Mapping[str, Sequence[str]]],
    *,
    outputs: Sequence[str] = (),
    pieces: bool = False,
) -> list[Attribution]:
    """Return the attributions of a batch, one per sample and modality that is present.

    Args:
        batch: B samples.
        found: their contributions.
        words: for each sample, modality to the words its frames stand for; empty for other modalities.
        outputs: name of the explained output of each sample; empty for a single number.
        pieces: whether the text is word pieces; the features of their embeddings have no meaning and are left out.
    """
    named = outputs or [""] * len(batch)
    return [
        replace(
            _attribution(batch, found, row, name, words[row].get(name, ()), features=not (pieces and name == TEXT)),
            output=named[row],
        )
        for row in range(len(batch))
        for name, sequence in batch.modalities.items()
        if bool(sequence.present[row])
    ]


def _attribution(
    batch: MultimodalBatch, found: Contributions, row: int, name: str, words: Sequence[str], *, features: bool
) -> Attribution:
    values = found.values[name][row][batch.modalities[name].mask[row]].double()
    by_feature = values.sum(dim=0)
    top = by_feature.abs().argsort(descending=True, stable=True)[: TOP_FEATURES if features else 0].tolist()
    return Attribution(
        id=batch.id[row],
        modality=name,
        total=float(values.sum()),
        frames=tuple(values.sum(dim=1).tolist()),
        words=tuple(words) if len(words) == len(values) else (),
        features=tuple((place, float(by_feature[place])) for place in top),
    )


def _refined(
    forward: Callable[..., Tensor],
    point: Mapping[str, Tensor],
    baseline: tuple[Tensor, ...],
    extra: tuple[Tensor, ...],
    steps: Sequence[int],
) -> Contributions:
    """Return contributions with few steps, and with more for the samples whose sum is still off."""
    inputs = tuple(point.values())
    with torch.no_grad():
        change = forward(*inputs, *extra) - forward(*baseline, *extra)
    values = {name: torch.zeros_like(each) for name, each in point.items()}
    residual = torch.full_like(change, torch.inf)
    for count in steps:
        rows = (residual.abs() > TOLERANCE * change.abs().clamp(min=1.0)).nonzero().squeeze(1)
        if not len(rows):
            break
        for some in torch.split(rows, max(1, AT_ONCE // count)):
            ends, start, known = (tuple(each[some] for each in part) for part in (inputs, baseline, extra))
            parts = _integral(forward, ends, start, known, steps=count)
            for name, part in zip(point, parts, strict=True):
                values[name][some] = part
            residual[some] = torch.stack([part.flatten(1).sum(dim=1) for part in parts]).sum(dim=0) - change[some]
    return Contributions(values, change, residual)


def _integral(
    forward: Callable[..., Tensor],
    inputs: tuple[Tensor, ...],
    baseline: tuple[Tensor, ...],
    extra: tuple[Tensor, ...],
    *,
    steps: int,
) -> tuple[Tensor, ...]:
    try:
        from captum.attr import IntegratedGradients  # noqa: PLC0415 - keeps `import comodal` light
    except ImportError as error:
        raise InputError.needs_extra("explain", "attributions") from error
    found: tuple[Tensor, ...] = IntegratedGradients(forward).attribute(
        inputs, baselines=baseline, additional_forward_args=extra, n_steps=steps
    )
    return tuple(part.detach().to(given.dtype) for part, given in zip(found, inputs, strict=True))


def _forward(model: nn.Module, task: Task, names: tuple[str, ...], *, reads_pieces: bool) -> Callable[..., Tensor]:
    """Return one output as a function of values, masks, its number and, for a model of word pieces, their ids."""

    def explained(values: Mapping[str, Tensor], masks: Sequence[Tensor], which: Tensor) -> Tensor:
        logits = task.output_logits(_logits(model, values, masks))
        return logits.gather(1, which.unsqueeze(1)).squeeze(1)

    def forward(*given: Tensor) -> Tensor:
        values, masks = dict(zip(names, given, strict=False)), given[len(names) : 2 * len(names)]
        which = given[2 * len(names)]
        # Captum needs a gradient for every input, also for one that the model ignores.
        unused = torch.stack([0.0 * value.flatten(1).sum(dim=1) for value in values.values()]).sum(dim=0)
        if not reads_pieces:
            return explained(values, masks, which) + unused
        embedded, ids = values[TEXT], given[-1]
        with _embedding(model).register_forward_hook(lambda *_: embedded):
            return explained({**values, TEXT: ids}, masks, which) + unused

    return forward


def _logits(model: nn.Module, values: Mapping[str, Tensor], masks: Sequence[Tensor]) -> Tensor:
    sequences = {n: ModalitySequence(v, mask) for (n, v), mask in zip(values.items(), masks, strict=True)}
    size = len(masks[0])
    logits: Tensor = model(MultimodalBatch(("",) * size, sequences, torch.zeros(size))).logits
    return logits


def _ends(
    model: nn.Module, batch: MultimodalBatch, tokens: TokenSpec | None
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the inputs and their baseline."""
    point = {name: sequence.values for name, sequence in batch.modalities.items()}
    baseline = {name: torch.zeros_like(values) for name, values in point.items()}
    if tokens is not None:
        said = batch.modalities[TEXT].mask & ~torch.isin(point[TEXT][..., 0], torch.tensor(tokens.special_ids))
        nothing = point[TEXT].clone()
        nothing[..., 0] = torch.where(said, tokens.unknown_id, nothing[..., 0])
        masks = [sequence.mask for sequence in batch.modalities.values()]
        baseline[TEXT] = _embedded(model, {**point, TEXT: nothing}, masks)
        point[TEXT] = _embedded(model, point, masks)
    return tuple(point.values()), tuple(baseline.values())


def _embedding(model: nn.Module) -> nn.Module:
    found: nn.Module = model.encoder.model.get_input_embeddings()  # type: ignore[union-attr, operator]
    return found


def _embedded(model: nn.Module, values: Mapping[str, Tensor], masks: Sequence[Tensor]) -> Tensor:
    """Return the embeddings of the word pieces, ``(B, P, H)``."""
    seen: list[Tensor] = []
    hook = _embedding(model).register_forward_hook(lambda *hooked: seen.append(hooked[2].detach()))
    with hook, torch.no_grad():
        _logits(model, values, masks)
    return seen[0]
