"""The interface of readers: they open a path as a source, and a source yields blocks of samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import Binary, InputError, Multilabel, Sentiment, Task
from comodal.contracts.tasks import task_from_dict
from comodal.data.dataset import unequal
from comodal.data.ragged import RaggedArray

__all__ = ["Block", "Division", "Format", "Label", "Source"]


@dataclass(frozen=True, eq=False)
class Block:
    """Some samples of a source, as many as a reader holds in memory at once.

    Word k of a transcript, separated by single spaces and empty where unknown, stands with frame k of word-aligned
    features. The columns hold further facts per sample, including those of the source's divisions.
    """

    id: NDArray[np.str_]  # (n,) sample ids, `video_segment` where the file has both
    group: NDArray[np.str_]  # (n,) group of each sample, such as its video; the id itself where the file has none
    target: NDArray[np.float32]  # (n,) labels or numbers of classes, (n, K) of several outputs, NaN where missing
    modalities: Mapping[str, RaggedArray]  # name of the features that were asked for to their frames, not padded
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    transcript: NDArray[Any] | None = None  # (n,) words
    normalised: Mapping[str, int] = field(
        default_factory=dict
    )  # what was converted, as a sentence, to how many samples

    def __post_init__(self) -> None:
        if counts := unequal(self):
            problem = f"numbers of samples differ ({counts}); the file is damaged or of another kind"
            raise InputError(problem, code="mismatch")

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Division:
    """How the samples of a source are divided into train, validation and test.

    Its column in the blocks holds split names (``train``, ``valid``, ``test``, ``unlabelled``; another word for a
    sample that is in none), or fold numbers (-1 for none). The note is what every reader of its numbers must know where
    a feature of ``warned`` is used; ``{features}`` is filled with those.
    """

    column: str = "split"
    folds: int | None = None  # number of folds of a cross-validation; None where the column holds split names
    features: Mapping[str, str] = field(
        default_factory=dict
    )  # modality to the features it takes by default, if not all
    note: str = ""
    warned: frozenset[str] = frozenset()
    drawn: bool = False  # random folds of whole groups, which a label of classes may stratify


@dataclass(frozen=True)
class Label:
    """A label that a source offers, in columns of its blocks, one per output; without any it is their target."""

    columns: tuple[str, ...] = ()
    task: Task | None = None  # what is predicted; None where the values or an option must say it
    names: tuple[str, ...] = ()  # of several outputs
    amounts: bool = False  # how strong each is, from 0; as classes or labels present means above 0

    def taken(self, values: NDArray[Any], kind: str | None) -> NDArray[Any]:
        """Return raw values as a task of this kind takes them: amounts are 1 where present, for labels and classes."""
        if not self.amounts or kind not in {Binary.kind, Multilabel.kind}:
            return values
        given = np.asarray(values, dtype=np.float64)
        return np.where(np.isnan(given), np.nan, given > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :meth:`from_dict` reads back."""
        task = None if self.task is None else self.task.to_dict()
        return {"columns": list(self.columns), "task": task, "names": list(self.names), "amounts": self.amounts}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Label:
        """Read what :meth:`to_dict` gave."""
        task = None if plain["task"] is None else task_from_dict(plain["task"])
        return cls(tuple(plain["columns"]), task, tuple(plain["names"]), plain.get("amounts", False))


@dataclass(frozen=True)
class Source:
    """An opened path: its content is known, its samples are not read yet."""

    path: Path
    format: str  # name of its family
    dims: Mapping[str, int]  # features a frame by name of the features, in the order of the modalities
    divisions: Mapping[
        str, Division
    ]  # partitions by name (protocol), the default first; empty where the path says none
    blocks: Callable[[Collection[str]], Iterator[Block]]  # samples with these features, in the file's order, repeatable
    n_samples: int | None = None  # number of samples, None where only reading tells
    task: Task = field(default_factory=Sentiment)  # what is predicted
    label: str = ""  # name of the label that is the target; while its own task is None, every target is missing
    labels: Mapping[str, Label] = field(default_factory=dict)  # every label by name
    defaults: tuple[str, ...] = ()  # features that are modalities unless told otherwise; empty for all
    files: tuple[Path, ...] = ()  # every file that the content depends on, for the digest of a cache
    facts: Mapping[str, str] = field(default_factory=dict)  # what else to tell of it, for `inspect`: title to text
    name: str = ""  # of the data set; that of the path when empty

    @property
    def own_task(self) -> Task | None:
        """The task of its own label, ``None`` where nothing says what is predicted."""
        return self.labels.get(self.label, Label(task=self.task)).task


@dataclass(frozen=True)
class Format:
    """A file family: whether a path should be opened as one of it, and what it holds.

    It is recognised by its content: false, never an error, for anything else. Opening raises an ``InputError`` that
    says in one line which file is damaged or lacks something, where, and what to do.
    """

    name: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], Source]
