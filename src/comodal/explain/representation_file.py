"""Read and write representations of a run or of any other model.

Axis legend: N samples, K outputs, D_m width of the representation of modality m, F of the fused one.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError, Regression, Task
from comodal.contracts.tasks import task_from_dict
from comodal.data.dataset import SPLITS
from comodal.explain.representations import Representations

__all__ = ["FEWEST", "read_representations", "require_enough", "save_representations"]

FEWEST = 20
"""Smallest number of samples that are ranked."""

_FACTS = ("id", "group", "target", "prediction", "split", "fused")


def save_representations(path: str | Path, parts: Mapping[str, Representations], *, force: bool = False) -> None:
    """Write the representations of each split to an ``.npz`` file, for :func:`read_representations` and other programs.

    Raises:
        InputError: the file exists and ``force`` is not given.
    """
    target = Path(path)
    if target.exists() and not force:
        raise InputError(f"{target}: exists; give another file, or --force", code="exists")
    arrays: dict[str, NDArray[Any]] = {
        name: np.concatenate([getattr(part, name) for part in parts.values()])
        for name in ("id", "group", "target", "prediction")
    }
    arrays["id"], arrays["group"] = arrays["id"].astype(str), arrays["group"].astype(str)
    arrays["split"] = np.repeat(list(parts), [len(part) for part in parts.values()])
    arrays["task"] = np.array(json.dumps(next(iter(parts.values())).task.to_dict()))
    arrays["fused"] = torch.cat([part.fused for part in parts.values()]).numpy()
    for name in next(iter(parts.values())).views:
        arrays[name] = torch.cat([part.views[name] for part in parts.values()]).numpy()

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # NumPy would add a suffix to a name
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_atomic(target, write)


def read_representations(path: str | Path) -> tuple[Representations, NDArray[Any] | None]:
    """Return the representations in a file, of any model.

    Args:
        path: an ``.npz`` file with one array ``(N, D_m)`` per modality, under its name, and, where known, ``id``,
            ``group`` (for example the speaker), ``target`` and ``prediction`` ``(N,)``, ``fused`` ``(N, F)``, and
            ``split`` ``(N,)`` of ``train``, ``valid`` and ``test``. ``task`` is JSON such as
            ``{"kind": "multiclass", "names": ["joy", "anger"]}``, a regression by default; of classes, ``target``
            holds numbers from 0 and ``prediction`` probabilities ``(N, K)``.

    Returns:
        All N samples, and the split of each or ``None``. Defaults: NaN for targets and predictions, row numbers for
        ids, one group per sample, all representations side by side for the fused one.

    Raises:
        InputError: no such file, fewer than 2 modalities, lengths that differ, repeated ids, values that are not
            finite, an unknown split or task, targets or predictions that the task does not have, or fewer than 20
            samples.
    """
    where, arrays = str(path), _arrays(Path(path))
    task = _task(arrays.pop("task", None), where)
    predicted = tuple(task.predict(torch.zeros(1, task.width)).shape[1:])
    views = {name: _matrix(array, name, where) for name, array in arrays.items() if name not in _FACTS}
    if len(views) < 2:
        message = f"{where}: {len(views)} modalities; give 2 or more, each as an array (samples, features)"
        raise InputError(message, code="missing")
    n = len(next(iter(views.values())))
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != n:
            raise InputError(
                f"{where}: {name!r} has shape {array.shape}, but the modalities have {n} rows; give the same rows",
                code="wrong_shape",
            )
    require_enough(n, where)
    ids = arrays.get("id", np.arange(n)).astype(str)
    if len(np.unique(ids)) != n:
        raise InputError(f"{where}: an 'id' occurs twice; give unique ids", code="duplicate")
    fused = _matrix(arrays["fused"], "fused", where) if "fused" in arrays else np.concatenate(list(views.values()), 1)
    found = Representations(
        id=ids,
        group=arrays.get("group", ids).astype(str),
        target=_numbers(arrays, "target", task.decide(np.zeros((n, *predicted))).shape, where),
        prediction=_numbers(arrays, "prediction", (n, *predicted), where),
        fused=torch.from_numpy(fused),
        views={name: torch.from_numpy(view) for name, view in views.items()},
        task=task,
    )
    _require_legal(found.target, task, where)
    return found, _split(arrays, where)


def require_enough(n: int, where: str) -> None:
    """Raise an error for fewer than 20 samples, among which ranks mean little."""
    if n < FEWEST:
        raise InputError(f"{where}: {n} samples are too few to rank; give {FEWEST} or more", code="empty")


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give an .npz file of representations", code="missing") from error
    except (OSError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        message = f"{path}: not an .npz file of plain arrays ({reason}); write it with numpy.savez"
        raise InputError(message, code="damaged") from error


def _matrix(array: NDArray[Any], name: str, where: str) -> NDArray[np.float32]:
    if array.ndim not in {1, 2} or array.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: {name!r} is {array.dtype} of shape {array.shape}; give numbers (samples, features)",
            code="wrong_type",
        )
    values = array.astype(np.float32).reshape(len(array), -1)
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        raise InputError(
            f"{where}: {name!r} holds NaN or infinity in {len(broken)} of {len(values)} rows (first row {broken[0]}); "
            "drop or replace them",
            code="not_finite",
        )
    return values


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], where: str) -> NDArray[np.float32]:
    if name not in arrays:
        return np.full(shape, np.nan, dtype=np.float32)
    found = _matrix(arrays[name], name, where)
    if found.size != math.prod(shape):
        raise InputError(
            f"{where}: {name!r} has shape {arrays[name].shape}; give {shape}, or another 'task'", code="wrong_shape"
        )
    return found.reshape(shape)


def _task(given: NDArray[Any] | None, where: str) -> Task:
    if given is None:
        return Regression()
    try:
        return task_from_dict(json.loads(str(given)))
    except InputError as error:
        raise error.at(where) from error
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: 'task' cannot be read ({error}); give JSON text", code="damaged") from error


def _require_legal(target: NDArray[np.float32], task: Task, where: str) -> None:
    known = target[np.isfinite(target)]
    low, high = task.label_range
    wrong = (known < low) | (known > high) | (bool(task.classes) & (known != np.round(known)))
    if wrong.any():
        raise InputError(
            f"{where}: 'target' holds {known[wrong][0]:g}; a {task.kind} has values from {low:g} to {high:g}",
            code="out_of_range",
        )


def _split(arrays: Mapping[str, NDArray[Any]], where: str) -> NDArray[Any] | None:
    if "split" not in arrays:
        return None
    split = arrays["split"].astype(str)
    for name in np.unique(split).tolist():
        if name not in SPLITS:
            raise InputError.unknown("split", name, SPLITS, where=where)
    for name in ("train", "test"):
        if name not in split:
            message = f"{where}: 'split' has no {name!r}; the critic is fitted on train and explains test"
            raise InputError(message, code="missing")
    return split
