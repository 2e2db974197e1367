"""Devices, precision and processes of a run, through Accelerate."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch
from comodal.training.config import PRECISIONS, TrainingConfig

__all__ = ["is_writer", "make_accelerator", "require_device", "share_of"]


def require_device(training: TrainingConfig) -> None:
    """Check that this machine has the device of a run, before anything is written."""
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if training.accelerator == "gpu" and not gpu:
        raise InputError("training.accelerator 'gpu': PyTorch finds no GPU; choose 'cpu'", code="unavailable")
    if training.precision == "16-mixed" and (training.accelerator == "cpu" or not gpu):
        raise InputError(
            "training.precision '16-mixed' needs a GPU: choose 'bf16-mixed' or '32-true'", code="unsupported"
        )


def make_accelerator(training: TrainingConfig, tracker: Any = None) -> Accelerator:
    """Return the Accelerator of a run: device, precision, and the processes that ``torchrun`` started."""
    cpu, precision = training.accelerator == "cpu", PRECISIONS[training.precision]
    # Accelerate keeps one device and precision per process; another run in it may ask for others.
    state = AcceleratorState._shared_state  # noqa: SLF001
    if state and (state["_cpu"] != cpu or state["_mixed_precision"] != precision):
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001
    return Accelerator(cpu=cpu, mixed_precision=precision, log_with=tracker)


def is_writer() -> bool:
    """Return whether this process is the one that writes files: the only one, or the first of several."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not distributed or torch.distributed.get_rank() == 0


def share_of(batch: MultimodalBatch, process: int, processes: int) -> MultimodalBatch:
    """Return the rows of a global batch that one of several processes computes, in order of the processes.

    Example:
        >>> sequence = ModalitySequence(torch.zeros(3, 1, 2), torch.ones(3, 1, dtype=torch.bool))
        >>> batch = MultimodalBatch(("a", "b", "c"), {"text": sequence}, torch.zeros(3))
        >>> share_of(batch, 0, 2).id, share_of(batch, 1, 2).id
        (('a', 'b'), ('c',))
    """
    if processes == 1:
        return batch
    size, rest = divmod(len(batch), processes)
    start = process * size + min(process, rest)
    rows = slice(start, start + size + (process < rest))
    modalities = {
        name: ModalitySequence(sequence.values[rows], sequence.mask[rows])
        for name, sequence in batch.modalities.items()
    }
    return MultimodalBatch(batch.id[rows], modalities, batch.target[rows])
