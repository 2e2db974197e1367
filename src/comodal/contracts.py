"""The nouns every stage exchanges. This module imports nothing of the package.

Axis legend: B utterances of a batch, T time steps, d features of a frame, D width of a representation, N utterances.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

__all__ = [
    "ComparisonRow",
    "DatasetSpec",
    "DependencyEstimate",
    "FusionOutput",
    "InputError",
    "InputSpec",
    "ModalitySequence",
    "MultimodalBatch",
    "ObjectiveTerms",
    "PredictionTable",
]


class InputError(ValueError):
    """Something a user gave is wrong: one line that says what, where, and what to do about it.

    The command line prints the message alone and exits with status 2; a traceback is for defects of the library.
    """

    @classmethod
    def unknown(cls, kind: str, name: object, known: Iterable[object], *, where: str = "") -> InputError:
        """The error for a name that is not in a family; the nearest known one is offered.

        Args:
            kind: what it should have named, for example ``"fusion"``.
            name: what was given.
            known: every legal name.
            where: file or argument it was given in.

        >>> print(InputError.unknown("fusion", "erly", ["early", "lfn"]))
        unknown fusion 'erly': did you mean 'early'? (known: early, lfn)
        >>> print(InputError.unknown("column", "x", ["label"], where="frame"))
        frame: unknown column 'x': give one of: label
        """
        names = [str(each) for each in known]
        near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
        listed = ", ".join(names)
        remedy = f"did you mean {near[0]!r}? (known: {listed})" if near else f"give one of: {listed}"
        return cls(f"{where}: unknown {kind} {name!r}: {remedy}" if where else f"unknown {kind} {name!r}: {remedy}")


class ModalitySequence(NamedTuple):
    """One modality of a batch.

    An utterance-level feature vector is a sequence of length 1; an absent modality is a row whose mask is all false.

    Attributes:
        values: ``(B, T, d)`` float frames, zero where the mask is false.
        mask: ``(B, T)`` bool, true on real frames.
    """

    values: Tensor
    mask: Tensor

    @property
    def present(self) -> Tensor:
        """``(B,)`` bool: which utterances have this modality at all.

        >>> import torch
        >>> ModalitySequence(torch.zeros(2, 1, 3), torch.tensor([[True], [False]])).present
        tensor([ True, False])
        """
        return self.mask.any(dim=1)

    def to(self, *args: Any, **kwargs: Any) -> ModalitySequence:
        """Move both tensors; a dtype applies to the values alone."""
        values = self.values.to(*args, **kwargs)
        return ModalitySequence(values, self.mask.to(values.device))


@dataclass(frozen=True)
class MultimodalBatch:
    """Aligned utterances, as every fusion model takes them.

    Attributes:
        id: utterance ids, kept from the file to the report.
        modalities: name to sequence; the order is that of the data set's spec.
        target: ``(B,)`` float labels.
    """

    id: tuple[str, ...]
    modalities: Mapping[str, ModalitySequence]
    target: Tensor

    def __len__(self) -> int:
        return len(self.id)

    def to(self, *args: Any, **kwargs: Any) -> MultimodalBatch:
        """Move every tensor to a device."""
        moved = {name: sequence.to(*args, **kwargs) for name, sequence in self.modalities.items()}
        return MultimodalBatch(self.id, moved, self.target.to(*args, **kwargs))

    def pin_memory(self) -> MultimodalBatch:
        """Page-locked copy, for PyTorch's data loader."""
        pinned = {n: ModalitySequence(s.values.pin_memory(), s.mask.pin_memory()) for n, s in self.modalities.items()}
        return MultimodalBatch(self.id, pinned, self.target.pin_memory())


