"""What the penalty of a training run measures where samples lack a modality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from comodal.data.arrays import from_arrays
from comodal.dependency import critic_steps, penalty
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare
from comodal.training.fit import fit_fold

Config = Callable[..., RunConfig]


def fold_of(absent: list[int]) -> FoldData:
    """48 training samples of two modalities; the second is absent from some."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(72, 3))
    right = latent + 0.1 * rng.normal(size=(72, 3))
    right[absent] = np.nan
    split = ["train"] * 48 + ["valid"] * 12 + ["test"] * 12
    dataset = from_arrays({"left": latent, "right": right}, latent[:, 0], split=split)
    return prepare(dataset, dataset.partitions[0])


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Samples in every measurement of penalty and critic."""
    rows: list[int] = []
    plain = penalty.parts_of

    def note(*given: Any) -> Any:
        parts = plain(*given)
        rows.append(sum(len(views[0]) for _, views in parts))
        return parts

    monkeypatch.setattr(penalty, "parts_of", note)
    monkeypatch.setattr(critic_steps, "parts_of", note)
    return rows


@pytest.mark.parametrize("between", ["modalities", "fusion"])
@pytest.mark.parametrize("fresh", [False, True])
def test_only_complete_samples_are_measured(config: Config, measured: list[int], between: str, fresh: bool) -> None:
    options = {"measure": "kl", "between": between, "fresh_batches": fresh}
    for absent, complete in (([], 48), ([3, 8, 9, 20, 60], 44)):
        measured.clear()
        fit_fold(fold_of(absent), config(penalty=options, max_epochs=1, batch_size=24))
        assert sum(measured) == 2 * complete  # penalty and critic


def test_what_a_corruption_drops_is_not_measured(config: Config, measured: list[int]) -> None:
    fit_fold(fold_of([]), config(penalty={"measure": "kl"}, max_epochs=1, augment=("drop:right=0.5",)))
    assert 2 * 12 < sum(measured) < 2 * 36
    assert measured[0] == measured[1]
