"""Save and load the weights of a trained model and its critic, without optimiser state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError
from comodal.contracts.errors import Code

__all__ = ["copy_weights", "load_weights", "restore_weights", "save_weights", "start_encoders"]


def _parts(model: nn.Module, penalty: nn.Module | None) -> Iterator[tuple[str, nn.Module]]:
    yield "model.", model
    if penalty is not None:
        yield "penalty.", penalty


def copy_weights(model: nn.Module, penalty: nn.Module | None) -> dict[str, Tensor]:
    """Return detached copies of every parameter and buffer."""
    return {
        prefix + name: value.detach().clone()
        for prefix, part in _parts(model, penalty)
        for name, value in part.state_dict().items()
        if isinstance(value, Tensor)
    }


def restore_weights(model: nn.Module, penalty: nn.Module | None, weights: Mapping[str, Tensor]) -> None:
    """Load what :func:`copy_weights` copied."""
    for prefix, part in _parts(model, penalty):
        kept = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        wanted = {name: value for name, value in part.state_dict().items() if isinstance(value, Tensor)}
        for name, value in wanted.items():
            _fitting(kept.get(name), value, f"weight {prefix}{name}", remedy=": not this model's weights")
        part.load_state_dict(kept, strict=False)


def start_encoders(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of the encoders, as the parameter groups of the model name them, from a copy of another model.

    Raises:
        InputError: it lacks one of them, or has it in another shape.
    """
    groups: dict[str, list[nn.Parameter]] = model.parameter_groups()  # type: ignore[operator]
    own = set(map(id, groups["encoders"]))
    for name, value in model.named_parameters():
        if id(value) in own:
            remedy = "; give a model with the same encoders (fusion, fusion_config)"
            value.data.copy_(_fitting(weights.get(f"model.{name}"), value, f"start: weight {name}", remedy=remedy))


def _fitting(kept: Tensor | None, wanted: Tensor, name: str, *, remedy: str) -> Tensor:
    """Return a weight that is kept; refuses one that is missing or of another shape."""
    if kept is None or kept.shape != wanted.shape:
        found = "is missing" if kept is None else f"has shape {tuple(kept.shape)}"
        raise InputError(f"{name} {found}, wanted {tuple(wanted.shape)}{remedy}", code="mismatch")
    return kept


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, whole or not at all."""
    tensors = {name: value.contiguous() for name, value in weights.items()}
    try:
        write_atomic(path, lambda partial: save_file(tensors, partial))
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be written ({reason}); free space or give another folder", code="cannot_write"
        ) from error


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        code: Code = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        raise InputError(f"{path}: weights are missing or damaged; train again into a new folder", code=code) from error
