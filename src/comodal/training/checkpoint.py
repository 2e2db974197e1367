"""How a half-finished run is kept and found again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError
from comodal.training.config import RunConfig

__all__ = ["CHECKPOINT", "WholeCheckpoints", "resumable"]

CHECKPOINT = "last.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint so that it is there whole or, even after a kill or on a full disk, as it was before.

    Lightning's own writer goes through a temporary folder, which may lie on another disk; moving a file from there is
    copying it, and a kill in the middle would leave a truncated one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write beside the target, then rename.

        Raises:
            InputError: the folder cannot be written or the disk is full.
        """
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            write_atomic(Path(path), lambda partial: partial.write_bytes(buffer.getbuffer()))
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); free space, then start the same command again"
            ) from error


def resumable(folder: Path | None, config: RunConfig) -> Path | None:
    """The checkpoint to resume from, ``None`` to train from the start.

    Raises:
        InputError: the checkpoint is truncated or belongs to another configuration.

    Example:
        >>> resumable(Path("no-such-folder"), RunConfig()) is None
        True
    """
    if folder is None or not (folder / CHECKPOINT).exists():
        return None
    path = folder / CHECKPOINT
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)["comodal_config"]
    except Exception as error:  # whatever a damaged archive makes torch raise
        raise InputError(f"{path}: checkpoint is truncated or damaged; delete it to train from the start") from error
    if kept != config.to_dict():
        raise InputError(f"{path}: checkpoint belongs to another configuration; give another output folder")
    return path
