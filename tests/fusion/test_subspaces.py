from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from subspace_loops import cmd_by_loop, mse_by_loop, orthogonality_by_loop
from torch import Tensor

from comodal.fusion.subspaces import cmd, masked_mse, soft_orthogonality

NAN = float("nan")


def samples(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two samples of different shape, spread and skew in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    one = torch.rand(*shape, generator=generator, dtype=torch.float64)
    other = torch.rand(*shape, generator=generator, dtype=torch.float64) ** 3
    return one, other


def mse(one: Tensor, other: Tensor, *, rows: Tensor | None = None) -> Tensor:
    return masked_mse(one, other, rows=torch.ones(one.shape[:-1], dtype=torch.bool) if rows is None else rows)


TERMS = {
    "cmd": (cmd, cmd_by_loop),
    "orthogonality": (soft_orthogonality, orthogonality_by_loop),
    "mse": (mse, mse_by_loop),
}
every_term = pytest.mark.parametrize(("term", "by_loop"), TERMS.values(), ids=TERMS)


@every_term
@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (7, 4), (30, 5)])
def test_equals_the_loop(term: Callable[..., Tensor], by_loop: Callable[..., float], shape: tuple[int, int]) -> None:
    one, other = samples(*shape)
    assert term(one, other).item() == pytest.approx(by_loop(one.numpy(), other.numpy()), abs=1e-12)
    assert shape[0] <= 2 or abs(term(one, one * other).item() - by_loop(one.numpy(), other.numpy())) > 1e-3


@every_term
def test_leading_axes_are_terms_of_their_own(term: Callable[..., Tensor], by_loop: Callable[..., float]) -> None:
    one, other = samples(2, 3, 6, 4)
    values = term(one, other)
    assert values.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert values[i, j].item() == pytest.approx(by_loop(one[i, j].numpy(), other[i, j].numpy()), abs=1e-12)


@every_term
def test_only_chosen_rows_count(term: Callable[..., Tensor], by_loop: Callable[..., float]) -> None:
    one, other = samples(8, 3)
    rows = torch.tensor([True, False, True, True, False, True, False, True])
    wanted = by_loop(one[rows].numpy(), other[rows].numpy())
    one, other = (x.masked_fill(~rows.unsqueeze(1), NAN).requires_grad_() for x in (one, other))
    value = term(one, other, rows=rows)
    assert value.item() == pytest.approx(wanted, abs=1e-12)
    value.backward()
    for sample in (one, other):
        assert sample.grad is not None
        assert (sample.grad[~rows] == 0).all()
        assert (sample.grad[rows] != 0).any()
        assert sample.grad.isfinite().all()
    assert term(one, other).isnan(), "rows that are ignored must fail"


@every_term
def test_without_any_row_it_is_a_zero_that_can_be_trained(term: Callable[..., Tensor], by_loop: object) -> None:
    del by_loop
    one, other = (x.requires_grad_() for x in samples(4, 3))
    value = term(one, other, rows=torch.zeros(4, dtype=torch.bool))
    value.backward()
    assert value.item() == 0.0
    assert one.grad is not None
    assert other.grad is not None
    assert (one.grad == 0).all()
    assert (other.grad == 0).all()


@every_term
def test_gradient_agrees_with_finite_differences(term: Callable[..., Tensor], by_loop: object) -> None:
    del by_loop
    one, other = (x.requires_grad_() for x in samples(5, 3))
    rows = torch.tensor([True, True, False, True, True])
    assert torch.autograd.gradcheck(lambda a, b: term(a, b, rows=rows), (one, other))


def test_cmd_by_hand() -> None:
    """{0, 1} against {1/2, 1/2}: means agree, the moments of orders 2 to 5 are 1/4, 0, 1/16, 0 against none."""
    one, other = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.5], [0.5]])
    assert cmd(one, other).item() == pytest.approx(0.3125)
    assert cmd(one, other, moments=3).item() == pytest.approx(0.25)
    assert cmd(one, other, moments=1).item() == 0.0
    assert cmd(one.expand(2, 4), other.expand(2, 4)).item() == pytest.approx(2 * 0.3125), "a norm over features"


