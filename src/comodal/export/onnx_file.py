"""A trained model as one ONNX file, checked against PyTorch before it is kept.

Axis legend: B samples, T_m frames of modality m, d_m features of a frame.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch
from comodal.encoders.pooling import zero_padding
from comodal.encoders.temporal import TemporalConvolution
from comodal.evaluation.fitted_part import FittedPart
from comodal.evaluation.predictor import Predictor
from comodal.fusion import fusion_family
from comodal.training.build import build_model

__all__ = ["LONGEST", "TOLERANCE", "Folds", "largest_difference", "write_onnx"]

TOLERANCE = 1e-4
"""Largest difference from PyTorch, in units of the label."""
LONGEST = 1024
"""Most frames of a modality that a model with positions (mult) can take."""
_OPSET = 18
_PACKAGES = ("onnx", "onnxruntime")
_REFUSED = dict.fromkeys(
    ("mfn", "graph_mfn"), "its memory is written frame by frame, in a loop whose length depends on the samples"
)


class Folds(nn.Module):
    """The models of all folds as one network: features as they are in their file in, mean prediction out.

    It takes, for each modality in order, values ``(B, T_m, d_m)`` and mask ``(B, T_m)``; standardising is part of it,
    in double precision as everywhere.
    """

    def __init__(self, parts: Sequence[FittedPart]) -> None:
        super().__init__()
        self.names, self.task = parts[0].spec.modalities, parts[0].spec.task
        self.models = nn.ModuleList(_traceable(part) for part in parts)
        self.scales = [{name: _Scale(part, name) for name in part.standardizer.mean} for part in parts]
        self.eval()

    def forward(self, *tensors: Tensor) -> Tensor:
        """``(B,)`` or ``(B, K)``."""
        given = {name: ModalitySequence(*tensors[2 * k : 2 * k + 2]) for k, name in enumerate(self.names)}
        found = []
        for model, scales in zip(self.models, self.scales, strict=True):
            sequences = {name: scales[name](each) if name in scales else each for name, each in given.items()}
            logits = model(MultimodalBatch((), sequences, tensors[0].new_zeros(0))).logits
            found.append(self.task.predict(logits))
        return torch.stack(found).mean(dim=0)


class _Scale:
    """The standardisation of one modality, with PyTorch."""

    def __init__(self, part: FittedPart, name: str) -> None:
        scale = part.standardizer.of(name)
        self.mean, self.inverse = torch.from_numpy(scale.mean), torch.from_numpy(scale.inverse)
        self.clip = float(scale.clip)

    def __call__(self, sequence: ModalitySequence) -> ModalitySequence:
        scaled = (zero_padding(sequence).double() - self.mean) * self.inverse
        return ModalitySequence(scaled.clamp(-self.clip, self.clip).float(), sequence.mask)


class _ShiftedConvolution(nn.Module):
    """A :class:`TemporalConvolution` whose windows are made of shifted copies, which ONNX knows."""

    def __init__(self, convolution: TemporalConvolution) -> None:
        super().__init__()
        self.taps, self.kernel_size = convolution.taps, convolution.kernel_size

    def forward(self, sequence: ModalitySequence) -> ModalitySequence:
        reach = self.kernel_size // 2
        frames = functional.pad(zero_padding(sequence), (0, 0, reach, reach))
        length = sequence.mask.shape[1]
        windows = torch.stack([frames[:, k : k + length] for k in range(self.kernel_size)], dim=-1)
        # A view rather than `flatten`: the width stays a number, which a layer norm behind it needs to know.
        windows = windows.reshape(frames.shape[0], length, self.taps.in_features)
        return ModalitySequence(self.taps(windows), sequence.mask)


def write_onnx(predictor: Predictor, path: Path) -> float:
    """Write the mean of the folds as ONNX, unless it differs from PyTorch.

    The inputs are, for each modality, its name ``(B, T_m, d_m)`` float32 (a text of word pieces ``(B, T, 2)`` int64)
    and ``<name>_mask`` ``(B, T_m)`` bool; the output is ``prediction`` ``(B,)``. B and T_m may be any number; a model
    that needs aligned frames needs equal T_m here, too.
    """
    if not all(map(importlib.util.find_spec, _PACKAGES)):
        raise InputError.needs_extra("onnx", "ONNX files")
    fusion = predictor.parts[0].config.fusion
    if fusion in _REFUSED:
        raise InputError(
            f"{fusion} fusion cannot be exported to ONNX ({_REFUSED[fusion]}); leave --onnx out", code="unsupported"
        )
    folds = Folds(predictor.parts)
    try:
        _export(folds, _example(predictor.parts[0], rows=3, frames=5), path)
        worst = largest_difference(folds, predictor.parts[0], path)
    except InputError:
        raise
    except Exception as error:  # the exporter and the runtime raise whatever their many parts do
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"{fusion} fusion cannot be exported to ONNX ({reason}); leave --onnx out"
        raise InputError(message, code="unsupported") from error
    if not worst <= TOLERANCE:  # also where it is NaN
        raise InputError(
            f"{fusion} fusion cannot be exported to ONNX (predictions differ by {worst:.1e}, more than {TOLERANCE:g}); "
            "leave --onnx out",
            code="mismatch",
        )
    return worst


def largest_difference(folds: Folds, part: FittedPart, path: Path) -> float:
    """Largest difference between PyTorch and ONNX Runtime.

    Several numbers of samples and frames are tried, each with every modality hidden in turn.
    """
    import onnxruntime  # noqa: PLC0415 - of the extra [onnx]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # an error is raised, and need not be printed too
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    wanted_inputs = {each.name for each in session.get_inputs()}
    worst = 0.0
    for tensors in _samples(part):
        with torch.inference_mode():
            wanted = folds(*tensors).numpy()
        fed = {name: tensor.numpy() for name, tensor in zip(_names(folds), tensors, strict=True)}
        found: NDArray[Any] = session.run(None, {name: fed[name] for name in wanted_inputs})[0]
        if found.shape != wanted.shape:
            return math.nan
        worst = float(np.maximum(worst, np.abs(found - wanted).max()))  # NaN stays NaN
    return worst


def _export(folds: Folds, example: tuple[Tensor, ...], path: Path) -> None:
    names = _names(folds)
    axes = {name: {0: "batch", 1: f"{name.removesuffix('_mask')}_frames"} for name in names}
    # With gradients: without, PyTorch's own transformer layers take a path that ONNX does not have.
    with warnings.catch_warnings():
        # The tracer warns of every size that Python sees; whether it was right is what the check behind it finds out.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            folds,
            example,
            str(path),
            dynamo=False,  # a second rather than minutes, and it keeps the number of frames free
            input_names=names,
            output_names=["prediction"],
            dynamic_axes={**axes, "prediction": {0: "batch"}},
            opset_version=_OPSET,
        )


def _names(folds: Folds) -> list[str]:
    return [each for name in folds.names for each in (name, f"{name}_mask")]


def _traceable(part: FittedPart) -> nn.Module:
    """A model of the same weights, whose operations ONNX has; the model itself stays as it is."""
    model = build_model(replace(part.spec, max_lengths=dict.fromkeys(part.spec.dims, LONGEST)), part.config)
    model.load_state_dict(part.model.state_dict())
    for owner in list(model.modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, TemporalConvolution):
                setattr(owner, name, _ShiftedConvolution(child))
    found: nn.Module = model.eval()
    return found


def _samples(part: FittedPart) -> Iterator[tuple[Tensor, ...]]:
    for rows, frames in ((1, 1), (4, 1), (1, 7), (5, 3), (2, 12)):
        tensors = _example(part, rows=rows, frames=frames)
        yield tensors
        for k in range(1, len(tensors), 2):
            yield (*tensors[:k], torch.zeros_like(tensors[k]), *tensors[k + 1 :])


def _example(part: FittedPart, *, rows: int, frames: int) -> tuple[Tensor, ...]:
    """Return values and masks of every modality, scattered as in training, the last sample one frame shorter."""
    generator = torch.Generator().manual_seed(rows + frames)
    aligned = fusion_family(part.config.fusion).model.input_spec.aligned
    tensors: list[Tensor] = []
    for k, (name, dim) in enumerate(part.spec.dims.items()):
        steps = frames if aligned or frames == 1 else frames + k
        mask = torch.ones(rows, steps, dtype=torch.bool)
        mask[-1, max(1, steps - 1) :] = False
        if name in part.standardizer.mean:
            noise = torch.randn(rows, steps, dim, generator=generator, dtype=torch.float64)
            values = noise * torch.from_numpy(part.standardizer.std[name]) + torch.from_numpy(
                part.standardizer.mean[name]
            )
            tensors += [values.float(), mask]
        else:
            vocabulary = 2 if part.spec.tokens is None else part.spec.tokens.vocabulary
            pieces = torch.randint(vocabulary, (rows, steps), generator=generator)
            tensors += [torch.stack([pieces, torch.zeros_like(pieces)], dim=-1), mask]
    return tuple(tensors)
