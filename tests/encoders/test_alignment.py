from __future__ import annotations

import pytest
import torch
from plain_networks import ragged_batch, real_frames
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders import align

DIMS = {"text": 3, "audio": 2, "vision": 1}
CASES = {
    "all of the same length": {"text": [4, 1, 2], "audio": [4, 1, 2], "vision": [4, 1, 2]},
    "single frames": {"text": [4, 1, 3], "audio": [1, 1, 1], "vision": [4, 1, 1]},
    "absent here and there": {"text": [4, 0, 0, 2], "audio": [0, 5, 0, 2], "vision": [4, 1, 0, 0]},
    "single vectors": {"text": [1, 0, 1], "audio": [1, 1, 0], "vision": [1, 0, 0]},
    "one absent from all": {"text": [2, 3], "audio": [0, 0], "vision": [2, 3]},
}


def by_loop(batch: MultimodalBatch, name: str, row: int, longest: int) -> tuple[Tensor, list[bool]]:
    """Frames of one modality of one utterance on the common time axis, and where it says something."""
    steps = max(len(real_frames(batch, other, row)) for other in batch.modalities)
    frames = real_frames(batch, name, row)
    whole = torch.zeros(longest, DIMS[name], dtype=torch.float64)
    for step in range(steps if frames else 0):
        whole[step] = torch.from_numpy(frames[0 if len(frames) == 1 else step])
    return whole, [bool(frames) and step < steps for step in range(longest)]


@pytest.mark.parametrize("case", CASES)
def test_equals_a_loop_over_utterances_whatever_the_padding_holds(case: str) -> None:
    batch = ragged_batch(DIMS, CASES[case])
    sequences, steps = align(batch, DIMS)
    longest = max(sequence.mask.shape[1] for sequence in batch.modalities.values())
    for row in range(len(batch)):
        spoken = torch.zeros(longest, dtype=torch.bool)
        for name in DIMS:
            frames, mask = by_loop(batch, name, row, longest)
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


def test_keeps_the_type_of_the_values() -> None:
    frames = ModalitySequence(torch.ones(2, 3, 4, dtype=torch.bfloat16), torch.ones(2, 3, dtype=torch.bool))
    sequences, _ = align(MultimodalBatch(("a", "b"), {"text": frames}, torch.zeros(2)), ["text"])
    assert sequences["text"].values.dtype == torch.bfloat16