@dataclass(frozen=True)
class DatasetSpec:
    """What a model may know of a data set without reading it.

    Attributes:
        name: how it was asked for, for example ``"mosi:clean"``.
        dims: features per frame of each modality, in the canonical order of the modalities.
        max_lengths: longest sequence of each modality; 1 means utterance-level vectors.
        label_range: smallest and largest legal label.
        note: what a reader of its numbers must know (licence, leakage), empty when there is nothing.
    """

    name: str
    dims: Mapping[str, int]
    max_lengths: Mapping[str, int]
    label_range: tuple[float, float] = (-3.0, 3.0)
    note: str = ""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order.

        >>> DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}).modalities
        ('text', 'audio')
        """
        return tuple(self.dims)


@dataclass(frozen=True)
class InputSpec:
    """What a fusion model needs of its input.

    Attributes:
        aligned: every modality must have the same number of frames, word by word.
        tokens: the text modality must be word-piece ids rather than feature vectors.
        min_modalities: fewest modalities it can fuse.
        max_modalities: most it can fuse; ``None`` for any number.
    """

    aligned: bool = False
    tokens: bool = False
    min_modalities: int = 1
    max_modalities: int | None = None


class FusionOutput(NamedTuple):
    """Where fusion and dependency meet, and the only place.

    Attributes:
        prediction: ``(B,)``.
        fused: ``(B, F)`` the fused representation.
        representations: name to ``(B, D_m)``, one unimodal representation each.
    """

    prediction: Tensor
    fused: Tensor
    representations: Mapping[str, Tensor]


@dataclass(frozen=True)
class DependencyEstimate:
    """A held-out estimate of the dependency between views.

    Attributes:
        measure: name of the measure.
        value: larger = more dependent.
        ci_low: lower end of the 95 % interval.
        ci_high: upper end of the 95 % interval.
        unit: ``"nats"``, ``"distance"`` or ``"divergence"``.
        n_fit: samples the critic was fitted on.
        n_eval: held-out samples, all of them used at once.
        is_lower_bound: whether the population value is bounded from below.
        pointwise: ``(n_eval,)`` the critic's score of each held-out joint sample.
        warnings: what a reader must know, for example a value beyond what the sample size can certify.
    """

    measure: str
    value: float
    ci_low: float
    ci_high: float
    unit: str
    n_fit: int
    n_eval: int
    is_lower_bound: bool
    pointwise: np.ndarray[Any, np.dtype[np.float32]] = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ObjectiveTerms:
    """The terms of a training objective, named and unsummed until the end.

    Attributes:
        task: scalar task loss.
        penalties: name to scalar, each already weighted and signed so that it is to be minimised.
    """

    task: Tensor
    penalties: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """The scalar to minimise.

        >>> import torch
        >>> ObjectiveTerms(torch.tensor(1.0), {"dependency": torch.tensor(-0.25)}).total
        tensor(0.7500)
        """
        total = self.task
        for value in self.penalties.values():
            total = total + value
        return total


@dataclass(frozen=True)
class PredictionTable:
    """Predictions as all evaluation reads them: one row per utterance and scenario.

    Attributes:
        id: ``(N,)`` utterance ids.
        group: ``(N,)`` the video (or speaker) of each utterance: the unit that is resampled in intervals.
        split: ``(N,)`` ``"train"``, ``"valid"`` or ``"test"``.
        scenario: ``(N,)`` which modalities were present or corrupted; ``"clean"`` when all were as given.
        target: ``(N,)`` labels.
        prediction: ``(N,)``.
        critic_score: ``(N,)`` the critic's score of the joint sample, NaN without a critic.
    """

    id: np.ndarray[Any, Any]
    group: np.ndarray[Any, Any]
    split: np.ndarray[Any, Any]
    scenario: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    prediction: np.ndarray[Any, Any]
    critic_score: np.ndarray[Any, Any]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"columns of a prediction table differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.id)

    def columns(self) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Name and array of every column, in file order."""
        for name in self.__dataclass_fields__:
            yield name, getattr(self, name)

    def select(self, *, split: str | None = None, scenario: str | None = None) -> PredictionTable:
        """The rows of one split, one scenario, or both."""
        keep = np.ones(len(self), dtype=bool)
        if split is not None:
            keep &= self.split == split
        if scenario is not None:
            keep &= self.scenario == scenario
        return PredictionTable(**{name: column[keep] for name, column in self.columns()})

    @staticmethod
    def concatenate(tables: list[PredictionTable]) -> PredictionTable:
        """Rows of several tables below each other, for example the folds of a cross-validation."""
        if not tables:
            raise InputError("no prediction table to concatenate: give at least one")
        names = PredictionTable.__dataclass_fields__
        return PredictionTable(**{name: np.concatenate([getattr(t, name) for t in tables]) for name in names})

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet."""
        import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
        import pyarrow.parquet as pq  # noqa: PLC0415

        pq.write_table(pa.table({name: pa.array(column) for name, column in self.columns()}), path)

    @staticmethod
    def from_parquet(path: str | Path) -> PredictionTable:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            InputError: the file is missing, is not Parquet, or lacks a column.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"{path}: not a readable prediction table ({error}); run `comodal evaluate`") from error
        names = list(PredictionTable.__dataclass_fields__)
        missing = sorted(set(names) - set(table.column_names))
        if missing:
            raise InputError(f"{path}: prediction table lacks the columns {missing}; run `comodal evaluate` again")
        return PredictionTable(**{name: table[name].to_numpy(zero_copy_only=False) for name in names})


@dataclass(frozen=True)
class ComparisonRow:
    """One metric of one arm (fusion x measure) of a comparison: what tables and summary files hold.

    A value that does not exist (the difference of a reference row, a p-value from one seed) is ``None``, never NaN.

    Attributes:
        fusion: fusion model, for example ``"early"``, or ``"early:text"`` for its single-modality network.
        measure: dependency measure of the penalty; ``"none"`` without one.
        weight: weight of the penalty.
        metric: name in :mod:`comodal.metrics`.
        mean: over the seeds of the arm, each on all test utterances.
        std: sample standard deviation over the seeds.
        delta: mean paired difference to the reference, in the metric's unit; its sign is that of arm minus reference.
        ci_low: lower end of the 95 % interval of ``delta``, over seeds and videos, not corrected for multiplicity.
        ci_high: upper end.
        p_value: two-sided, Holm-corrected over all compared rows of the same metric.
        n_seeds: seeds of the arm.
        collapsed: how many of its runs predict a constant.
        seconds: mean seconds a run.
        p_raw: two-sided, uncorrected.
        reference: what it is compared with, for example ``"early/none"``; ``None`` for a row that is a reference only.
        n_groups: videos of the test part.
        better: ``"higher"`` or ``"lower"``.
        p_holm_all: Holm-corrected over all compared rows of all metrics.
        variance_seed: part of the variance of ``delta`` from the choice of seeds (interaction included).
        variance_video: part from the choice of videos (interaction excluded).
        note: what a reader must know of this row or of its data, parted by ``"; "``; empty when there is nothing.
    """

    fusion: str
    measure: str
    weight: float
    metric: str
    mean: float
    std: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n_seeds: int
    collapsed: int
    seconds: float
    p_raw: float | None = None
    reference: str | None = None
    n_groups: int = 0
    better: str = "higher"
    p_holm_all: float | None = None
    variance_seed: float | None = None
    variance_video: float | None = None
    note: str = ""
