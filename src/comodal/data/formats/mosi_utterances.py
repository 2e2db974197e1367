"""CMU-MOSI at utterance level: ``utterances.npz`` and, beside it, ``folds.json``.

Two of its features, the CNN text and the 3D-CNN vision features, were learnt with sentiment labels. Which numbers made
with them mean anything depends on the partition, so every combination that does not carries a note.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.interface import Block, Division, Format, Source
from comodal.data.ragged import RaggedArray

__all__ = ["ENVIRONMENT", "FORMAT", "PROTOCOLS", "locate", "open_source", "recognises"]

ENVIRONMENT = "COMODAL_MOSI_DIR"
_BESIDE = Path("shared") / "data" / "cmu_mosi"
_FILE = "utterances.npz"
_FOLDS = 5
_LISTS = "folds.json"
_TRIMODAL = {"text": "text", "audio": "audio", "vision": "vision"}
_LEARNT = frozenset({"text", "vision"})
_REQUIRED = ("id", "video", "sentiment")
_NOT_FEATURES = frozenset(
    {*_REQUIRED, "segment", "start", "end", "transcript", "standard_split", "disjoint_split", "nested_fold"}
)
_CONTAMINATED = (
    "contaminated: {features} learnt with labels of the train and validation videos, "
    "so validation means nothing, while test labels are unseen"
)
_LEAKY = "leaky: {features} learnt with labels of the test videos: never report these numbers"


PROTOCOLS: dict[str, Division] = {
    "nested": Division("nested_fold", _FOLDS, _TRIMODAL),
    "clean": Division("disjoint_split", None, {"text": "text_minilm", "audio": "audio"}, _CONTAMINATED, _LEARNT),
    "contaminated": Division("disjoint_split", None, _TRIMODAL, _CONTAMINATED, _LEARNT),
    "leaky": Division("standard_split", None, _TRIMODAL, _LEAKY, _LEARNT),
}
_FOLDS_KEY = {"nested_fold": "nested", "disjoint_split": "disjoint", "standard_split": "standard"}


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


def open_source(path: Path) -> Source:
    """Look into the archive.

    Args:
        path: the folder, or the ``.npz`` file in it.

    Returns:
        A source with the protocols ``nested`` (default), ``clean``, ``contaminated`` and ``leaky``, whose notes say
        when features and partition do not go together.

    Raises:
        InputError: a damaged file, or one that lacks a column.
    """
    file = path / _FILE if path.is_dir() else path
    with _archive(file) as archive:
        for column in (*_REQUIRED, *_FOLDS_KEY):
            if column not in archive.files:
                raise InputError(f"{file}: no column {column!r}, which its protocols need; get the file again")
        offered = [name for name in archive.files if name not in _NOT_FEATURES]
        dims = {name: int(archive[name].shape[-1]) for name in offered}
        count = len(archive["id"])
    return Source(
        path=path,
        name="mosi",
        format="mosi_utterances",
        dims=dims,
        divisions=PROTOCOLS,
        blocks=lambda features: iter([_block(file, features)]),
        n_utterances=count,
        files=tuple(each for each in (file, file.with_name(_LISTS)) if each.is_file()),
    )


@contextmanager
def _archive(file: Path) -> Iterator[Any]:
    try:
        # Opened here, because numpy leaves a damaged file open.
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            yield archive
    except InputError:
        raise
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{file}: not a readable .npz file ({error}); get it again") from error


def _block(file: Path, features: Collection[str]) -> Block:
    """Only the columns that are needed: an archive is decompressed column by column."""
    with _archive(file) as archive:
        table = {name: archive[name] for name in archive.files if name in _NOT_FEATURES or name in features}
    for column in _FOLDS_KEY:
        _check_folds(file.with_name(_LISTS), column, table)
    return Block(
        id=table["id"],
        group=table["video"],
        target=np.asarray(table["sentiment"], dtype=np.float32),
        modalities={name: RaggedArray.from_vectors(table[name], where=f"{file}, {name}") for name in features},
        columns={name: table[name] for name in (*_FOLDS_KEY, "start", "end") if name in table},
        transcript=table.get("transcript"),
    )


def _check_folds(file: Path, column: str, table: Mapping[str, NDArray[Any]]) -> None:
    """Where the lists of videos lie beside the file, the two must agree."""
    if not file.is_file():
        return
    try:
        lists: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))[_FOLDS_KEY[column]]
        listed = {video: part for part, videos in lists.items() for video in videos}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not a readable list of folds ({error!r}); get it again or remove it") from error
    for video, part in zip(table["video"].tolist(), table[column].tolist(), strict=True):
        if listed.get(video, "-1") != str(part):
            raise InputError(
                f"{file}: video {video!r} is in {listed.get(video, 'no part')!r} there and in {str(part)!r} of "
                f"{column}; get both files again"
            )


FORMAT = Format(
    name="mosi_utterances",
    files=f"a folder with {_FILE}, or such a file",
    recognises=recognises,
    open=open_source,
)
