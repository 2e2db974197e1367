"""Explaining a model of which nothing is known but what it made of each utterance.

Axis legend: N utterances.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import ExplanationTable
from comodal.dependency.catalog import measure_spec
from comodal.explain.critic import FITTED, NATS, RANK, PointwiseCritic, fit_afterwards
from comodal.explain.exchange import DONORS, exchanged
from comodal.explain.parts import ExplainedPart, joined
from comodal.explain.plane import on_plane
from comodal.explain.representation_file import read_representations, require_enough
from comodal.explain.representations import Representations

__all__ = ["explain_representations"]

_FEWEST_VALID = 10


class _Division(NamedTuple):
    train: Representations
    valid: Representations | None
    test: Representations


def explain_representations(
    path: str | Path, *, measure: str = "kl", seed: int = 0, donors: int = DONORS, kind: str = "pca"
) -> ExplanationTable:
    """Fit a critic on saved representations and say what it says of each utterance it was not fitted on.

    With a ``split`` in the file the critic is fitted on ``train``, judged on ``valid`` where there is such a part, and
    explains ``test``. Without one the utterances are halved, whole groups together, and each half is explained by a
    critic fitted on the other, so that every utterance is explained.

    Args:
        path: see :func:`~comodal.explain.representation_file.read_representations`.
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES`.
        seed: of the critic, the donors and the halves.
        donors: most utterances that a modality is taken from.
        kind: how the plane is made, see :mod:`comodal.explain.plane`.

    Returns:
        The table; predictions without a modality are unknown, NaN.

    Raises:
        InputError: what :func:`~comodal.explain.representation_file.read_representations` refuses, an unknown measure,
            or a part too small to fit a critic on.
    """
    everything, split = read_representations(path)
    found = [
        _part(each, seed=seed, donors=donors, kind=kind, measure=measure)
        for each in _divisions(everything, split, seed=seed)
    ]
    require_enough(sum(len(part.views) for part in found), str(path))
    unit = RANK if measure_spec(measure).bound.log_ratio is None else NATS
    facts = {
        "source": Path(path).name,
        "fusion": "",
        "measure": measure_spec(measure).name,
        "unit": unit,
        "critic": FITTED,
        "seed": seed,
        "split": "all, by two critics fitted on the other half" if split is None else "test",
        "modalities": list(everything.views),
    }
    return joined(found, facts)


def _part(division: _Division, *, measure: str, seed: int, donors: int, kind: str) -> ExplainedPart:
    critic: PointwiseCritic = fit_afterwards(
        division.train.views,
        measure=measure,
        seed=seed,
        validation=None if division.valid is None else division.valid.views,
    )
    views = division.test
    swapped, count = exchanged(critic, views, donors=donors, seed=seed)
    plane, words = on_plane(views.fused, views.prediction, kind)
    unknown = np.full(len(views), np.nan, dtype=np.float32)
    return ExplainedPart(
        views=views,
        dependency=critic(views.variables()).numpy(),
        swapped={name: values.numpy() for name, values in swapped.items()},
        without=dict.fromkeys(views.views, unknown),
        transcript=np.full(len(views), ""),
        plane=plane.numpy(),
        map_words=words,
        donors=count,
        warnings=critic.warnings,
    )


def _divisions(everything: Representations, split: NDArray[Any] | None, *, seed: int) -> Iterator[_Division]:
    if split is not None:
        parts = {name: everything.take(split == name) for name in ("train", "valid", "test")}
        yield _Division(parts["train"], parts["valid"] if len(parts["valid"]) >= _FEWEST_VALID else None, parts["test"])
        return
    first = _half(everything.group, seed)
    for half in (first, ~first):
        yield _Division(everything.take(~half), None, everything.take(half))


def _half(group: NDArray[Any], seed: int) -> NDArray[np.bool_]:
    """Whole groups of about half of the utterances: the largest first, each to the smaller side."""
    names, owner, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    side, filled = np.zeros(len(names), dtype=bool), [0, 0]
    for name in order:
        smaller = int(filled[1] < filled[0])
        side[name] = bool(smaller)
        filled[smaller] += int(sizes[name])
    return side[owner]
