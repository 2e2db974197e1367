from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from sklearn.preprocessing import StandardScaler

from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Scale, Standardizer


def text(values):
    return {"text": RaggedArray.from_vectors(values)}


def test_equals_scikit_learn(make):
    values = np.random.default_rng(0).normal(3, [1, 5, 0.1], size=(6, 3)).astype(np.float32)
    dataset = make(modalities=text(values))
    train = np.array([0, 1, 2])
    got = Standardizer.fit(dataset, train, clip=np.inf).transform(dataset).modalities["text"].values
    expected = StandardScaler().fit(values[train].astype(np.float64)).transform(values.astype(np.float64))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_sequences_count_frames_not_samples(toy):
    train = np.array([0, 2, 3])  # 2, 0 and 3 frames
    fitted = Standardizer.fit(toy, train)
    frames = np.concatenate([toy.modalities["audio"].take(np.array([i])).values for i in train])
    assert len(frames) == 5
    np.testing.assert_allclose(fitted.mean["audio"], frames.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(fitted.std["audio"], frames.astype(np.float64).std(axis=0))


def test_fitted_on_train_only(make):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(6, 3)).astype(np.float32)
    other = values.copy()
    other[4:] = 1e6
    train = np.array([0, 1, 2, 3])
    first, second = (Standardizer.fit(make(modalities=text(v)), train) for v in (values, other))
    np.testing.assert_array_equal(first.mean["text"], second.mean["text"])
    np.testing.assert_array_equal(first.std["text"], second.std["text"])
    with_test = Standardizer.fit(make(modalities=text(other)), np.arange(6))
    assert not np.allclose(with_test.mean["text"], first.mean["text"])


def test_constant_columns_become_zero_everywhere(make):
    values = np.arange(12.0).reshape(6, 2)
    values[:, 0] = 1e8
    values[5, 0] = 7  # varies outside train alone
    dataset = make(modalities=text(values))
    fitted = Standardizer.fit(dataset, np.array([0, 1, 2]))
    assert (fitted.std["text"] == 0).tolist() == [True, False]
    assert fitted.transform(dataset).modalities["text"].values[:, 0].tolist() == [0] * 6


def test_tiny_but_real_spread_is_kept(make):
    values = 1e-12 * np.arange(12.0).reshape(6, 2)
    assert Standardizer.fit(make(modalities=text(values)), np.arange(6)).std["text"].all()


def test_large_mean_does_not_cancel(make):
    values = np.array([[1e5], [1e5 + 1], [1e5 + 2], [1e5], [1e5 + 1], [1e5 + 2]])
    dataset = make(modalities=text(values))
    got = Standardizer.fit(dataset, np.arange(6)).transform(dataset).modalities["text"].values
    np.testing.assert_allclose(got[:3, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], atol=1e-6)


def test_far_values_are_clipped(make):
    dataset = make(modalities=text(np.array([[0.0], [1], [0], [1], [1000], [-1000]])))
    train = np.arange(4)
    assert Standardizer.fit(dataset, train).transform(dataset).modalities["text"].values[4:, 0].tolist() == [10, -10]
    wide = Standardizer.fit(dataset, train, clip=np.inf).transform(dataset)
    assert wide.modalities["text"].values[4, 0] == pytest.approx(1999)
    with refused("out_of_range", "clip 0"):
        Standardizer.fit(dataset, train, clip=0)


def test_saved_and_loaded(toy, tmp_path):
    fitted = Standardizer.fit(toy, np.array([0, 1, 3]), clip=4.5)
    fitted.save(tmp_path / "scale.safetensors")
    loaded = Standardizer.load(tmp_path / "scale.safetensors")
    assert list(loaded.mean) == ["text", "audio"]
    assert loaded.clip == 4.5
    np.testing.assert_array_equal(
        loaded.transform(toy).modalities["audio"].values, fitted.transform(toy).modalities["audio"].values
    )
    assert [path.name for path in tmp_path.iterdir()] == ["scale.safetensors"]


@pytest.mark.parametrize("content", [None, b"", b"not safetensors", "truncated"])
def test_unreadable_files(toy, tmp_path, content):
    path = tmp_path / "scale.safetensors"
    if content == "truncated":
        Standardizer.fit(toy, np.array([0, 1])).save(path)
        content = path.read_bytes()[:-5]
    if content is not None:
        path.write_bytes(content)
    with refused("damaged", path):
        Standardizer.load(path)


def test_other_features_are_refused(toy):
    fitted = Standardizer.fit(toy, np.array([0, 1]))
    with refused("mismatch", "audio"):
        fitted.transform(toy.select_modalities(["text"]))


def test_a_modality_absent_from_all_of_train(toy):
    with refused("empty", "'audio'"):
        Standardizer.fit(toy, np.array([2]))


def test_what_is_too_large_or_not_finite_gives_no_warning():
    frames = np.array([[3e38], [np.inf], [np.nan]], dtype=np.float32)
    Scale(np.array([-3e38]), np.array([10.0]), np.inf)(frames, frames)
    assert frames[:2].tolist() == [[np.inf], [np.inf]]
    assert np.isnan(frames[2])
    Scale(np.array([0.0]), np.array([0.0]), 10.0)(frames, frames)
    assert np.isnan(frames).all()
