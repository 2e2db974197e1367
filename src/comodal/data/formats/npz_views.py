"""Views of the same samples from a NumPy archive, as `comodal estimate` takes them."""

from __future__ import annotations

import difflib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile

from comodal.contracts import InputError
from comodal.data.formats.texts import one_line

__all__ = ["views_from_npz"]


def views_from_npz(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """Named arrays of an ``.npz`` file.

    Pickled objects are refused, since loading one runs whatever its author wrote.

    Args:
        path: a file of :func:`numpy.savez` or :func:`numpy.savez_compressed`.
        names: arrays to read, in order; ``None`` for all.

    Returns:
        Name to array, as stored.

    Raises:
        InputError: no such file, no archive of arrays, an array that it lacks (the nearest is offered), a name given
            twice, or an array of objects.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "views.npz"
        ...     np.savez(file, text=np.zeros((5, 2)), audio=np.ones((5, 3)))
        ...     {name: view.shape for name, view in views_from_npz(file, ["audio", "text"]).items()}
        {'audio': (5, 3), 'text': (5, 2)}
    """
    if names is not None and len(set(names)) < len(names):
        raise InputError(f"views {','.join(names)}: a name is given twice; name each view once")
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below; NumPy leaves a broken archive open
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; give an .npz with one array per view") from error
    except OSError as error:
        raise InputError(f"{path}: not a readable file ({_one_line(error)}); give an .npz") from error
    with stream:
        archive = _opened(stream, path)
        wanted = list(archive.files) if names is None else list(names)
        return {name: _array(archive, name, path) for name in wanted}


def _opened(stream: BinaryIO, path: str | Path) -> NpzFile:
    try:
        archive = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npz ({_one_line(error)}); write it with numpy.savez") from error
    if not isinstance(archive, NpzFile):
        raise InputError(f"{path}: holds a single array; write one array per view with numpy.savez")
    return archive


def _array(archive: NpzFile, name: str, path: str | Path) -> np.ndarray[Any, Any]:
    if name not in archive.files:
        near = difflib.get_close_matches(name, archive.files, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "give one of these"
        raise InputError(f"{path}: has no array {name!r}; {hint} (it holds {', '.join(archive.files) or 'nothing'})")
    try:
        array: np.ndarray[Any, Any] = archive[name]
    except ValueError as error:
        raise InputError(f"{path}: array {name!r} holds Python objects, not numbers; store it as floats") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: array {name!r} is damaged ({_one_line(error)}); write the file again") from error
    return array


def _one_line(error: Exception) -> str:
    return one_line(error) or type(error).__name__
