"""Canonical correlations against scikit-learn, scores against Gaussian densities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused
from scipy.stats import multivariate_normal
from sklearn.cross_decomposition import CCA

from comodal.explain.linear_cca import RIDGES, choose_cca, fit_cca


def samples(n: int = 4000, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(n, 2))
    return {
        "text": np.c_[cause @ rng.normal(size=(2, 2)), rng.normal(size=n)] + rng.normal(size=(n, 3)),
        "audio": cause @ rng.normal(size=(2, 2)) + rng.normal(size=(n, 2)) + 5.0,
    }


def test_correlations_are_those_of_scikit_learn() -> None:
    views = samples()
    found = fit_cca(views, ridge=0.0)
    one, other = CCA(n_components=2, max_iter=5000, tol=1e-10).fit_transform(views["text"], views["audio"])
    expected = [np.corrcoef(one[:, i], other[:, i])[0, 1] for i in range(2)]
    assert np.allclose(found.correlations["text", "audio"], expected, atol=1e-6)


def test_the_score_is_the_gaussian_log_density_ratio() -> None:
    views = samples()
    both = np.c_[views["text"], views["audio"]]
    mean, cov = both.mean(axis=0), np.cov(both.T, bias=True)
    fresh = samples(50, seed=1)
    expected = (
        multivariate_normal(mean, cov).logpdf(np.c_[fresh["text"], fresh["audio"]])
        - multivariate_normal(mean[:3], cov[:3, :3]).logpdf(fresh["text"])
        - multivariate_normal(mean[3:], cov[3:, 3:]).logpdf(fresh["audio"])
    )
    assert np.allclose(fit_cca(views, ridge=0.0)(fresh).numpy(), expected, atol=1e-6)
    assert not np.allclose(fit_cca(views, ridge=1.0)(fresh).numpy(), expected, atol=1e-2), "a ridge changes it"


def test_three_views_sum_their_pairs() -> None:
    views = samples()
    views["vision"] = views["text"][:, :2] ** 2 + views["audio"]
    whole = fit_cca(views)(views)
    pairs = [("text", "audio"), ("text", "vision"), ("audio", "vision")]
    parts = [fit_cca({name: views[name] for name in pair})(views) for pair in pairs]
    assert torch.allclose(whole, torch.stack(parts).sum(dim=0))


def test_tuples_are_scored_as_samples_are() -> None:
    views = samples(200)
    cca = fit_cca(views)
    rows = torch.stack([torch.randint(200, (77,)), torch.randint(200, (77,))])
    mixed = {name: views[name][row.numpy()] for name, row in zip(views, rows, strict=True)}
    assert torch.allclose(cca.of_rows(cca.prepare(views), rows), cca(mixed))


def test_a_ridge_shrinks_and_makes_more_features_than_samples_possible() -> None:
    rng = np.random.default_rng(0)
    noise = {"text": rng.normal(size=(30, 60)), "audio": rng.normal(size=(30, 50))}
    assert fit_cca(noise, ridge=0.0).correlations["text", "audio"][0] > 0.99
    assert fit_cca(noise, ridge=10.0).correlations["text", "audio"][0] < 0.6
    assert torch.isfinite(fit_cca(noise, ridge=0.0)(noise)).all()


def test_the_ridge_that_finds_validation_pairs_is_chosen() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(40, 1))
    wide = {"text": np.c_[few, rng.normal(size=(40, 30))], "audio": np.c_[few, rng.normal(size=(40, 30))]}
    thin = samples(2000)

    def chosen(views: dict[str, np.ndarray], cut: int) -> float:
        known, judged = ({name: view[part] for name, view in views.items()} for part in (slice(cut), slice(cut, None)))
        found = choose_cca(known, judged).correlations["text", "audio"]
        fits = [fit_cca(known, ridge=ridge).correlations["text", "audio"] for ridge in RIDGES]
        return RIDGES[[np.array_equal(found, each) for each in fits].index(True)]

    assert chosen(thin, 1000) < chosen(wide, 25)


@pytest.mark.parametrize(
    ("views", "ridge", "code", "named"),
    [
        ({"text": np.ones((9, 2))}, 1.0, "wrong_shape", "1"),
        ({"text": np.ones((9, 2)), "audio": np.ones((8, 2))}, 1.0, "wrong_shape", "'audio': 8"),
        ({"text": np.ones((2, 2)), "audio": np.ones((2, 2))}, 1.0, "wrong_shape", "3"),
        ({"text": np.full((9, 2), np.nan), "audio": np.ones((9, 2))}, 1.0, "not_finite", "text"),
        ({"text": np.ones((9, 2)), "audio": np.ones((9, 2))}, -1.0, "out_of_range", "-1.0"),
    ],
)
def test_bad_input_is_refused(views, ridge, code, named) -> None:  # type: ignore[no-untyped-def]
    with refused(code, named):
        fit_cca(views, ridge=ridge)
