"""Where the files of a data set by name lie, and what an archive there holds."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.formats.texts import damaged

__all__ = ["archive_members", "locate_folder"]


def locate_folder(environment: str, beside: Path, *, file: str, title: str) -> Path:
    """Return the folder that an environment variable names, else the nearest one beside a folder above.

    The latter is looked for in every folder above the current one and above the project. The folder must hold a file
    of this pattern, such as ``utterances.npz`` or ``*/data.npz``.
    """
    if given := os.environ.get(environment):
        if not any(Path(given).glob(file)):
            remedy = "set it to the folder with the file"
            raise damaged(f"{environment}={given}", f"no {file} there", remedy=remedy, code="missing")
        return Path(given)
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if any((folder / beside).glob(file)):
                return folder / beside
    remedy = f"set {environment} to the folder with {file}, or put that at ../{beside.as_posix()} beside the project"
    raise InputError(f"{title} not found: {remedy}", code="missing")


def archive_members(file: Path) -> frozenset[str] | None:
    """Return the names of the arrays in an npz; none for anything else, and ``None`` for a damaged one."""
    try:
        if not file.is_file() or not zipfile.is_zipfile(file):
            return frozenset()
        with zipfile.ZipFile(file) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    # NotImplementedError is for a version or an encryption that zipfile does not know.
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None
