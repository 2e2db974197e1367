from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from comodal.data.checks import check
from comodal.data.synthetic import PRESETS, SyntheticConfig, synthetic

LARGE = SyntheticConfig(
    n_train=40_000,
    n_valid=8,
    n_test=8,
    dims={"text": 6, "audio": 5, "vision": 5},
    latent_dim=2,
    unique_dim=2,
    redundancy=0.8,
    private_noise={"text": 0.2, "audio": 1.0},
    label_shared=0.4,
    label_unique={"text": 0.3, "vision": 0.1},
    zero_share=0.0,
)


def pooled(dataset, name):
    """Mean frame of every sample, as float64."""
    array = dataset.modalities[name]
    return np.add.reduceat(array.values.astype(np.float64), array.offsets[:-1]) / array.lengths[:, None]


def sample_total_correlation(views):
    """-1/2 (ln det of the joint covariance - sum of ln det of its blocks), from samples alone."""
    whole = np.cov(np.concatenate(views, axis=1), rowvar=False)
    blocks = sum(np.linalg.slogdet(np.cov(view, rowvar=False)).logabsdet for view in views)
    return -0.5 * (np.linalg.slogdet(whole).logabsdet - blocks)


@pytest.mark.statistical
@pytest.mark.parametrize("lengths", [(1, 1), (2, 4)])
def test_total_correlation_is_that_of_the_features(lengths):
    """The plug-in estimate is biased by about (parameters / 2n) = 0.001 and its deviation is about 0.008.

    The tolerance is 5 deviations: false-alarm rate below 1e-6 (and the seed is fixed).
    """
    dataset = synthetic(replace(LARGE, lengths=lengths))
    estimate = sample_total_correlation([pooled(dataset, name) for name in dataset.modalities])
    assert LARGE.total_correlation > 0.9
    assert abs(estimate - LARGE.total_correlation) < 0.04


def test_total_correlation_of_two_views_is_mutual_information():
    config = SyntheticConfig(dims={"a": 8, "b": 8}, latent_dim=3, redundancy=0.6, private_noise=0.5)
    correlation = 0.6 / 1.25
    assert config.total_correlation == pytest.approx(-1.5 * math.log(1 - correlation**2))
    assert replace(config, redundancy=0.0).total_correlation == 0.0
    assert replace(config, redundancy=1.0, private_noise=0.0).total_correlation == math.inf
    assert math.isfinite(replace(config, redundancy=1.0, private_noise={"a": 0.1}).total_correlation)


@pytest.mark.statistical
def test_label_variance_comes_from_where_it_should():
    """Share of label variance a linear fit on one modality explains, before clipping bends it.

    Tolerance 0.03 where the standard error is about 0.005: false-alarm rate below 1e-6 (and the seed is fixed).
    """
    config = replace(LARGE, label_scale=0.5)
    dataset = synthetic(config)

    def explained(name):
        x = np.column_stack([pooled(dataset, name), np.ones(len(dataset))])
        fit = x @ np.linalg.lstsq(x, dataset.target.astype(np.float64), rcond=None)[0]
        return 1 - np.var(dataset.target - fit) / np.var(dataset.target)

    for name in dataset.modalities:
        seen = config.redundancy / (1 + config.noise_of(name) ** 2)  # R2 of the cause from its noisy view
        assert explained(name) == pytest.approx(0.4 * seen + config.label_unique.get(name, 0.0), abs=0.03)


def test_same_seed_same_data_other_seed_other_data():
    config = SyntheticConfig(n_train=40, n_valid=16, n_test=16, disagree=0.2, lengths=(1, 5))
    first, second, other = synthetic(config), synthetic(config), synthetic(replace(config, seed=1))
    for name in first.modalities:
        np.testing.assert_array_equal(first.modalities[name].values, second.modalities[name].values)
    np.testing.assert_array_equal(first.target, second.target)
    np.testing.assert_array_equal(first.columns["disagree_with"], second.columns["disagree_with"])
    assert not np.array_equal(first.target, other.target)


