from __future__ import annotations

import math

import pytest
import torch
from refusals import refused
from torch import Tensor
from torch.nn import functional

from comodal.contracts import ModalitySequence
from comodal.contracts.errors import Code
from comodal.encoders.temporal import TemporalConvolution, TemporalEncoders, sinusoidal_positions


def ragged(rows: int, steps: int, dim: int) -> ModalitySequence:
    lengths = torch.randint(1, steps + 1, (rows, 1))
    lengths[0] = steps
    return ModalitySequence(torch.randn(rows, steps, dim, dtype=torch.float64), torch.arange(steps) < lengths)


@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_positions_equal_the_formula(width: int) -> None:
    table = sinusoidal_positions(40, width)
    assert table.shape == (40, width)
    for t in range(40):
        for feature in range(width):
            angle = t / 10000 ** ((feature - feature % 2) / width)
            wanted = math.cos(angle) if feature % 2 else math.sin(angle)
            assert table[t, feature].item() == pytest.approx(wanted, abs=1e-6)


def convolved_alone(encoder: TemporalConvolution, frames: Tensor) -> Tensor:
    """PyTorch's convolution of one sample's real frames, no padding in sight."""
    weight = encoder.taps.weight.view(encoder.taps.weight.shape[0], -1, encoder.kernel_size)
    return functional.conv1d(frames.T.unsqueeze(0), weight, padding=encoder.kernel_size // 2)[0].T


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_equals_a_convolution_of_the_real_frames_alone(kernel_size: int, steps: int) -> None:
    sequence = ragged(6, steps, 4)
    encoder = TemporalConvolution(4, 3, kernel_size=kernel_size).double().eval()
    got = encoder(sequence)
    assert got.values.shape == (6, steps, 3)
    for values, mask, out in zip(sequence.values, sequence.mask, got.values, strict=True):
        torch.testing.assert_close(out[mask], convolved_alone(encoder, values[mask]))
    with torch.no_grad():
        encoder.taps.weight.copy_(encoder.taps.weight.flip(1))
    assert not torch.allclose(encoder(sequence).values, got.values), "the order of the taps goes unseen"


def test_by_hand() -> None:
    """Taps 1, 10, 100 on the frames 1, 2, 3: the frame before, itself, the frame behind."""
    encoder = TemporalConvolution(1, 1, kernel_size=3)
    with torch.no_grad():
        encoder.taps.weight.copy_(torch.tensor([[1.0, 10.0, 100.0]]))
    values = torch.tensor([[[1.0], [2.0], [3.0], [float("nan")]]])
    out = encoder(ModalitySequence(values, torch.tensor([[True, True, True, False]])))
    assert out.values[0, :3, 0].tolist() == [210.0, 321.0, 32.0]


def test_a_modality_that_is_absent_gives_zeros_and_no_gradient() -> None:
    encoder = TemporalConvolution(2, 3, kernel_size=3)
    values = torch.full((1, 4, 2), float("nan"))
    out = encoder(ModalitySequence(values, torch.zeros(1, 4, dtype=torch.bool))).values
    out.sum().backward()
    assert not out.any()
    assert encoder.taps.weight.grad is not None
    assert not encoder.taps.weight.grad.any()


def test_dropout_falls_on_the_features() -> None:
    encoder = TemporalConvolution(1, 1, dropout=0.5)
    sequence = ModalitySequence(torch.ones(1000, 1, 1), torch.ones(1000, 1, dtype=torch.bool))
    dropped, whole = encoder.train()(sequence).values, encoder.eval()(sequence).values
    zero = dropped == 0
    assert 0.3 < zero.float().mean() < 0.7
    torch.testing.assert_close(dropped[~zero], 2 * whole[~zero])


@pytest.mark.parametrize(
    ("size", "code", "named"),
    [
        (4, "out_of_range", ["'text'", 4]),
        ({"text": 1, "audio": 2}, "out_of_range", ["'audio'", 2]),
        ({"text": 0, "audio": 3}, "out_of_range", ["'text'", 0]),
        ({"text": 1, "audio": -1}, "out_of_range", ["'audio'", -1]),
        ({"text": 1, "audoi": 1}, "missing", ["'audio'", "audoi"]),
    ],
)
def test_impossible_kernel_sizes_are_refused(size: int | dict[str, int], code: Code, named: list[object]) -> None:
    with refused(code, "kernel_size", *named):
        TemporalEncoders({"text": 4, "audio": 2}, 8, kernel_size=size, dropout=0.0)


@pytest.mark.parametrize(
    ("size", "taps"),
    [(3, [3, 3]), ({"text": 1, "audio": 5}, [1, 5]), ({"audio": 5, "vision": 2, "text": 1}, [1, 5])],
)
def test_a_kernel_size_is_one_for_all_or_one_for_each(size: int | dict[str, int], taps: list[int]) -> None:
    """One of a modality that the data lack is not looked at: one setting serves several data sets."""
    encoders = TemporalEncoders({"text": 4, "audio": 2}, 8, kernel_size=size, dropout=0.0)
    assert [encoder.kernel_size for encoder in encoders.encoders.values()] == taps
