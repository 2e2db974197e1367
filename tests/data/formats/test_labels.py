"""Labels in the shapes of the field."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.labels import sentiment

GIVEN = [-3.0, 0.0, 1.5, 2.0]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
@pytest.mark.parametrize("kind", [np.float64, np.float16, list, object])
def test_one_number_an_utterance(shape, kind):
    labels = np.array(GIVEN).reshape(shape)
    found, taken = sentiment(labels.tolist() if kind is list else labels.astype(kind), where="x")
    assert found.dtype == np.float32
    assert found.tolist() == GIVEN
    assert taken == ""


@pytest.mark.parametrize("shape", [(4, 7), (4, 1, 7)])
def test_sentiment_is_the_first_of_seven(shape):
    labels = np.arange(28.0).reshape(shape)
    found, taken = sentiment(labels, where="x")
    assert found.tolist() == [0, 7, 14, 21]
    assert taken == "the first of 7 label columns was taken as sentiment"


def test_missing_huge_and_whole_numbers():
    assert np.isnan(sentiment([None, np.nan], where="x")[0]).all()
    assert np.isinf(sentiment([1e300], where="x")[0]).all()
    assert sentiment(np.array([1, 0], np.int8), where="x")[0].tolist() == [1, 0]
    assert sentiment([True, False], where="x")[0].tolist() == [1, 0]
    assert sentiment([], where="x")[0].shape == (0,)


@pytest.mark.parametrize(
    "labels", [3.0, np.zeros((2, 3)), np.zeros((2, 2, 1)), np.zeros((2, 1, 1, 1)), np.zeros((2, 1, 6))]
)
def test_labels_of_another_shape(labels):
    with refused("wrong_shape", "file, key", np.shape(labels)):
        sentiment(labels, where="file, key")


def test_labels_that_are_not_numbers():
    with refused("wrong_type", "file, key", "str"):
        sentiment(["Negative", "Positive"], where="file, key")