@pytest.mark.parametrize("lengths", [(1, 1), (2, 5)])
def test_disagreeing_samples_are_those_recorded(lengths):
    config = SyntheticConfig(n_train=64, n_valid=32, n_test=32, lengths=lengths, frame_noise=0.0, disagree=0.25)
    agreeing, dataset = synthetic(replace(config, disagree=0.0)), synthetic(config)
    np.testing.assert_array_equal(agreeing.target, dataset.target)
    disagree, donor = dataset.columns["disagree"], dataset.columns["disagree_with"]
    assert (disagree != "").sum() == 32
    row = {each: i for i, each in enumerate(dataset.id.tolist())}
    part = {i: split for split, rows in dataset.partitions[0].splits.items() for i in rows.tolist()}
    for name in dataset.modalities:
        before, after = pooled(agreeing, name), pooled(dataset, name)
        changed = (np.abs(before - after) > 1e-5).any(axis=1)
        np.testing.assert_array_equal(changed, disagree == name)
        for i in np.flatnonzero(changed):
            source = row[donor[i]]
            assert dataset.group[source] != dataset.group[i]
            assert part[source] == part[i]
            np.testing.assert_allclose(after[i], before[source], atol=1e-5)
    assert (donor[disagree == ""] == "").all()


def test_donors_are_found_among_more_than_ten_thousand_videos():
    """Video names no longer sort like their numbers there."""
    config = SyntheticConfig(
        n_train=10_100,
        n_valid=4,
        n_test=4,
        per_video=1,
        dims={"a": 2, "b": 2},
        latent_dim=1,
        unique_dim=0,
        disagree=0.5,
    )
    dataset = synthetic(config)
    swapped = dataset.columns["disagree"] != ""
    assert (dataset.columns["disagree_with"][swapped] != dataset.id[swapped]).all()


def test_sequences_are_aligned_or_not():
    config = SyntheticConfig(n_train=64, n_valid=16, n_test=16, lengths=(2, 9))
    aligned, free = synthetic(config), synthetic(replace(config, aligned=False))
    lengths = aligned.modalities["text"].lengths
    assert lengths.min() == 2
    assert lengths.max() == 9
    np.testing.assert_array_equal(lengths, aligned.modalities["audio"].lengths)
    assert not np.array_equal(free.modalities["text"].lengths, free.modalities["audio"].lengths)


def test_labels_look_like_sentiment():
    dataset = synthetic(SyntheticConfig(label_scale=2.0, zero_share=0.1))
    assert dataset.target.min() == -3.0
    assert dataset.target.max() == 3.0
    assert (dataset.target == 0).sum() == 120


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_pass_the_checks(preset):
    config = PRESETS[preset]
    dataset = check(synthetic(config), source=preset)
    sizes = [len(rows) for rows in dataset.partitions[0].splits.values()]
    assert sizes == [config.n_train, config.n_valid, config.n_test]
    assert config.total_correlation > 0.3
    assert all(array.is_vectors for array in dataset.modalities.values())


def test_presets_express_the_two_regimes():
    redundant, single = PRESETS["redundant"], PRESETS["single"]
    assert redundant.redundancy == 1.0
    assert not redundant.label_unique
    assert min(redundant.dims.values()) >= 8 * redundant.latent_dim, "most of what a modality holds is its own noise"
    assert redundant.nuisance >= 1.0
    assert single.label_shared == 0.0
    assert list(single.label_unique) == ["text"]


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"n_train": 0}, "out_of_range", "n_train is 0"),
        ({"per_video": 0}, "out_of_range", "per_video is 0"),
        ({"redundancy": 1.2}, "out_of_range", "redundancy is 1.2"),
        ({"redundancy": float("nan")}, "out_of_range", "redundancy is nan"),
        ({"nuisance": -1.0}, "out_of_range", "nuisance is -1.0"),
        ({"nuisance": float("inf")}, "out_of_range", "nuisance is inf"),
        ({"private_noise": -0.1}, "out_of_range", "private_noise of text is -0.1"),
        ({"private_noise": {"txt": 0.1}}, "unknown_name", "'text'"),
        ({"label_unique": {"texte": 0.1}}, "unknown_name", "'text'"),
        ({"label_unique": {"text": 0.9}}, "out_of_range", 1.5),
        ({"label_unique": {"text": 0.1}, "unique_dim": 0}, "conflict", "unique_dim=1"),
        ({"lengths": (3, 2)}, "out_of_range", (3, 2)),
        ({"lengths": (0, 2)}, "out_of_range", (0, 2)),
        ({"dims": {"text": 4}}, "out_of_range", "dims of text is 4"),
        ({"dims": {}}, "empty", "dims"),
        ({"disagree": 0.1, "n_valid": 8}, "conflict", 8),
        ({"seed": -1}, "out_of_range", "seed is -1"),
    ],
)
def test_impossible_configurations(changes, code, named):
    with refused(code, named):
        SyntheticConfig(**changes)
