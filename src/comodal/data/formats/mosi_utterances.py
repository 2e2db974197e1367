"""Read CMU-MOSI at utterance level: ``utterances.npz`` and, beside it, ``folds.json``.

Two of its features, the CNN text and the 3D-CNN vision features, were learnt with sentiment labels. Which numbers made
with them mean anything depends on the partition, so every combination that does not carries a note.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from comodal.data.formats.folders import archive_members, locate_folder
from comodal.data.formats.interface import Block, Division, Format, Source
from comodal.data.formats.named_arrays import NamedArrays, open_arrays
from comodal.data.formats.texts import damaged, one_line
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
_TEXTS = frozenset({"id", "video", "transcript", "standard_split", "disjoint_split"})
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
    """Return the folder of the utterance file: ``$COMODAL_MOSI_DIR``, else the nearest ``shared/data/cmu_mosi``."""
    return locate_folder(ENVIRONMENT, _BESIDE, file=_FILE, title="CMU-MOSI")


def recognises(path: Path) -> bool:
    """Whether a path is a folder with ``utterances.npz``, or an ``.npz`` with ids, videos and sentiment.

    A damaged archive of that name is taken too, so that opening it reports the damage.
    """
    file = path / _FILE if path.is_dir() else path
    members = archive_members(file)
    return file.name == _FILE if members is None else set(_REQUIRED) <= members


def open_source(path: Path) -> Source:
    """Open the archive; protocols note where their features were learnt with labels that they are tested on."""
    file = path / _FILE if path.is_dir() else path
    with open_arrays(file) as archive:
        for column in (*_REQUIRED, *_FOLDS_KEY):
            if column not in archive.shapes:
                raise damaged(file, f"no column {column!r}, which its protocols need", code="missing")
        dims = {name: shape[-1] for name, shape in archive.shapes.items() if name not in _NOT_FEATURES and shape}
        count = _count(file, archive)
    return Source(
        path=path,
        name="mosi",
        format="mosi_utterances",
        dims=dims,
        divisions=PROTOCOLS,
        blocks=lambda features: iter([_block(file, features)]),
        n_samples=count,
        files=tuple(each for each in (file, file.with_name(_LISTS)) if each.is_file()),
    )


def _count(file: Path, archive: NamedArrays) -> int:
    """Return the number of utterances, which every column must have."""
    rows = archive.shapes["id"][:1]
    for name, shape in archive.shapes.items():
        features = name not in _NOT_FEATURES
        if shape[:1] != rows or len(shape) != 1 + features or 0 in shape:
            wanted = "(N, features)" if features else "(N,)"
            raise damaged(f"{file}, {name}", f"shape {shape} where {wanted} is expected", code="wrong_shape")
    return rows[0]


def _block(file: Path, features: Collection[str]) -> Block:
    """Read the columns that are needed alone: an archive is decompressed column by column."""
    with open_arrays(file) as archive:
        needed = [name for name in archive.shapes if name in _NOT_FEATURES or name in features]
        table = {name: _column(file, name, archive.read(name)) for name in needed}
    for column in _FOLDS_KEY:
        _check_folds(file.with_name(_LISTS), column, table)
    return Block(
        id=table["id"],
        group=table["video"],
        target=RaggedArray.from_vectors(table["sentiment"][:, None], where=f"{file}, sentiment").values[:, 0],
        modalities={name: RaggedArray.from_vectors(table[name], where=f"{file}, {name}") for name in features},
        columns={name: table[name] for name in (*_FOLDS_KEY, "start", "end") if name in table},
        transcript=table.get("transcript"),
    )


def _column(file: Path, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return an array that has the type of its column."""
    wanted, kinds = ("text", "U") if name in _TEXTS else ("numbers", "fiub")
    if values.dtype.kind not in kinds:
        raise damaged(f"{file}, {name}", f"{values.dtype} where {wanted} is expected", code="wrong_type")
    if name in _REQUIRED and values.dtype.kind == "U" and not (values != "").all():
        raise damaged(f"{file}, {name}", f"utterance {int((values == '').argmax())} has none", code="missing")
    return values


def _check_folds(file: Path, column: str, table: Mapping[str, NDArray[Any]]) -> None:
    """Refuse lists of videos beside the file that disagree with it."""
    if not file.is_file():
        return
    try:
        lists: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))[_FOLDS_KEY[column]]
        listed = {video: part for part, videos in lists.items() for video in videos}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # With its type: the message of a KeyError is the key alone.
        why = one_line(f"{type(error).__name__}: {error}", longest=200)
        raise damaged(file, f"not a readable list of folds ({why})", remedy="get it again or remove it") from error
    for video, part in zip(table["video"].tolist(), table[column].tolist(), strict=True):
        if listed.get(video, "-1") != str(part):
            problem = f"video {video!r} is in {listed.get(video, 'no part')!r} there and in {str(part)!r} of {column}"
            raise damaged(file, problem, remedy="get both files again", code="mismatch")


FORMAT = Format("mosi_utterances", recognises, open_source)
