"""Read lists of videos per split from a file, and divide a source by them."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts import InputError
from comodal.data.assemble import concatenate
from comodal.data.dataset import PARTS
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.formats.names import canonical_part
from comodal.data.splits import fold_numbers, grouped_k_fold

__all__ = ["NO_SPLIT", "read_folds", "stratified", "with_folds"]

NO_SPLIT = "none"
"""Split of a sample whose video is in no list."""

_STANDARD = "standard"
_MOST_BYTES = 2**24
_REMEDY = 'give JSON {"train": [videos], "valid": [...], "test": [...]}, or the lists of the SDK as a Python file'
_NOTE = (
    "unchecked: {features} learnt with labels of some videos, perhaps of those that these folds test; see the source"
)


def read_folds(path: Path, key: str | None = None) -> dict[str, tuple[str, ...]]:
    """Read the videos of each split from JSON, or from the SDK's Python file without running it.

    Args:
        path: JSON of split (train, valid or dev, test, unlabelled) to videos, or of fold number (0, 1, ...) to videos,
            or of names to such objects; or Python whose top level assigns lists to names such as
            ``standard_train_fold``.
        key: one of several names, ``standard`` when ``None``.

    Returns:
        ``train``, ``valid``, ``test`` and ``unlabelled`` in this order, or ``"0"``, ``"1"``, ... to videos, each once.

    Raises:
        InputError: the file is unreadable or of another kind, or a video is in two lists.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "folds.py"
        ...     _ = file.write_text("standard_train_fold = ['a', 'b']; standard_test_fold = ['c']")
        ...     read_folds(file)
        {'train': ('a', 'b'), 'test': ('c',)}
    """
    splits = _splits(_chosen(_parsed(path), path, key), path)
    home: dict[str, str] = {}
    for split, videos in splits.items():
        for video in videos:
            if home.setdefault(video, split) != split:
                both = f"{home[video]!r} and in {split!r}"
                raise InputError(f"{path}: video {video!r} is in {both}; leave it in one", code="duplicate")
    return splits


def _parsed(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8-sig") if len(content) <= _MOST_BYTES else ""
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_REMEDY}", code="cannot_read") from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path}: too large for lists of videos; {_REMEDY}", code="too_large")
    as_json = text.lstrip()[:1] in ("{", "[")
    try:
        parsed = json.loads(text) if as_json else ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = f"not JSON ({error})" if as_json else f"neither JSON nor Python ({type(error).__name__})"
        raise InputError(f"{path}: {reason}; {_REMEDY}", code="damaged") from error
    return parsed if as_json else _assigned(parsed, path)


def _assigned(statements: list[ast.stmt], path: Path) -> dict[str, Any]:
    """Return the lists that the top level of a file assigns to names containing the name of a split."""
    found: dict[str, Any] = {}
    for each in statements:
        if not (isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name)):
            continue
        name = each.targets[0].id
        split = next(filter(None, map(canonical_part, name.split("_"))), "")
        if split in found:
            raise InputError(f"{path}: two lists of {split}; leave one", code="duplicate")
        try:
            found |= {split: ast.literal_eval(each.value)} if split else {}
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            reason = f"{name!r} is not a plain list of names, and code is never run"
            raise InputError(f"{path}: {reason}; {_REMEDY}", code="unsafe") from error
    return found


def _chosen(found: Any, path: Path, key: str | None) -> dict[str, Any]:
    """Return the lists at the top level, or one level down under a key."""
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: no lists of videos; {_REMEDY}", code="empty")
    if not any(isinstance(each, dict) for each in found.values()):
        if key is not None:
            raise InputError(f"{path}: holds one set of folds; leave the key {key!r} out", code="conflict")
        return found
    name = _STANDARD if key is None else key
    if not isinstance(found.get(name), dict):
        names = [str(each) for each, lists in found.items() if isinstance(lists, dict)]
        raise InputError.unknown("key of folds", name, names, where=str(path))
    return dict(found[name])


def _splits(lists: Mapping[str, Any], path: Path) -> dict[str, tuple[str, ...]]:
    numbers = sorted((name for name in lists if name.isascii() and name.isdigit()), key=int)
    if numbers and len(numbers) == len(lists):
        if numbers != [str(fold) for fold in range(len(numbers))] or len(numbers) < 3:
            given = ", ".join(numbers)[:200]
            raise InputError(f"{path}: folds {given}; number them from 0, and give at least 3", code="out_of_range")
        return {name: _videos(lists[name], f"{path}, {name}") for name in numbers}
    found: dict[str, tuple[str, ...]] = {}
    for name, videos in lists.items():
        split = canonical_part(name)
        if not split:
            raise InputError.unknown("split", name, PARTS, where=str(path))
        if split in found:
            raise InputError(f"{path}: two lists of {split}; leave one", code="duplicate")
        found[split] = _videos(videos, f"{path}, {name}")
    if "train" not in found or len(found) == 1:
        raise InputError(f"{path}: lists of {', '.join(found) or 'nothing'} only; {_REMEDY}", code="missing")
    return {split: found[split] for split in PARTS if split in found}


def _videos(videos: Any, where: str) -> tuple[str, ...]:
    if not isinstance(videos, list | tuple) or not all(isinstance(video, str) for video in videos):
        raise InputError(f"{where}: not a list of names of videos; {_REMEDY}", code="wrong_type")
    return tuple(dict.fromkeys(videos))


def with_folds(source: Source, folds: Mapping[str, Collection[str]]) -> Source:
    """Return a source whose groups are videos, divided by the lists of :func:`read_folds`.

    Returns:
        A source whose first division is ``folds``, with a column ``split``; its own divisions by this column
        are removed. Samples of videos in no list are in no split, and are counted.

    Raises:
        InputError: on reading, when no sample belongs to a video in the lists.

    Example:
        >>> one = Block(np.array(["a_1"]), np.array(["a"]), np.zeros(1, np.float32), {})
        >>> source = Source(Path("x"), "toy", {}, {}, lambda features: iter([one]))
        >>> divided = with_folds(source, {"train": ["a"], "test": ["b"]})
        >>> block = next(divided.blocks([]))
        >>> block.columns["split"].tolist(), block.normalised
        (['train'], {'videos of the folds that have no sample': 1})
    """
    numbered = "0" in folds
    own = next(iter(source.divisions.values()), Division())
    warned = frozenset[str]().union(*(each.warned for each in source.divisions.values()))
    count = len(folds) if numbered else None
    division = Division("split", count, own.features, _NOTE if warned else "", warned)
    others = {name: each for name, each in source.divisions.items() if name != "folds" and each.column != "split"}
    home: dict[str, str | int] = {
        video: int(split) if numbered else split for split, videos in folds.items() for video in videos
    }
    listed = ", ".join(f"{split} {len(videos)}" for split, videos in folds.items())
    return replace(
        source,
        divisions={"folds": division, **others},
        blocks=lambda features: _divided(source, home, features, nowhere=-1 if numbered else NO_SPLIT),
        facts={**source.facts, "videos of the folds": listed},
    )


def stratified(source: Source) -> Source:
    """Return a source whose random folds are drawn anew, so that each has about its share of every class.

    A source that has none, or whose label is of no classes, stays as it is.

    Raises:
        InputError: a class with fewer groups than folds.
    """
    drawn = {name: each for name, each in source.divisions.items() if each.drawn and each.folds}
    if not drawn or not source.task.classes:
        return source
    whole = concatenate(list(source.blocks([])), where=str(source.path))
    classes = source.task.presence(whole.target)
    columns = {}
    for each in drawn.values():
        try:
            columns[each.column] = fold_numbers(grouped_k_fold(whole.group, folds=each.folds or 0, classes=classes))
        except InputError as error:
            raise error.at(source.path) from error

    def blocks(features: Collection[str]) -> Iterator[Block]:
        start = 0
        for block in source.blocks(features):
            rows = slice(start, start := start + len(block))
            yield replace(block, columns={**block.columns, **{name: each[rows] for name, each in columns.items()}})

    settled = {name: replace(each, drawn=False) for name, each in drawn.items()}
    return replace(source, divisions={**source.divisions, **settled}, blocks=blocks)


def _divided(
    source: Source, home: Mapping[str, str | int], features: Collection[str], *, nowhere: str | int
) -> Iterator[Block]:
    unseen = set(home)
    held: Block | None = None
    for block in source.blocks(features):
        if held is not None:
            yield held
        videos = block.group.tolist()
        unseen.difference_update(videos)
        homes = [home.get(video, nowhere) for video in videos]
        lost = homes.count(nowhere)
        held = replace(
            block,
            columns={**block.columns, "split": np.array(homes, dtype=np.int64 if nowhere == -1 else np.str_)},
            normalised={**block.normalised, **({"videos in no fold, so in no split": lost} if lost else {})},
        )
    if len(unseen) == len(home):
        raise InputError(
            f"{source.path}: none of its videos is in the folds (first in the folds: {min(home, default='')!r}); "
            "the folds are of another data set",
            code="mismatch",
        )
    if held is not None:
        # Known after the last block only, so that block was held back.
        more = {"videos of the folds that have no sample": len(unseen)} if unseen else {}
        yield replace(held, normalised={**held.normalised, **more})
