from __future__ import annotations

from pathlib import Path

import pytest
import torch
from refusals import refused
from safetensors import SafetensorError
from torch import nn

from comodal.dependency import DependencyPenalty
from comodal.training import weights
from comodal.training.weights import copy_weights, load_weights, restore_weights, save_weights


def parts(*, width: int = 3) -> tuple[nn.Module, DependencyPenalty]:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width)), DependencyPenalty("mine", dims=[4, 4])


def test_copies_do_not_follow_the_model() -> None:
    model, penalty = parts()
    kept = copy_weights(model, penalty)
    with torch.no_grad():
        model[0].weight.add_(1.0)
    assert not torch.equal(kept["model.0.weight"], model[0].weight)
    assert not any(value.requires_grad for value in kept.values())


def test_model_and_critic_come_back_from_a_file_bit_for_bit(tmp_path: Path) -> None:
    model, penalty = parts()
    penalty.update_critic([torch.randn(8, 4), torch.randn(8, 4)])
    save_weights(tmp_path / "deep" / "weights", copy_weights(model, penalty))
    other, other_penalty = parts()
    with torch.no_grad():
        for parameter in [*other.parameters(), *other_penalty.parameters()]:
            parameter.add_(1.0)
    restore_weights(other, other_penalty, load_weights(tmp_path / "deep" / "weights"))
    views = [torch.randn(8, 4), torch.randn(8, 4)]
    assert torch.equal(other_penalty.measure.pointwise(views), penalty.measure.pointwise(views))
    for name, value in copy_weights(model, penalty).items():
        assert torch.equal(value, copy_weights(other, other_penalty)[name]), name
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["weights"]


def test_weights_of_another_model_are_refused() -> None:
    model, penalty = parts()
    with refused("mismatch", "model.0.weight", (3, 2), (5, 2)):
        restore_weights(parts(width=5)[0], None, copy_weights(model, None))
    with refused("mismatch", "penalty."):
        restore_weights(model, penalty, copy_weights(model, None))


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_or_missing_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "weights"
    with refused("missing", path):
        load_weights(path)
    save_weights(path, copy_weights(*parts()))
    path.write_bytes(path.read_bytes()[:keep])
    with refused("damaged", path):
        load_weights(path)


def test_a_full_disk_keeps_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    save_weights(path, copy_weights(*parts()))
    before = path.read_bytes()

    def full_disk(_: object, partial: Path) -> None:
        partial.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(weights, "save_file", full_disk)
    with refused("cannot_write", path, "No space left on device"):
        save_weights(path, {})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["weights"]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with refused("cannot_write", tmp_path):
        save_weights(tmp_path / "run" / "weights", copy_weights(*parts()))
