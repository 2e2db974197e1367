"""Explaining a model of which nothing is known but what it made of each utterance.

Axis legend: N utterances.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import ExplanationTable, InputError, PairingScore
from comodal.dependency.catalog import measure_spec
from comodal.explain.critic import FITTED, NATS, RANK, PointwiseCritic, fit_afterwards
from comodal.explain.exchange import DONORS, exchanged
from comodal.explain.pairing import HeldOutPart, detections, summary
from comodal.explain.pairing_scorers import CCA, FITTED_CRITIC, cca_scorer, critic_scorer
from comodal.explain.parts import ExplainedPart, joined
from comodal.explain.plane import on_plane
from comodal.explain.representation_file import read_representations, require_enough
from comodal.explain.representations import Representations

__all__ = ["explain_representations", "validate_representations"]

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


def validate_representations(
    path: str | Path, *, measure: str = "kl", seed: int = 0, share: float = 0.5, repetitions: int = 20
) -> list[PairingScore]:
    """How well a critic fitted on saved representations finds pairs that were broken on purpose, beside linear CCA.

    The file is divided as in :func:`explain_representations`, and pairs are broken as in
    :func:`~comodal.explain.pairing.validate_pairing`. Where it names no groups, each utterance is one: intervals are
    then too narrow if several are of one video.

    Args:
        path: see :func:`~comodal.explain.representation_file.read_representations`.
        measure: a key of :data:`~comodal.dependency.catalog.MEASURES`.
        seed: of the critic, the halves and the draws.
        share: of the utterances that are broken.
        repetitions: draws of which, and of their donors.

    Returns:
        One entry a score and modality.

    Raises:
        InputError: as :func:`explain_representations`; utterances of a single group, too few of them to choose CCA's
            ridge, or a share outside (0, 1).

    Example:
        >>> import tempfile
        >>> rng, path = np.random.default_rng(0), Path(tempfile.mkdtemp()) / "views.npz"
        >>> text = rng.standard_normal((400, 2))
        >>> np.savez(path, text=text, audio=text + 0.3 * rng.standard_normal((400, 2)))
        >>> found = validate_representations(path, repetitions=2)
        >>> [(each.score, each.modality, each.auroc > 0.8) for each in found[:2]]
        [('critic fitted afterwards', 'text', True), ('critic fitted afterwards', 'audio', True)]
    """
    everything, split = read_representations(path)
    parts = []
    for division in _divisions(everything, split, seed=seed):
        train, valid, test = division.train, division.valid, division.test
        fitted, note = critic_scorer(
            train.views, None if valid is None else valid.views, test.views, measure=measure, seed=seed
        )
        most, rest = _halves(train, seed) if valid is None else (train, valid)  # the rest chooses the ridge
        scorers = {FITTED_CRITIC: fitted, CCA: cca_scorer(most.views, rest.views, test.views)}
        unplanted = np.zeros(len(test), dtype=bool)
        parts.append(HeldOutPart(tuple(test.views), test.group, unplanted, scorers, {FITTED_CRITIC: note}))
    return [summary(each) for each in detections(parts, share=share, repetitions=repetitions, seed=seed)]


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
        dependency=critic(views.compared()).numpy(),
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


def _halves(utterances: Representations, seed: int) -> tuple[Representations, Representations]:
    first = _half(utterances.group, seed)
    if min(first.sum(), (~first).sum()) < _FEWEST_VALID:
        raise InputError(
            f"{len(first)} training utterances of {len(np.unique(utterances.group))} videos cannot be halved by whole "
            "videos to choose the ridge of CCA; give the file a 'valid' split"
        )
    return utterances.take(~first), utterances.take(first)


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