def test_cmd_of_one_distribution_is_zero_and_has_a_gradient_of_zero() -> None:
    one, _ = samples(9, 4)
    one.requires_grad_()
    value = cmd(one, one.detach().clone())
    value.backward()
    assert value.item() == 0.0
    assert one.grad is not None
    assert (one.grad == 0).all()
    assert cmd(one, one.flip(0)).item() < 1e-12, "the order of a sample is no part of it"
    assert cmd(one, one**2).item() > 0.1


def test_cmd_grows_with_a_shift_by_its_length() -> None:
    one, _ = samples(20, 4)
    shifts = [0.0, 0.1, 0.2, 0.4]
    values = [cmd(one, one + shift).item() for shift in shifts]
    assert values == pytest.approx([shift * math.sqrt(4) for shift in shifts], abs=1e-12)
    spread = [cmd(one, 0.5 + scale * (one - 0.5)).item() for scale in (1.0, 0.8, 0.5, 0.0)]
    assert spread == sorted(spread)
    assert spread[0] < spread[1]


def test_cmd_sees_every_order_up_to_the_highest_and_none_above() -> None:
    """Two samples that agree in the moments below an order and differ in it."""
    symmetric, flat = torch.tensor([[0.0], [1.0], [0.5], [0.5]]), torch.tensor([[0.5 - 8**-0.5], [0.5 + 8**-0.5]] * 2)
    assert cmd(symmetric, flat, moments=3).item() < 1e-6
    assert cmd(symmetric, flat, moments=4).item() == pytest.approx(1 / 32 - 1 / 64, rel=1e-4)


def test_orthogonality_by_hand() -> None:
    one = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    crossed = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert soft_orthogonality(one, one).item() == 16.0, "(1 + 1 + 1 + 1) squared"
    assert soft_orthogonality(one, -one).item() == 16.0
    assert soft_orthogonality(one, crossed).item() == 0.0
    both = torch.cat([one, crossed], dim=1)
    assert soft_orthogonality(one, both).item() == pytest.approx((16 / 2 + 0) / 2), "rows of length sqrt 2, two entries"


def test_orthogonality_is_zero_for_orthogonal_features_and_not_for_turned_ones() -> None:
    """Columns of a Hadamard matrix but the constant one: centred, orthogonal, every row of one length."""
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    hadamard = torch.kron(torch.kron(two, two), two)
    one, other = hadamard[:, 1:4], hadamard[:, 4:8]
    assert soft_orthogonality(one, other).item() < 1e-24
    assert soft_orthogonality(one, other + one[:, :1]).item() > 0.1


def test_orthogonality_does_not_depend_on_origin_or_scale_but_on_the_number_of_samples() -> None:
    one, other = samples(10, 3)
    value = soft_orthogonality(one, other).item()
    assert soft_orthogonality(5 * one + 2, 0.1 * other - 7).item() == pytest.approx(value, rel=1e-9)
    assert soft_orthogonality(one.repeat(2, 1), other.repeat(2, 1)).item() == pytest.approx(4 * value, rel=1e-9)
    assert soft_orthogonality(one, other**2).item() != pytest.approx(value, rel=1e-2)


def test_orthogonality_does_not_pull_samples_to_their_mean() -> None:
    """The value does not change with the lengths, so neither does it by a step along them."""
    one, other = samples(10, 3)
    centred = (one - one.mean(dim=0)).requires_grad_()
    soft_orthogonality(centred, other).backward()
    assert centred.grad is not None
    assert abs((centred.grad * centred).sum().item()) < 1e-12
    assert centred.grad.abs().max() > 1e-3


@pytest.mark.parametrize("rows", [1, 2])
def test_orthogonality_of_samples_that_are_all_the_same_is_zero_and_finite(rows: int) -> None:
    one = torch.full((rows, 3), 0.3, requires_grad=True)
    value = soft_orthogonality(one, torch.rand(rows, 3))
    value.backward()
    assert value.item() == 0.0
    assert one.grad is not None
    assert one.grad.isfinite().all()


def test_error_by_hand() -> None:
    recovered, wanted = torch.tensor([[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]), torch.zeros(3, 2)
    rows = torch.tensor([True, True, False])
    assert masked_mse(recovered, wanted, rows=rows).item() == pytest.approx((1 + 4 + 9 + 16) / 4)
