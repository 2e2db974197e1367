"""Read a file of the CMU Multimodal SDK: ``<root>/data/<video>`` with ``features`` and ``intervals`` in seconds.

Axis legend: F frames, d features of a frame.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.hdf5 import Stored, has_signature, is_group, members, opened, stored, subgroup
from comodal.data.formats.names import MODALITIES, canonical_modality, files_beside
from comodal.data.formats.texts import damaged

__all__ = ["SEGMENT_KEY", "Entry", "OpenFile", "SequenceFile", "files_of", "is_csd", "look", "modality_of"]

SEGMENT_KEY = re.compile(r"(?P<video>.+)\[(?P<segment>\d+)\]", re.DOTALL)
_LAYOUT = ("language", "acoustic", "visual", "labels")
_TOOLS = {"bert": "text", "wordvectors": "text", "opensmile": "audio", "openface": "vision", "emotient": "vision"}


class SequenceFile(NamedTuple):
    """A file, by its first video: name of its first group, features per frame, and number of videos.

    Its kind is ``"labels"``, ``"words"``, ``"phones"`` or ``"features"``.
    """

    path: Path
    root: str
    kind: str
    dim: int
    videos: int


class Entry(NamedTuple):
    """One video of a file: ``(F, 2)`` seconds, ``(F, d)`` numbers or bytes for words, and its place, for errors."""

    intervals: NDArray[np.float64]
    features: NDArray[Any]
    where: str


def files_of(path: Path) -> list[Path]:
    """Return the HDF5 files of a folder and of the folders of the official download; a file alone for itself."""
    listed, inside = files_beside(path), [path / name for name in _LAYOUT if (path / name).is_dir()]
    listed = [*listed, *(each for folder in inside for each in files_beside(folder))] if path.is_dir() else [path]
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


def _data_of(file: Any) -> Any:
    return subgroup(subgroup(file, members(file)[0]), "data")


def look(path: Path) -> SequenceFile:
    """Describe a file, by its first video that is not empty."""
    with opened(path) as file:
        data, root = _data_of(file), members(file)[0]
        videos = members(data)
        for video in videos:
            array = _features(subgroup(data, video))
            if array.shape[0]:
                dim = array.shape[1] if len(array.shape) == 2 else 1
                return SequenceFile(path, root, _kind(root.lower(), array), dim, len(videos))
    raise damaged(path, "holds no video with features", code="empty")


def _kind(root: str, array: Stored) -> str:
    if array.dtype.kind == "S":
        return "phones" if "phone" in root else "words"
    return "labels" if "label" in root else "features"


def _features(video: Any) -> Stored:
    array = stored(video, "features")
    if len(array.shape) not in (1, 2) or 0 in array.shape[1:]:
        problem = f"features have shape {array.shape}"
        raise damaged(array.where, problem, remedy="give (frames, features)", code="wrong_shape")
    return array


class OpenFile:
    """A file while it is read, from what it is and its root group; ``videos`` are the names of its videos."""

    def __init__(self, file: SequenceFile, root: Any) -> None:
        self.file = file
        self._data = _data_of(root)
        self.videos = dict.fromkeys(members(self._data))

    def entry(self, key: str) -> Entry | None:
        """Return the frames of a video, or of the video of a labelled ``video[segment]``; ``None`` without."""
        bracketed = SEGMENT_KEY.fullmatch(key)
        for name in (key, bracketed["video"] if bracketed else key):
            if name in self.videos:
                return self.read(name)
        return None

    def read(self, video: str) -> Entry:
        """Read one video, whose features must be like those of the first."""
        group = subgroup(self._data, video)
        features, intervals = _features(group), stored(group, "intervals")
        if intervals.dtype.kind == "S" or intervals.shape != (features.shape[0], 2):
            problem = f"intervals of shape {intervals.shape} for {features.shape[0]} frames"
            raise damaged(intervals.where, problem, remedy="give (frames, 2)", code="wrong_shape")
        values = features.rows()
        values = values[:, None] if values.ndim == 1 else values
        words, dim = self.file.kind in ("words", "phones"), self.file.dim
        if len(values) and (values.shape[1] != dim or (values.dtype.kind == "S") != words):
            expected = f"{dim} {'strings' if words else 'numbers'} are expected as in the first video"
            problem = f"{values.shape[1]} features of type {values.dtype} where {expected}"
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
