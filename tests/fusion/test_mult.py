from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from comodal.contracts import DatasetSpec, FusionOutput, ModalitySequence, MultimodalBatch
from comodal.fusion import MulT, MulTConfig

NAMES = ("text", "audio", "vision", "touch", "smell")
DIMS = (5, 3, 4, 2, 3)
SMALL = MulTConfig(width=6, heads=2, layers=2, self_layers=2)

Array = np.ndarray[Any, np.dtype[np.float64]]


def batch_of(lengths: dict[str, list[int]], *, longest: int = 0) -> tuple[DatasetSpec, MultimodalBatch]:
    """Samples whose modalities have these numbers of real frames; 0 is an absent one."""
    sequences = {}
    for name, dim in zip(NAMES, DIMS, strict=False):
        if name not in lengths:
            continue
        steps = max(longest, *lengths[name])
        mask = torch.arange(steps) < torch.tensor(lengths[name]).unsqueeze(1)
        values = torch.randn(len(mask), steps, dim, dtype=torch.float64)
        sequences[name] = ModalitySequence(torch.where(mask.unsqueeze(-1), values, float("nan")), mask)
    rows = len(next(iter(lengths.values())))
    batch = MultimodalBatch(tuple(map(str, range(rows))), sequences, torch.zeros(rows))
    spec = DatasetSpec(
        "toy",
        {name: dim for name, dim in zip(NAMES, DIMS, strict=False) if name in lengths},
        {name: sequence.mask.shape[1] for name, sequence in sequences.items()},
        aligned=False,
    )
    return spec, batch


def shaken(spec: DatasetSpec, config: MulTConfig = SMALL) -> MulT:
    """In double precision and evaluation, every weight of a scale that shows."""
    model = MulT(spec, config).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model


# --- the equations written out: one sample, real frames alone, a loop over everything ----------------------------


def numbers(tensor: torch.Tensor) -> Array:
    return tensor.detach().double().numpy()


def standardized(frame: Array) -> Array:
    return (frame - frame.mean()) / math.sqrt(frame.var() + 1e-5)


def convolved(model: MulT, name: str, frames: Array) -> Array:
    encoder: Any = model.encoders.encoders[name]
    weight, taps = numbers(encoder.taps.weight), encoder.kernel_size
    out = np.zeros((len(frames), len(weight)))
    for t in range(len(frames)):
        for unit in range(len(weight)):
            for tap in range(taps):
                neighbour = t + tap - taps // 2
                if 0 <= neighbour < len(frames):
                    for feature in range(frames.shape[1]):
                        out[t, unit] += weight[unit, feature * taps + tap] * frames[neighbour, feature]
    return out


