"""Views of the same samples from a NumPy archive, as `comodal estimate` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts import InputError
from comodal.data.formats.named_arrays import open_arrays

__all__ = ["views_from_npz"]


def views_from_npz(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Return named arrays of an ``.npz`` file."""
    if names is not None and len(set(names)) < len(names):
        raise InputError(f"views {','.join(names)}: a name is given twice; name each view once", code="duplicate")
    with open_arrays(Path(path)) as arrays:
        for name in names or ():
            if name not in arrays.shapes:
                raise InputError.unknown("array", name, arrays.shapes, where=str(path))
        return {name: arrays.read(name) for name in (arrays.shapes if names is None else names)}
