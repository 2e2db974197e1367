from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from plain_networks import ragged_batch, real_frames
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders import align, last_frame, masked_mean, zero_padding


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


@pytest.mark.parametrize("pool", [zero_padding, masked_mean, last_frame])
def test_keeps_the_type_of_the_values(pool: Callable[[ModalitySequence], torch.Tensor]) -> None:
    sequence = ModalitySequence(torch.ones(2, 3, 4, dtype=torch.bfloat16), torch.ones(2, 3, dtype=torch.bool))
    assert pool(sequence).dtype == torch.bfloat16


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("filler", [7.0, float("nan")])
def test_the_last_frame_is_that_of_a_loop(steps: int, filler: float) -> None:
    lengths = torch.randint(0, steps + 1, (12,))
    mask = torch.arange(steps) < lengths.unsqueeze(1)
    values = torch.where(mask.unsqueeze(2), torch.randn(12, steps, 3), filler)
    found = last_frame(ModalitySequence(values, mask))
    for row, length in enumerate(lengths.tolist()):
        assert torch.equal(found[row], values[row, length - 1] if length else torch.zeros(3))
    full = last_frame(ModalitySequence(values, torch.ones_like(mask)))
    assert not torch.equal(full, found), "a mask that is ignored must be seen"


def test_only_the_last_frame_gets_a_gradient() -> None:
    values = torch.full((2, 3, 1), float("nan"))
    values[0, :2, 0] = torch.tensor([1.0, 3.0])
    values.requires_grad_(requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    last_frame(ModalitySequence(values, mask)).square().sum().backward()
    assert values.grad is not None
    assert values.grad[..., 0].tolist() == [[0.0, 6.0, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("filler", [7.0, float("nan"), float("inf"), -float("inf")])
def test_what_is_masked_out_becomes_zero_and_the_rest_stays(filler: float) -> None:
    mask = torch.rand(5, 4) < 0.5
    values = torch.randn(5, 4, 3)
    cleaned = zero_padding(ModalitySequence(torch.where(mask.unsqueeze(2), values, filler), mask))
    for row in range(5):
        for step in range(4):
            wanted = values[row, step] if mask[row, step] else torch.zeros(3)
            assert torch.equal(cleaned[row, step], wanted)


def test_zeroed_padding_gets_no_gradient_even_where_it_is_not_finite() -> None:
    values = torch.tensor([[[2.0], [float("nan")]]], requires_grad=True)
    zero_padding(ModalitySequence(values, torch.tensor([[True, False]]))).square().sum().backward()
    assert values.grad is not None
    assert values.grad.flatten().tolist() == [4.0, 0.0]


DIMS = {"text": 3, "audio": 2, "vision": 1}
CASES = {
    "all of the same length": {"text": [4, 1, 2], "audio": [4, 1, 2], "vision": [4, 1, 2]},
    "single frames": {"text": [4, 1, 3], "audio": [1, 1, 1], "vision": [4, 1, 1]},
    "absent here and there": {"text": [4, 0, 0, 2], "audio": [0, 5, 0, 2], "vision": [4, 1, 0, 0]},
    "single vectors": {"text": [1, 0, 1], "audio": [1, 1, 0], "vision": [1, 0, 0]},
    "one absent from all": {"text": [2, 3], "audio": [0, 0], "vision": [2, 3]},
}


def aligned_by_loop(batch: MultimodalBatch, name: str, row: int, longest: int) -> tuple[Tensor, list[bool]]:
    """Frames of one modality of one sample on the common time axis, and where it says something."""
    steps = max(len(real_frames(batch, other, row)) for other in batch.modalities)
    frames = real_frames(batch, name, row)
    whole = torch.zeros(longest, DIMS[name], dtype=torch.float64)
    for step in range(steps if frames else 0):
        whole[step] = torch.from_numpy(frames[0 if len(frames) == 1 else step])
    return whole, [bool(frames) and step < steps for step in range(longest)]


@pytest.mark.parametrize("case", CASES)
def test_aligned_frames_equal_a_loop_over_samples_whatever_the_padding_holds(case: str) -> None:
    batch = ragged_batch(DIMS, CASES[case])
    sequences, steps = align(batch, DIMS)
    longest = max(sequence.mask.shape[1] for sequence in batch.modalities.values())
    for row in range(len(batch)):
        spoken = torch.zeros(longest, dtype=torch.bool)
        for name in DIMS:
            frames, mask = aligned_by_loop(batch, name, row, longest)
            assert torch.equal(sequences[name].values[row], frames)
            assert sequences[name].mask[row].tolist() == mask
            spoken |= torch.tensor(mask)
        assert torch.equal(steps[row], spoken)


def test_is_told_the_modalities_and_their_order() -> None:
    batch = ragged_batch(DIMS, CASES["absent here and there"])
    sequences, steps = align(batch, ["vision", "text"])
    assert list(sequences) == ["vision", "text"]
    assert steps.sum(dim=1).tolist() == [4, 1, 0, 2], "audio, the longest, is not asked for"
    assert steps.shape == (4, 4)


def test_gradients_reach_real_frames_and_no_padding() -> None:
    batch = ragged_batch(DIMS, CASES["single frames"])
    for sequence in batch.modalities.values():
        sequence.values.requires_grad_(requires_grad=True)
    sequences, _ = align(batch, DIMS)
    torch.stack([sequence.values.sum() for sequence in sequences.values()]).sum().backward()
    for name, times in {"text": [4, 1, 3], "audio": [4, 1, 3], "vision": [4, 1, 3]}.items():
        values, mask = batch.modalities[name]
        assert values.grad is not None
        assert (values.grad[~mask] == 0).all()
        assert values.grad[..., 0].sum(dim=1).tolist() == times, "a single frame counts at every step"


def test_aligning_keeps_the_type_of_the_values() -> None:
    frames = ModalitySequence(torch.ones(2, 3, 4, dtype=torch.bfloat16), torch.ones(2, 3, dtype=torch.bool))
    sequences, _ = align(MultimodalBatch(("a", "b"), {"text": frames}, torch.zeros(2)), ["text"])
    assert sequences["text"].values.dtype == torch.bfloat16
