"""CMU-MOSI at utterance level: ``utterances.npz`` and, beside it, ``folds.json``.

Two of its features, the CNN text and the 3D-CNN vision features, were learnt with sentiment labels. Which numbers made
with them mean anything depends on the partition, so every combination that does not carries a note.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import Dataset, Partition, describe
from comodal.data.formats.interface import Format
from comodal.data.ragged import RaggedArray
from comodal.data.splits import by_fold, by_name

__all__ = ["ENVIRONMENT", "FORMAT", "PROTOCOLS", "Protocol", "locate", "read", "recognises"]

ENVIRONMENT = "COMODAL_MOSI_DIR"
_BESIDE = Path("shared") / "data" / "cmu_mosi"
_FILE = "utterances.npz"
_FOLDS = 5
_TRIMODAL = {"text": "text", "audio": "audio", "vision": "vision"}
_LEARNT_WITH_LABELS = frozenset({"text", "vision"})
_REQUIRED = ("id", "video", "sentiment")
_NOT_FEATURES = frozenset(
    {*_REQUIRED, "segment", "start", "end", "transcript", "standard_split", "disjoint_split", "nested_fold"}
)
_CONTAMINATED = (
    "contaminated: {features} learnt with labels of the train and validation videos, "
    "so validation means nothing; test labels are unseen"
)
_LEAKY = "leaky: {features} learnt with labels of the test videos; never report these numbers"


@dataclass(frozen=True)
class Protocol:
    """A partition of the utterances, and the features to take unless told otherwise.

    Attributes:
        column: the file's column that holds the partition.
        folds_key: its name in ``folds.json``.
        features: modality to the file's name of the features.
        note: template of the note for features that were learnt with labels, empty when they are honest here.
    """

    column: str
    folds_key: str
    features: Mapping[str, str]
    note: str


PROTOCOLS: dict[str, Protocol] = {
    "nested": Protocol("nested_fold", "nested", _TRIMODAL, ""),
    "clean": Protocol("disjoint_split", "disjoint", {"text": "text_minilm", "audio": "audio"}, _CONTAMINATED),
    "contaminated": Protocol("disjoint_split", "disjoint", _TRIMODAL, _CONTAMINATED),
    "leaky": Protocol("standard_split", "standard", _TRIMODAL, _LEAKY),
}


def locate() -> Path:
    """Folder of the utterance file: ``$COMODAL_MOSI_DIR``, else the nearest ``shared/data/cmu_mosi``.

    The latter is looked for in every folder above the current one and above the project.

    Raises:
        InputError: it is in neither place.
    """
    given = os.environ.get(ENVIRONMENT)
    if given:
        if not (Path(given) / _FILE).is_file():
            raise InputError(f"{ENVIRONMENT}={given}: no {_FILE} there; set it to the folder that holds the file")
        return Path(given)
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / _BESIDE / _FILE).is_file():
                return folder / _BESIDE
    raise InputError(
        f"CMU-MOSI not found: set {ENVIRONMENT} to the folder that holds {_FILE}, "
        f"or put that folder at ../{_BESIDE.as_posix()} beside the project"
    )


def recognises(path: Path) -> bool:
    """A folder with ``utterances.npz``, or any ``.npz`` with ids, videos and sentiment."""
    file = path / _FILE if path.is_dir() else path
    if not file.is_file() or not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        members = set(archive.namelist())
    return {f"{name}.npy" for name in _REQUIRED} <= members


def read(path: Path, *, protocol: str | None = None, features: Mapping[str, str] | None = None) -> Dataset:
    """Read one protocol.

    Args:
        path: the folder, or the ``.npz`` file in it.
        protocol: ``nested`` (default), ``clean``, ``contaminated`` or ``leaky``.
        features: modality to the file's name of its features, for example ``{"text": "text_minilm"}``.

    Returns:
        The utterances of the protocol; ``spec.note`` says when features and partition do not go together.

    Raises:
        InputError: unknown protocol or features, a damaged file, or folds that contradict it.
    """
    name = protocol or "nested"
    if name not in PROTOCOLS:
        raise InputError.unknown("protocol", name, PROTOCOLS, where=str(path))
    chosen = dict(features or PROTOCOLS[name].features)
    file = path / _FILE if path.is_dir() else path
    table = _table(file, name, chosen)
    modalities = {m: RaggedArray.from_vectors(table[source], where=f"{file}, {m}") for m, source in chosen.items()}
    rows, partitions = _partitions(table[PROTOCOLS[name].column], name)
    _check_folds(file.with_name("folds.json"), PROTOCOLS[name], table)
    whole = Dataset(
        spec=describe(f"mosi:{name}", modalities, note=_note(PROTOCOLS[name], chosen)),
        id=table["id"],
        group=table["video"],
        target=np.asarray(table["sentiment"], dtype=np.float32),
        modalities=modalities,
        partitions=partitions,
        transcript=table.get("transcript"),
    )
    return whole.subset(rows)


def _table(file: Path, protocol: str, chosen: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    try:
        # Opened here, because numpy leaves a damaged file open.
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return _columns(archive, file, protocol, chosen)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{file}: not a readable .npz file ({error}); get it again") from error


def _columns(archive: Any, file: Path, protocol: str, chosen: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Only the columns that are needed: an archive is decompressed column by column."""
    offered = [name for name in archive.files if name not in _NOT_FEATURES]
    for source in chosen.values():
        if source not in offered:
            raise InputError.unknown("features", source, offered, where=str(file))
    needed = [*_REQUIRED, PROTOCOLS[protocol].column]
    for column in needed:
        if column not in archive.files:
            raise InputError(f"{file}: no column {column!r}, which protocol {protocol!r} needs; get the file again")
    wanted = dict.fromkeys([*needed, *chosen.values(), *({"transcript"} & set(archive.files))])
    return {column: archive[column] for column in wanted}


def _partitions(column: NDArray[Any], protocol: str) -> tuple[NDArray[np.int64], tuple[Partition, ...]]:
    """Rows the protocol uses, and its partitions by rows of the file."""
    if PROTOCOLS[protocol].column == "nested_fold":
        return np.flatnonzero((column >= 0) & (column < _FOLDS)), by_fold(column, folds=_FOLDS)
    return np.arange(len(column)), (by_name(column, name=protocol),)


def _check_folds(file: Path, protocol: Protocol, table: Mapping[str, NDArray[Any]]) -> None:
    """Where the lists of videos lie beside the file, the two must agree."""
    if not file.is_file():
        return
    try:
        lists: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))[protocol.folds_key]
        listed = {video: part for part, videos in lists.items() for video in videos}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not a readable list of folds ({error!r}); get it again or remove it") from error
    for video, part in zip(table["video"].tolist(), table[protocol.column].tolist(), strict=True):
        if listed.get(video, "-1") != str(part):
            raise InputError(
                f"{file}: video {video!r} is in {listed.get(video, 'no part')!r} there and in {str(part)!r} of "
                f"{protocol.column}; get both files again"
            )


def _note(protocol: Protocol, chosen: Mapping[str, str]) -> str:
    learnt = sorted(_LEARNT_WITH_LABELS & set(chosen.values()))
    if not learnt or not protocol.note:
        return ""
    verb = "features were" if len(learnt) > 1 else "feature was"
    return protocol.note.format(features=f"{' and '.join(learnt)} {verb}")


FORMAT = Format(
    name="mosi_utterances",
    files=f"a folder with {_FILE}, or such a file",
    protocols=tuple(PROTOCOLS),
    recognises=recognises,
    read=read,
)
