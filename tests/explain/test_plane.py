"""The plane against scikit-learn's principal components."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from refusals import refused
from sklearn.decomposition import PCA

from comodal.explain.plane import on_plane


def _fused() -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(0)
    fused = rng.standard_normal((60, 5)) @ np.diag([4.0, 2.0, 1.0, 0.5, 0.1]) + 3.0
    return torch.from_numpy(fused).float(), -fused[:, 0]


def test_axes_are_the_principal_components_turned_by_the_prediction() -> None:
    fused, prediction = _fused()
    points, made = on_plane(fused, prediction)
    reference = PCA(2).fit(fused.numpy())
    wanted = reference.transform(fused.numpy())
    for axis in range(2):
        assert abs(np.corrcoef(points[:, axis], wanted[:, axis])[0, 1]) == pytest.approx(1, abs=1e-5)
        assert float(points[:, axis].std(correction=0)) == pytest.approx(1, abs=1e-5)
    first, second = (round(100 * share) for share in reference.explained_variance_ratio_)
    assert f"{first} % + {second} %" in made
    assert np.corrcoef(points[:, 0], prediction)[0, 1] > 0


def test_a_turned_and_scaled_model_gives_the_same_picture() -> None:
    fused, prediction = _fused()
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1))).Q
    same, _ = on_plane(3.0 * fused @ turn, prediction)
    np.testing.assert_allclose(same, on_plane(fused, prediction)[0], atol=1e-4)


def test_one_constant_or_narrow_representation_is_drawn_on_a_line_or_point() -> None:
    points, _ = on_plane(torch.ones(20, 4), np.zeros(20))
    assert not bool(points.any())
    points, _ = on_plane(torch.arange(20.0).unsqueeze(1), np.arange(20.0))
    assert not bool(points[:, 1].any())
    assert bool((points[1:, 0] > points[:-1, 0]).all())


def test_predictions_that_are_unknown_do_not_break_it() -> None:
    points, _ = on_plane(_fused()[0], np.full(60, np.nan))
    assert bool(points.isfinite().all())


def test_umap_is_used_where_it_is_installed_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Umap:
        def __init__(self, **options: object) -> None:
            assert options["random_state"] == 0

        def fit_transform(self, values: np.ndarray) -> np.ndarray:
            return values[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Umap))
    assert on_plane(*_fused(), "umap")[1].startswith("UMAP")
    monkeypatch.setitem(sys.modules, "umap", None)
    with refused("needs_package", "umap-learn"):
        on_plane(*_fused(), "umap")
    with refused("unknown_name", "tsne"):
        on_plane(*_fused(), "tsne")
