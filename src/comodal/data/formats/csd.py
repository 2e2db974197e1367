"""Read the CMU Multimodal SDK's ``.csd`` files: labels, and words and features of the same videos beside them.

With a file of words, features are averaged over each word and words are assigned to the labelled segments, as the
SDK's two alignments do; without one, the frames of each file are cut to the segments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from comodal.contracts import InputError
from comodal.data.formats.csd_files import OpenFile, SequenceFile, files_of, is_csd, look, modality_of
from comodal.data.formats.csd_videos import video_block
from comodal.data.formats.hdf5 import has_signature, opened
from comodal.data.formats.interface import Block, Format, Source
from comodal.data.formats.label_fields import fields_of, offering
from comodal.data.formats.names import MODALITIES, in_order
from comodal.data.formats.texts import damaged

__all__ = ["FORMAT", "open_source", "recognises"]

_SENTIMENT_COLUMNS = (1, 7)


def recognises(path: Path) -> bool:
    """Whether a path is or holds a file built as the SDK's are; also one that is damaged but named so."""
    try:
        files = files_of(path)
    except InputError:
        return path.is_dir() and any(map(_looks, path.glob("*.csd")))
    return any(map(_looks, files))


def _looks(file: Path) -> bool:
    if not has_signature(file):
        return False
    try:
        return is_csd(file)
    except InputError:
        return file.suffix == ".csd"


class _Plan(NamedTuple):
    labels: SequenceFile
    words: SequenceFile | None
    features: Mapping[str, SequenceFile]

    @property
    def files(self) -> list[SequenceFile]:
        return [self.labels, *([self.words] if self.words else []), *self.features.values()]


def open_source(path: Path) -> Source:
    """Open every file of a folder, or one file of labels; the files do not divide the videos."""
    found = _looked_into(path)
    plan = _plan(path, found)
    others = [name for name in plan.features if name not in MODALITIES and modality_of(plan.features[name].root)]
    source = Source(
        path=path,
        format=FORMAT.name,
        dims={name: each.dim for name, each in plan.features.items()},
        divisions={},
        blocks=lambda features: _blocks(plan, features),
        defaults=tuple(name for name in plan.features if name not in others) if others else (),
        files=tuple(each.path for each in plan.files),
        facts=_facts(plan, [each for each in found if each not in plan.files]),
    )
    return offering(source, fields_of((plan.labels.videos, plan.labels.dim), where=str(plan.labels.path)))


def _looked_into(path: Path) -> list[SequenceFile]:
    found = []
    for file in files_of(path):
        if is_csd(file):
            found.append(look(file))
        elif file.suffix == ".csd":
            raise damaged(file, "no <name>/data and <name>/metadata as in the SDK's files", remedy="get it again")
    return found


def _plan(path: Path, found: Sequence[SequenceFile]) -> _Plan:
    labels = [each for each in found if each.kind == "labels"]
    features = [each for each in found if each.kind == "features"]
    if not labels:
        labels = [each for each in features if each.dim in _SENTIMENT_COLUMNS]
        features = [each for each in features if each not in labels]
    words = [each for each in found if each.kind == "words"]
    if len(labels) != 1:
        names = ", ".join(each.path.name for each in labels) or "none"
        problem = f"one file of labels is needed and found are: {names}"
        raise damaged(path, problem, remedy="give a folder with one", code="missing")
    if len(words) > 1:
        names = " and ".join(each.path.name for each in words)
        problem = f"two files of words, {names}"
        raise damaged(path, problem, remedy="keep the one that the features belong to", code="duplicate")
    if words and words[0].dim != 1:
        raise damaged(words[0].path, f"{words[0].dim} strings per word", remedy="give one", code="wrong_shape")
    return _Plan(labels[0], next(iter(words), None), _named(features))


def _named(features: Sequence[SequenceFile]) -> dict[str, SequenceFile]:
    """Name the files: the first of a modality by the modality, others as their authors do."""
    found: dict[str, SequenceFile] = {}
    for each in features:
        own = re.sub(r"[^\w.-]+", "_", each.root).strip("_.") or each.path.stem
        stem = re.sub(r"[^\w.-]+", "_", each.path.stem)
        name = next((name for name in (modality_of(each.root), own, stem) if name and name not in found), "")
        if not name:
            problem = f"a second file of {each.root!r} features"
            raise damaged(each.path, problem, remedy="keep one of the two", code="duplicate")
        found[name] = each
    return {name: found[name] for name in in_order(list(found))}


def _facts(plan: _Plan, left: Sequence[SequenceFile]) -> dict[str, str]:
    named = {"labels": plan.labels, **({"words": plan.words} if plan.words else {}), **plan.features}
    facts = {f"file of {name}": f"{at.path.name} ({at.root}), {at.videos} videos" for name, at in named.items()}
    aligned = "to words" if plan.words else "none: frames are cut to segments, features have lengths of their own"
    facts |= {"alignment": aligned} if plan.features else {}
    return facts | ({"not read": ", ".join(f"{each.path.name} ({each.kind})" for each in left)} if left else {})


def _blocks(plan: _Plan, features: Collection[str]) -> Iterator[Block]:
    with ExitStack() as stack:
        files = {file: OpenFile(file, stack.enter_context(opened(file.path))) for file in plan.files}
        words = files[plan.words] if plan.words else None
        wanted = {name: files[plan.features[name]] for name in features}
        for video in files[plan.labels].videos:
            block = video_block(video, labels=files[plan.labels], words=words, features=wanted)
            if len(block):
                yield block


FORMAT = Format("csd", recognises, open_source)
