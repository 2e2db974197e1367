"""One reader a file family, each from a path to a `Dataset`."""

from __future__ import annotations

from pathlib import Path

from comodal.contracts import InputError
from comodal.data.formats import mosi_utterances
from comodal.data.formats.interface import Format

__all__ = ["FORMATS", "Format", "recognise"]

FORMATS: dict[str, Format] = {each.name: each for each in (mosi_utterances.FORMAT,)}


def recognise(path: Path) -> Format:
    """The file family of a path, found by looking into it.

    Raises:
        InputError: there is no such path, or no reader knows it.

    Example:
        >>> recognise(Path("nowhere.npz"))
        Traceback (most recent call last):
        comodal.contracts.InputError: nowhere.npz: no such file or folder; check the path
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    for each in FORMATS.values():
        if each.recognises(path):
            return each
    known = "; ".join(f"{each.name}: {each.files}" for each in FORMATS.values())
    raise InputError(f"{path}: no reader knows this file; give one of ({known}), or use comodal.from_arrays")