def placed(frames: Array) -> Array:
    out, width = frames.copy(), frames.shape[1]
    for t in range(len(out)):
        for feature in range(width):
            angle = t / 10000 ** (2 * (feature // 2) / width)
            out[t, feature] += math.cos(angle) if feature % 2 else math.sin(angle)
    return out


def affine(maps: Any, member: int, frame: Array) -> Array:
    weight, bias = numbers(maps.weight)[member], numbers(maps.bias)
    outputs = weight.shape[1]
    return frame @ weight + bias[member * outputs : (member + 1) * outputs]


def layer_by_loop(layer: Any, member: int, target: Array, source: Array) -> Array:
    """Equations 1 and 4 for every frame of the target; the source's frames are normalised already."""
    width, heads = layer.width, layer.heads
    size, out = width // heads, []
    asked = [affine(layer.project, member, frame) for frame in source]
    for frame in target:
        query = affine(layer.project, member, standardized(frame))[:width]
        mixed = np.zeros(width)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = [math.exp(query[part] @ each[width : 2 * width][part] / math.sqrt(size)) for each in asked]
            for score, each in zip(scores, asked, strict=True):
                mixed[part] += score / sum(scores) * each[2 * width :][part]
        told = affine(layer.combine, member, mixed) if asked else np.zeros(width)
        between = frame + told
        hidden = np.maximum(affine(layer.expand, member, standardized(between)), 0.0)
        out.append(between + affine(layer.contract, member, hidden))
    return np.array(out)


def crossmodal_by_loop(model: MulT, frames: list[Array], m: int) -> Array:
    """What every source tells the frames of target m, side by side."""
    transformers: Any = model.crossmodal
    if transformers is None:
        return frames[m]
    told = []
    for n in range(len(frames)):
        if n == m:
            continue
        pair, states = transformers.pairs.index((m, n)), frames[m]
        source = np.array([standardized(frame) for frame in frames[n]])
        for layer in transformers.layers:
            states = layer_by_loop(layer, pair, states, source)
        told.append([standardized(state) for state in states])
    return np.concatenate(told, axis=1)


def sample_by_loop(model: MulT, frames: dict[str, Array]) -> tuple[float, Array, dict[str, Array]]:
    """Prediction, fused vector and representations of one sample from its real frames."""
    alone = {name: convolved(model, name, each) for name, each in frames.items()}
    sequences = [placed(each) for each in alone.values()]
    last = []
    for m, sequence in enumerate(sequences):
        width = model.fused_dim // len(sequences)
        if len(sequence) == 0:
            last.append(np.zeros(width))
            continue
        states = crossmodal_by_loop(model, sequences, m)
        for layer in model.memory.layers:
            states = layer_by_loop(layer, m, states, np.array([standardized(state) for state in states]))
        last.append(standardized(states[-1]))
    side_by_side = np.concatenate(last)
    first, second = model.block[0], model.block[3]
    hidden = np.maximum(numbers(first.weight) @ side_by_side + numbers(first.bias), 0.0)  # type: ignore[arg-type]
    fused = side_by_side + numbers(second.weight) @ hidden + numbers(second.bias)  # type: ignore[arg-type]
    prediction = float(numbers(model.head.weight)[0] @ fused + model.head.bias.item())
    means = {name: each.mean(axis=0) if len(each) else np.zeros(each.shape[1]) for name, each in alone.items()}
    return prediction, fused, means


LENGTHS: list[dict[str, list[int]]] = [
    {"text": [1, 0, 1]},
    {"text": [3, 1, 5, 0]},
    {"text": [1, 1, 0], "audio": [1, 0, 0]},
    {"text": [3, 2, 1, 0], "audio": [4, 0, 7, 2]},
    {"text": [1, 1, 0, 1], "audio": [1, 0, 1, 1], "vision": [1, 1, 1, 0]},
    {"text": [3, 2, 3, 0], "audio": [3, 2, 0, 1], "vision": [3, 2, 1, 2]},
    {"text": [3, 2, 0, 2], "audio": [2, 5, 4, 0], "vision": [1, 0, 6, 0]},
]


def apart(out: FusionOutput, row: int, wanted: tuple[float, Array, dict[str, Array]]) -> set[str]:
    """Names of the results of one sample that are not what the loops say."""
    prediction, fused, means = wanted
    pairs = {"prediction": (out.logits.squeeze(1), prediction), "fused": (out.fused, fused)}
    pairs |= {name: (out.representations[name], mean) for name, mean in means.items()}
    return {name for name, (got, want) in pairs.items() if not np.allclose(numbers(got[row]), want, atol=1e-5)}


def real_frames(batch: MultimodalBatch, row: int) -> dict[str, Array]:
    return {name: s.values[row][s.mask[row]].numpy() for name, s in batch.modalities.items()}


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_equals_the_equations_written_out(lengths: dict[str, list[int]], kernel_size: int) -> None:
    spec, batch = batch_of(lengths)
    model = shaken(spec, dataclasses.replace(SMALL, kernel_size=kernel_size))
    out = model(batch)
    assert set(out.representations) == set(lengths)
    for row in range(len(batch)):
        assert apart(out, row, sample_by_loop(model, real_frames(batch, row))) == set()


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_the_comparison_sees_a_frame_too_many(lengths: dict[str, list[int]]) -> None:
    """Also the only one of a modality that is absent: in everything but what the other modalities say alone."""
    spec, batch = batch_of(lengths)
    model = shaken(spec)
    out = model(batch)
    for row in range(len(batch)):
        for name, frames in real_frames(batch, row).items():
            longer = {**real_frames(batch, row), name: np.concatenate([frames, np.ones((1, frames.shape[1]))])}
            assert apart(out, row, sample_by_loop(model, longer)) == {"prediction", "fused", name}


# --- what it depends on ---------------------------------------------------------------------------------------------


def reordered(batch: MultimodalBatch, name: str, order: list[int]) -> MultimodalBatch:
    sequence = batch.modalities[name]
    moved = ModalitySequence(sequence.values[:, order], sequence.mask)
    return dataclasses.replace(batch, modalities={**batch.modalities, name: moved})


def test_the_order_of_frames_is_known_by_their_positions_alone() -> None:
    """Taps of one frame know no neighbours; without positions frames before the last could come in any order."""
    spec, batch = batch_of({"text": [3, 3], "audio": [5, 5]})
    model = shaken(spec, dataclasses.replace(SMALL, kernel_size=1))
    moved = reordered(batch, "audio", [2, 0, 3, 1, 4])
    assert not torch.isclose(model(moved).logits, model(batch).logits).any()
    model.positions.zero_()
    torch.testing.assert_close(model(moved).logits, model(batch).logits)


def test_a_batch_longer_than_the_data_set_said() -> None:
    spec, batch = batch_of({"text": [4, 9], "audio": [6, 12]})
    model = shaken(spec)
    shorter = MulT(dataclasses.replace(spec, max_lengths={"text": 2, "audio": 3}), SMALL).double().eval()
    shorter.load_state_dict(model.state_dict())
    torch.testing.assert_close(shorter(batch).logits, model(batch).logits, atol=1e-6, rtol=1e-5)


def test_a_hidden_modality_is_an_absent_one_to_the_fusion_and_seen_by_the_penalty() -> None:
    spec, batch = batch_of({"text": [3, 2, 4], "audio": [2, 5, 1]})
    model = shaken(spec)

    class HideAudio(nn.Module):
        def forward(self, present: torch.Tensor) -> torch.Tensor:
            return present & torch.tensor([True, False])

    absent = ModalitySequence(batch.modalities["audio"].values, torch.zeros_like(batch.modalities["audio"].mask))
    wanted = model(dataclasses.replace(batch, modalities={**batch.modalities, "audio": absent}))
    seen = model(batch).representations["audio"]
    model.modality_dropout = HideAudio()  # type: ignore[assignment]
    out = model(batch)
    torch.testing.assert_close(out.logits, wanted.logits)
    assert torch.equal(out.representations["audio"], seen)
    assert not wanted.representations["audio"].any()


@pytest.mark.parametrize("option", ["input_dropout", "attention_dropout", "dropout", "output_dropout"])
def test_every_dropout_does_something_and_only_in_training(option: str) -> None:
    spec, batch = batch_of({"text": [3, 2], "audio": [4, 1]})
    rates = {"input_dropout": 0.0, "attention_dropout": 0.0, "dropout": 0.0, "output_dropout": 0.0}
    still = shaken(spec, dataclasses.replace(SMALL, **rates))
    model = MulT(spec, dataclasses.replace(SMALL, **(rates | {option: 0.5}))).double()
    model.load_state_dict(still.state_dict())
    torch.testing.assert_close(still.train()(batch).logits, still.eval()(batch).logits)
    torch.testing.assert_close(model.eval()(batch).logits, still(batch).logits)
    assert not torch.isclose(model.train()(batch).logits, still(batch).logits).all()


@pytest.mark.parametrize("modalities", [1, 2, 3, 5])
def test_there_is_a_transformer_for_every_ordered_pair(modalities: int) -> None:
    spec, _ = batch_of({name: [2] for name in NAMES[:modalities]})
    model = MulT(spec, SMALL)
    layers = [] if model.crossmodal is None else [layer.project.weight for layer in model.crossmodal.layers]
    pairs = modalities * (modalities - 1)
    assert [len(weight) for weight in layers] == ([pairs] * SMALL.layers if pairs else [])  # type: ignore[arg-type]
    assert model.fused_dim == SMALL.width * (pairs or 1)


def test_a_width_of_features_is_convolved_all_the_same() -> None:
    """A port leaves the convolution out where it finds the width it wants."""
    spec = DatasetSpec("toy", {"text": 6}, {"text": 1})
    assert MulT(spec, SMALL).encoders.encoders["text"].taps.weight.shape == (6, 18)  # type: ignore[union-attr]
