from __future__ import annotations

import numpy as np
import pytest
import torch

from comodal.contracts import ModalitySequence
from comodal.encoders import masked_mean


def by_loop(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    means = np.zeros((values.shape[0], values.shape[2]))
    for row in range(values.shape[0]):
        frames = [values[row, step] for step in range(values.shape[1]) if mask[row, step]]
        if frames:
            means[row] = sum(frames) / len(frames)
    return means


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_equals_a_loop_over_real_frames(steps: int) -> None:
    values = torch.randn(12, steps, 3, dtype=torch.float64)
    mask = torch.rand(12, steps) < 0.6
    expected = by_loop(values.numpy(), mask.numpy())
    torch.testing.assert_close(masked_mean(ModalitySequence(values, mask)), torch.from_numpy(expected))
    plain = values.mean(dim=1)
    assert not torch.allclose(plain, torch.from_numpy(expected)), "the loop must tell a mean that ignores the mask"


@pytest.mark.parametrize("steps", [1, 4])
def test_an_absent_row_is_zero_whatever_its_values(steps: int) -> None:
    values = torch.full((2, steps, 3), 1e30)
    mask = torch.zeros(2, steps, dtype=torch.bool)
    mask[1, 0] = True
    pooled = masked_mean(ModalitySequence(values, mask))
    assert pooled[0].tolist() == [0.0, 0.0, 0.0]
    assert pooled[1].tolist() == pytest.approx([1e30] * 3)


def test_padding_gets_no_gradient() -> None:
    values = torch.randn(1, 3, 2, requires_grad=True)
    masked_mean(ModalitySequence(values, torch.tensor([[True, True, False]]))).sum().backward()
    assert values.grad is not None
    assert values.grad[0].tolist() == [[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]]


def test_keeps_the_type_of_the_values() -> None:
    sequence = ModalitySequence(torch.ones(2, 3, 4, dtype=torch.bfloat16), torch.ones(2, 3, dtype=torch.bool))
    assert masked_mean(sequence).dtype == torch.bfloat16
