"""Read a file of the CMU Multimodal SDK: ``<root>/data/<video>`` with ``features`` and ``intervals`` in seconds.

Axis legend: F frames, d features of a frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.damage import damaged
from comodal.data.formats.hdf5 import Stored, has_signature, is_group, members, opened, stored, subgroup
from comodal.data.formats.names import MODALITIES, canonical_modality

__all__ = ["Entry", "SequenceFile", "data_of", "files_of", "is_csd", "look", "modality_of", "read_entry"]

_LAYOUT = ("language", "acoustic", "visual", "labels")
_TOOLS = {
    "bert": "text",
    "wordvectors": "text",
    "opensmile": "audio",
    "openface": "vision",
    "emotient": "vision",
}


@dataclass(frozen=True)
class SequenceFile:
    """A file, by its first video.

    Attributes:
        path: where it is.
        root: name of its first group.
        kind: ``"labels"``, ``"words"``, ``"phones"`` or ``"features"``.
        dim: features per frame.
        videos: how many.
    """

    path: Path
    root: str
    kind: str
    dim: int
    videos: int


class Entry(NamedTuple):
    """One video of a file.

    Attributes:
        intervals: ``(F, 2)`` float64 start and end in seconds.
        features: ``(F, d)`` numbers, or bytes for words.
        where: file and video, for errors.
    """

    intervals: NDArray[np.float64]
    features: NDArray[Any]
    where: str


def files_of(path: Path) -> list[Path]:
    """Return the HDF5 files of a folder and of the folders of the official download; a file alone for itself."""
    try:
        path.stat()
        folders = [path, *(path / name for name in _LAYOUT)] if path.is_dir() else []
        listed = [each for folder in folders if folder.is_dir() for each in sorted(folder.iterdir())] or [path]
    except OSError as error:
        problem = f"not a readable folder ({error.strerror})"
        raise damaged(path, problem, remedy="check the path and your rights", code="cannot_read") from error
    for each in listed:
        # A web page under the name of a data file must not pass for a missing modality.
        if each.suffix == ".csd" and not has_signature(each):
            raise damaged(each, "not an HDF5 file (empty, or a web page?)", remedy="download it again")
    return [each for each in listed if has_signature(each)]


def is_csd(path: Path) -> bool:
    """Whether an HDF5 file is built as the SDK's are."""
    with opened(path) as file:
        names = members(file)
        if not names or not is_group(file, names[0]):
            return False
        return {"data", "metadata"} <= set(members(subgroup(file, names[0])))


def data_of(file: Any) -> Any:
    """Return the group of videos in an opened file."""
    return subgroup(subgroup(file, members(file)[0]), "data")


def look(path: Path) -> SequenceFile:
    """Describe a file, by its first video that is not empty."""
    with opened(path) as file:
        data = data_of(file)
        videos = members(data)
        for video in videos:
            array = _features(subgroup(data, video))
            if array.shape[0]:
                root = members(file)[0]
                dim = array.shape[1] if len(array.shape) == 2 else 1
                return SequenceFile(path, root, _kind(root, array), dim, len(videos))
    raise damaged(path, "holds no video with features", code="empty")


def _kind(root: str, array: Stored) -> str:
    lower = root.lower()
    if array.dtype.kind == "S":
        return "phones" if "phone" in lower else "words"
    return "labels" if "label" in lower else "features"


def _features(video: Any) -> Stored:
    array = stored(video, "features")
    if len(array.shape) not in (1, 2) or 0 in array.shape[1:]:
        problem = f"features have shape {array.shape}"
        raise damaged(array.where, problem, remedy="give (frames, features)", code="wrong_shape")
    return array


def read_entry(data: Any, video: str, *, like: SequenceFile) -> Entry:
    """Read the frames of one video.

    Args:
        data: from :func:`data_of`.
        video: its name there.
        like: what every video of the file must be like.
    """
    group = subgroup(data, video)
    features, intervals = _features(group), stored(group, "intervals")
    if intervals.dtype.kind == "S" or intervals.shape != (features.shape[0], 2):
        problem = f"intervals of shape {intervals.shape} for {features.shape[0]} frames"
        raise damaged(intervals.where, problem, remedy="give (frames, 2)", code="wrong_shape")
    values = features.rows()
    values = values[:, None] if values.ndim == 1 else values
    words = like.kind in ("words", "phones")
    if len(values) and (values.shape[1] != like.dim or (values.dtype.kind == "S") != words):
        problem = (
            f"{values.shape[1]} features of type {values.dtype} where {like.dim} "
            f"{'strings' if words else 'numbers'} are expected as in the first video"
        )
        raise damaged(features.where, problem, code="wrong_shape")
    with np.errstate(invalid="ignore"):
        return Entry(np.asarray(intervals.rows(), dtype=np.float64), values, features.where)


def modality_of(root: str) -> str:
    """Return the modality of a file of features by the name of its root group; empty where that is unknown.

    Example:
        >>> [modality_of(root) for root in ("glove_vectors", "FACET 4.2", "OpenFace_2", "OpenSmile-emobase2010", "x")]
        ['text', 'vision', 'vision', 'audio', '']
    """
    for word in re.findall("[a-z]+", root.lower()):
        modality = _TOOLS.get(word) or canonical_modality(word)
        if modality in MODALITIES:
            return modality
    return ""
