from __future__ import annotations

import pytest
import torch

from comodal.contracts import ModalitySequence
from comodal.encoders import zero_padding


@pytest.mark.parametrize("filler", [7.0, float("nan"), float("inf"), -float("inf")])
def test_what_is_masked_out_becomes_zero_and_the_rest_stays(filler: float) -> None:
    mask = torch.rand(5, 4) < 0.5
    values = torch.randn(5, 4, 3)
    cleaned = zero_padding(ModalitySequence(torch.where(mask.unsqueeze(2), values, filler), mask))
    for row in range(5):
        for step in range(4):
            wanted = values[row, step] if mask[row, step] else torch.zeros(3)
            assert torch.equal(cleaned[row, step], wanted)


def test_padding_gets_no_gradient_even_where_it_is_not_finite() -> None:
    values = torch.tensor([[[2.0], [float("nan")]]], requires_grad=True)
    zero_padding(ModalitySequence(values, torch.tensor([[True, False]]))).square().sum().backward()
    assert values.grad is not None
    assert values.grad.flatten().tolist() == [4.0, 0.0]


def test_keeps_the_type_of_the_values() -> None:
    sequence = ModalitySequence(torch.ones(2, 3, 4, dtype=torch.bfloat16), torch.ones(2, 3, dtype=torch.bool))
    assert zero_padding(sequence).dtype == torch.bfloat16
