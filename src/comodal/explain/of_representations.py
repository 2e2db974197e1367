"""Explain and validate the saved representations of any model.

Axis legend: N samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import ExplanationTable, InputError, PairingScore
from comodal.dependency.catalog import measure_spec
from comodal.explain.critic import FITTED, fit_afterwards, unit_of
from comodal.explain.exchange import DONORS, exchanged
from comodal.explain.pairing import HeldOutSamples, detections
from comodal.explain.pairing_scorers import CCA, FITTED_CRITIC, cca_scorer, critic_scorer
from comodal.explain.partition_tables import joined_tables, partition_table
from comodal.explain.representation_file import read_representations, require_enough
from comodal.explain.representations import Representations

__all__ = ["explain_representations", "validate_representations"]

_FEWEST_VALID = 10


class _Division(NamedTuple):
    train: Representations
    valid: Representations | None
    test: Representations


def explain_representations(
    path: str | Path,
    *,
    measure: str = "kl",
    seed: int = 0,
    donors: int = DONORS,
    kind: str = "pca",
    output: str = "",
) -> ExplanationTable:
    """Fit a critic on saved representations and explain the samples it was not fitted on.

    With a ``split`` in the file the critic is fitted on ``train``, selected on ``valid`` if present, and explains
    ``test``. Without one the samples are halved by whole groups; a critic fitted on one half explains the other.

    Args:
        path: see :func:`~comodal.explain.representation_file.read_representations`.
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES`.
        seed: of the critic, the donors and the halves.
        donors: largest number of other samples that a modality is taken from.
        kind: of the map, see :mod:`comodal.explain.plane`.
        output: name of the class, label or output to show; by default the predicted class, or all outputs.

    Returns:
        The table; predictions without a modality are unknown and NaN.

    Raises:
        InputError: what :func:`~comodal.explain.representation_file.read_representations` refuses, an unknown measure,
            a part too small to fit a critic on, or no such output.
    """
    everything, split = read_representations(path)
    if output:
        everything.task.output_number(output)
    divisions = _divisions(everything, split, seed=seed)
    found = [_part(each, seed=seed, donors=donors, kind=kind, measure=measure) for each in divisions]
    require_enough(sum(map(len, found)), str(path))
    spec = measure_spec(measure)
    facts = {
        "source": Path(path).name,
        "fusion": "",
        "measure": spec.name,
        "unit": unit_of(spec.bound),
        "critic": FITTED,
        "seed": seed,
        "split": "all, by two critics fitted on the other half" if split is None else "test",
        "modalities": list(everything.views),
        "output": output,
    }
    return joined_tables(found, facts)


def validate_representations(
    path: str | Path, *, measure: str = "kl", seed: int = 0, share: float = 0.5, repetitions: int = 20
) -> list[PairingScore]:
    """Validate a critic fitted on saved representations, and linear CCA, on artificially broken pairs.

    The file is split as in :func:`explain_representations`, and pairs are broken as in
    :func:`~comodal.explain.pairing.validate_pairing`. Without groups in the file each sample is its own group, and
    intervals are too narrow where samples belong together.

    Args:
        path: see :func:`~comodal.explain.representation_file.read_representations`.
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES`.
        seed: of the critic, the halves and the draws.
        share: of samples whose pairing is broken.
        repetitions: draws of broken samples and their donors.

    Returns:
        One entry per score and modality.

    Raises:
        InputError: as :func:`explain_representations`; samples of a single group, too few of them to select CCA's
            ridge, or a share outside (0, 1).
    """
    everything, split = read_representations(path)
    parts = []
    for division in _divisions(everything, split, seed=seed):
        train, valid, test = division.train, division.valid, division.test
        fitted, note = critic_scorer(
            train.views, None if valid is None else valid.views, test.views, measure=measure, seed=seed
        )
        most, rest = _halves(train, seed) if valid is None else (train, valid)  # the rest selects the ridge
        scorers = {FITTED_CRITIC: fitted, CCA: cca_scorer(most.views, rest.views, test.views)}
        unplanted = np.zeros(len(test), dtype=bool)
        parts.append(HeldOutSamples(tuple(test.views), test.group, unplanted, scorers, {FITTED_CRITIC: note}))
    return [each.score for each in detections(parts, share=share, repetitions=repetitions, seed=seed)]


def _part(division: _Division, *, measure: str, seed: int, donors: int, kind: str) -> ExplanationTable:
    views, valid = division.test, division.valid
    validation = None if valid is None else valid.views
    critic = fit_afterwards(division.train.views, measure=measure, seed=seed, validation=validation)
    swapped, count = exchanged(critic, views, donors=donors, seed=seed)
    unknown = np.full_like(views.prediction, np.nan)
    return partition_table(
        views,
        critic,
        swapped=swapped,
        donors=count,
        without=dict.fromkeys(views.views, unknown),
        transcript=np.full(len(views), ""),
        plane=kind,
    )


def _divisions(everything: Representations, split: NDArray[Any] | None, *, seed: int) -> Iterator[_Division]:
    if split is not None:
        parts = {name: everything.take(split == name) for name in ("train", "valid", "test")}
        yield _Division(parts["train"], parts["valid"] if len(parts["valid"]) >= _FEWEST_VALID else None, parts["test"])
        return
    first = _half(everything.group, seed)
    for half in (first, ~first):
        yield _Division(everything.take(~half), None, everything.take(half))


def _halves(samples: Representations, seed: int) -> tuple[Representations, Representations]:
    first = _half(samples.group, seed)
    if min(first.sum(), (~first).sum()) < _FEWEST_VALID:
        raise InputError(
            f"{len(first)} training samples of {len(np.unique(samples.group))} groups cannot be halved by whole "
            "groups to select the ridge of CCA; add a 'valid' split to the file",
            code="empty",
        )
    return samples.take(~first), samples.take(first)


def _half(group: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """Return whole groups with about half of the samples: the largest group first, each to the smaller side."""
    names, owner, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    side, filled = np.zeros(len(names), dtype=bool), [0, 0]
    for name in order[np.argsort(-sizes[order], kind="stable")]:
        smaller = int(filled[1] < filled[0])
        side[name] = smaller
        filled[smaller] += int(sizes[name])
    return side[owner]
