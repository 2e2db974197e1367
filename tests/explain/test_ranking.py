"""Rank lists against a case worked out by hand, percentiles against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from comodal.contracts import ExplanationTable
from comodal.explain.ranking import percentiles, rankings

NAN = float("nan")


def _table(dependency: list[float], error: list[float]) -> ExplanationTable:
    n, values = len(dependency), np.asarray(dependency)
    zero = np.zeros(n)
    return ExplanationTable(
        id=np.asarray([f"u{k}" for k in range(n)]),
        group=np.full(n, "v"),
        target=zero,
        prediction=np.asarray(error),
        dependency=values,
        percentile=percentiles(values),
        transcript=np.full(n, ""),
        map_x=zero,
        map_y=zero,
        swapped={},
        without={"text": zero},
    )


def test_percentiles_are_those_of_pandas_with_ties() -> None:
    values = np.random.default_rng(0).integers(6, size=50).astype(float)
    rank = pd.Series(values).rank(method="average").to_numpy()
    np.testing.assert_allclose(percentiles(values), 100 * (rank - 1) / 49)
    assert percentiles(np.array([2.0])).tolist() == [50.0]
    assert len(percentiles(np.array([]))) == 0


def test_lists_of_a_case_by_hand() -> None:
    # Percentiles of dependency 0, 25, 50, 75, 100; of errors 0, 75, 50, 25, 100.
    found = {
        each.name: each.rows.tolist() for each in rankings(_table([1, 2, 3, 4, 5], [0.1, 0.8, 0.5, -0.3, -2.0]), 2)
    }
    assert found == {
        "most dependent": [4, 3],
        "least dependent": [0, 1],
        "agreeing but wrong": [4],
        "disagreeing but right": [0],
    }


def test_what_is_unknown_is_on_no_list() -> None:
    found = {each.name: each.rows.tolist() for each in rankings(_table([1, NAN, 3], [NAN, 1.0, NAN]), 5)}
    assert found == {"most dependent": [2, 0], "least dependent": [0, 2]}
