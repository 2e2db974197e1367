"""The checkpoint of a half-finished run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError
from comodal.training.config import RunConfig

__all__ = ["CHECKPOINT", "load_checkpoint", "save_checkpoint"]

CHECKPOINT = "last.ckpt"


def save_checkpoint(folder: Path, config: RunConfig, content: Mapping[str, Any]) -> None:
    """Write a checkpoint of a run, state dicts by name; a kill or a full disk leaves the previous one."""
    path = folder / CHECKPOINT
    buffer = io.BytesIO()
    torch.save({"config": config.to_dict(), **content}, buffer)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda partial: partial.write_bytes(buffer.getvalue()))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); free space, then start the same command again",
            code="cannot_write",
        ) from error


def load_checkpoint(folder: Path | None, config: RunConfig) -> dict[str, Any] | None:
    """Return the content of a folder's checkpoint, ``None`` where there is none."""
    if folder is None or not (folder / CHECKPOINT).exists():
        return None
    path = folder / CHECKPOINT
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        kept = content.pop("config")
    except Exception as error:  # a damaged archive makes torch raise nearly anything
        raise InputError(
            f"{path}: checkpoint is truncated, damaged or of another version; delete it to train from the start",
            code="damaged",
        ) from error
    if kept != config.to_dict():
        raise InputError(
            f"{path}: checkpoint belongs to another configuration; give another output folder", code="mismatch"
        )
    return content
