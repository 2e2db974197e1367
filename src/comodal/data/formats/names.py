"""Names of modalities and splits, brought to one each, and of the files in a folder."""

from __future__ import annotations

from pathlib import Path

from comodal.data.dataset import UNLABELLED
from comodal.data.formats.texts import damaged

__all__ = ["MODALITIES", "canonical_modality", "canonical_part", "canonical_split", "files_beside", "in_order"]

MODALITIES = ("text", "audio", "vision")
"""The order in which the modalities of a data set stand."""

_ALIASES = {
    **dict.fromkeys(("text", "language", "lang", "words", "glove"), "text"),
    **dict.fromkeys(("audio", "acoustic", "covarep", "speech"), "audio"),
    **dict.fromkeys(("vision", "visual", "video", "facet", "image"), "vision"),
}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def canonical_modality(name: str) -> str:
    """Return ``text``, ``audio`` or ``vision`` for the names in use; any other name in lower case."""
    lower = name.strip().lower()
    return _ALIASES.get(lower, lower)


def canonical_split(key: object) -> str:
    """Return ``train``, ``valid`` or ``test`` for a key of a file, string or bytes; empty for any other key."""
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    return _SPLITS.get(text.strip().lower(), "") if isinstance(text, str) else ""


def canonical_part(word: str) -> str:
    """Return a split by :func:`canonical_split`, or ``unlabelled``; empty for any other word."""
    return UNLABELLED if word.strip().lower() in {UNLABELLED, "unlabeled"} else canonical_split(word)


def in_order(names: list[str]) -> list[str]:
    """Return names with text, audio, vision first, then the others as they came."""
    return sorted(names, key=lambda name: MODALITIES.index(name) if name in MODALITIES else len(MODALITIES))


def files_beside(path: Path) -> list[Path]:
    """Return the files of a folder, by name; for a file, those beside it."""
    try:
        path.stat()
        return sorted((path if path.is_dir() else path.parent).iterdir())
    except OSError as error:
        problem = f"not a readable folder ({error.strerror})"
        raise damaged(path, problem, remedy="check the path and your rights", code="cannot_read") from error
