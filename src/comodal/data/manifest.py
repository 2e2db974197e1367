"""The description of a converted data set, ``dataset.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from comodal.contracts import InputError, Task
from comodal.contracts.tasks import task_from_dict
from comodal.data.dataset import CleaningReport
from comodal.data.formats.interface import Division, Label
from comodal.data.formats.texts import damage, damaged
from comodal.data.inspection import FeatureFacts, Inspection

__all__ = ["MANIFEST", "REMEDY", "Manifest", "digest", "manifest_file", "read_manifest", "recognises"]

MANIFEST = "dataset.json"
REMEDY = "convert the data set again"
_KIND = "comodal dataset"
_VERSION = 5


@dataclass(frozen=True)
class Manifest:
    """The content of ``dataset.json``."""

    name: str  # of the data set
    format: str  # family of the files it was made from
    source: Mapping[str, str]  # name of each of these files to its SHA-256
    samples: int  # number of samples that are stored
    dims: Mapping[str, int]  # features per frame by name of the features
    files: Mapping[str, str]  # path of each stored file, relative to the folder, to its SHA-256
    divisions: Mapping[str, Division]  # protocols
    defaults: tuple[str, ...]  # features that are modalities unless others are chosen
    cleaning: CleaningReport  # what was changed on the way in
    inspection: Inspection  # counts of the files before that
    task: Task  # what is predicted
    label: str = ""  # name of the label that is the target
    labels: Mapping[str, Label] = field(default_factory=dict)  # every label by name
    facts: Mapping[str, str] = field(default_factory=dict)  # further facts, for `inspect`

    def feature_file(self, name: str) -> str:
        """Return the path of a feature set, relative to the folder; a number, since a name may be no file name."""
        return f"features/{list(self.dims).index(name)}.npy"

    def as_json(self) -> str:
        """Return the text of ``dataset.json``, with the SHA-256 of all its values."""
        labels = {name: each.to_dict() for name, each in self.labels.items()}
        values = {**asdict(self), "task": self.task.to_dict(), "labels": labels}
        plain = json.loads(json.dumps(values, default=sorted))  # the features that a note warns of are a set
        return json.dumps({"kind": _KIND, "version": _VERSION, "sha256": _digest(plain), **plain}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: object = MANIFEST) -> Manifest:
        """Read what :meth:`as_json` gave; errors of any kind where it is something else or was changed."""
        plain = json.loads(text)
        kind, version = plain.pop("kind"), plain.pop("version")
        if kind == _KIND and version != _VERSION:
            problem = f"has layout {version}, this version reads {_VERSION}"
            raise damaged(where, problem, remedy=REMEDY, code="unsupported")
        if kind != _KIND or plain.pop("sha256") != _digest(plain):
            raise ValueError("it was changed after it was written")
        divisions = {
            name: Division(**{**d, "warned": frozenset(d["warned"])}) for name, d in plain["divisions"].items()
        }
        found = plain["inspection"]
        features = {name: FeatureFacts(**facts) for name, facts in found["features"].items()}
        made = {
            "divisions": divisions,
            "task": task_from_dict(plain["task"]),
            "labels": {name: Label.from_dict(each) for name, each in plain["labels"].items()},
            "defaults": tuple(plain["defaults"]),
            "cleaning": CleaningReport(**plain["cleaning"]),
            "inspection": Inspection(**{**found, "features": features}),
        }
        return cls(**{**plain, **made})


def _digest(plain: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the values, whatever white space stands between them."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def manifest_file(path: Path) -> Path:
    """Return where the description of a data set lies, given its folder or the description itself."""
    return path / MANIFEST if path.is_dir() else path


def recognises(path: Path) -> bool:
    """Return whether a path is a folder with a ``dataset.json`` of this kind, or that file."""
    file = manifest_file(path)
    try:
        if file.name != MANIFEST or not file.is_file():
            return False
        with file.open(encoding="utf-8", errors="replace") as opened:
            return f'"kind": "{_KIND}"' in opened.read(200)
    except OSError:
        return False


def read_manifest(path: Path) -> Manifest:
    """Read the description of a converted data set; refuse what is damaged or of another version."""
    file = manifest_file(path)
    with damage(file, "description", remedy=REMEDY):
        return Manifest.from_json(file.read_text(encoding="utf-8"), where=file)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    if path.exists() and not path.is_file():  # a pipe would wait for a writer for ever
        raise InputError(f"{path}: cannot be read (not a file); check the path", code="cannot_read")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path", code="cannot_read") from error
