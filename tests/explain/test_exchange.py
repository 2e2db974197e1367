"""Exchanged modalities against plain loops over samples and donors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.runs import RunSet
from comodal.explain.critic import from_penalty
from comodal.explain.exchange import exchanged, exchanged_inputs, mean_over_donors
from comodal.explain.representations import represent, without_each


def test_the_mean_over_all_donors_leaves_out_the_sample_itself() -> None:
    values = torch.randn(30, generator=torch.Generator().manual_seed(0)).double()
    found = mean_over_donors(lambda donor: values[donor], 30, donors=200, generator=torch.Generator())
    np.testing.assert_allclose(found, (values.sum() - values) / 29, rtol=1e-5)


def test_drawn_donors_are_distinct_and_never_oneself() -> None:
    seen: list[Tensor] = []

    def score(donor: Tensor) -> Tensor:
        seen.append(donor.clone())
        return torch.zeros(50)

    mean_over_donors(score, 50, donors=20, generator=torch.Generator().manual_seed(1))
    donors = torch.stack(seen)
    assert len(seen) == 20
    assert not bool((donors == torch.arange(50)).any())
    assert all(len(column.unique()) == 20 for column in donors.T)


def test_donors_are_drawn_uniformly() -> None:
    """Any donor is as likely: 49 cells of about 200 draws; false alarms below 1e-6 (chi-squared, 48 degrees)."""
    counts = torch.zeros(50)
    for seed in range(2000):
        generator = torch.Generator().manual_seed(seed)
        mean_over_donors(
            lambda donor: counts.index_add_(0, donor[:1], torch.ones(1)), 50, donors=5, generator=generator
        )
    assert counts[0] == 0
    expected = 2000 * 5 / 49
    assert float(((counts[1:] - expected) ** 2 / expected).sum()) < 120


@pytest.mark.parametrize("name", ["text", "audio", "vision"])
def test_exchanging_equals_plain_loops_through_the_model(fitted: FittedFold, name: str) -> None:
    """The law behind it: a representation is made of its own modality alone."""
    critic, views = from_penalty(fitted), represent(fitted).take(np.arange(40))
    found, donors = exchanged(critic, views, donors=39)
    assert donors == 39
    rows = torch.from_numpy(fitted.fold.partition.test[:40])
    batch = fitted.fold.view[rows]
    for row in (0, 17):
        scores = []
        for donor in range(40):
            if donor != row:
                mixed = {n: type(s)(s.values[[row]], s.mask[[row]]) for n, s in batch.modalities.items()}
                other = batch.modalities[name]
                mixed[name] = type(other)(other.values[[donor]], other.mask[[donor]])
                with torch.no_grad():
                    output = fitted.model(type(batch)(("",), mixed, torch.zeros(1)))
                scores.append(float(critic(output.representations)))
        assert float(found[name][row]) == pytest.approx(np.mean(scores), abs=1e-4)


def test_a_critic_of_the_fusion_is_asked_through_the_model(with_fusion: RunSet, fitted: FittedFold) -> None:
    fused = next(with_fusion.fitted(with_fusion.runs[0]))
    found, _ = exchanged_inputs(from_penalty(fused), fused, donors=2)
    assert sorted(found) == ["audio", "text", "vision"]
    # Where both ways are open they agree, given the same donors.
    critic, views = from_penalty(fitted), represent(fitted)
    through_model, _ = exchanged_inputs(critic, fitted, donors=3)
    directly, _ = exchanged(critic, views, donors=3)
    for name, values in directly.items():
        np.testing.assert_allclose(values, through_model[name], atol=1e-4)


def test_removal_is_the_prediction_of_a_model_that_is_given_zeros(fitted: FittedFold) -> None:
    found = without_each(fitted)
    views = represent(fitted)
    layers = fitted.model.fuse, fitted.model.head
    for name in ("text", "audio", "vision"):
        parts = [torch.zeros_like(v) if n == name else v for n, v in views.views.items()]
        with torch.no_grad():
            wanted = layers[1](layers[0](torch.cat(parts, dim=1))).squeeze(1)
        np.testing.assert_allclose(found[name], wanted, atol=1e-5)
        assert not np.allclose(found[name], views.prediction, atol=1e-3)
