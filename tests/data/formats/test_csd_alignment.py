"""Alignment against a plain double loop over intervals."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.formats.csd_videos import SHORTEST, mean_over, members_of

TIMES = st.lists(st.tuples(st.integers(0, 40), st.integers(-1, 12)), max_size=12)


def intervals(drawn):
    """Quarter seconds, in any order, some without duration or reversed."""
    return np.array([[start / 4, (start + length) / 4] for start, length in drawn]).reshape(-1, 2)


def by_loop(frames, spans):
    """Frames with more than the shortest time in common with each span, by start."""
    found = []
    for a, b in spans:
        inside = [i for i, (s, e) in enumerate(frames) if e > s and b > a and min(e, b) - max(s, a) > SHORTEST]
        found.append(sorted(inside, key=lambda i: frames[i][0]))
    return found


@settings(max_examples=25, deadline=None)
@given(TIMES, TIMES)
def test_members_are_those_of_a_double_loop(frames, spans):
    frames, spans = intervals(frames), intervals(spans)
    index, lengths = members_of(frames, spans, where="x")
    expected = by_loop(frames, spans)
    assert lengths.tolist() == [len(each) for each in expected]
    assert index.tolist() == [i for each in expected for i in each]


def test_a_frame_on_a_border_counts_for_both_sides_only_when_it_crosses():
    frames = np.array([[0.0, 1.0], [1.0, 2.0], [1.5, 2.5]])
    index, lengths = members_of(frames, np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]), where="x")
    assert index.tolist() == [0, 1, 2, 2]
    assert lengths.tolist() == [1, 2, 1]
    touching = np.array([[0.0, 1.00005]])
    assert members_of(touching, np.array([[1.0, 2.0]]), where="x")[1].tolist() == [0]
    assert members_of(np.array([[0.0, 1.00105]]), np.array([[1.0, 2.0]]), where="x")[1].tolist() == [1]


def test_bounds_that_are_not_finite_belong_nowhere_or_everywhere():
    nan, inf = np.nan, np.inf
    frames = np.array([[0.0, nan], [nan, 1.0], [inf, inf], [-inf, inf], [0.0, 1.0]])
    index, lengths = members_of(frames, np.array([[0.0, 1.0], [nan, 1.0], [5.0, 6.0]]), where="x")
    assert index.tolist() == [3, 4, 3]
    assert lengths.tolist() == [2, 0, 1]


def test_overlap_that_would_fill_memory_is_refused():
    frames = np.tile([[0.0, 10.0]], (2000, 1))
    with refused("damaged", "a.csd", "100"):
        members_of(frames, frames, where="a.csd, video")
    assert members_of(frames[:300], frames[:300], where="x")[1].tolist() == [300] * 300


def test_mean_takes_the_finite_values_alone():
    frames = np.array([[1.0, np.nan], [3.0, np.inf], [1e300, 2.0], [5.0, -4.0]])
    found = mean_over(frames, np.array([0, 1, 3, 3]), np.array([2, 0, 2]))
    np.testing.assert_array_equal(found, np.array([[2.0, np.nan], [0.0, 0.0], [5.0, -4.0]], dtype=np.float32))
    assert found.dtype == np.float32


def test_a_huge_value_spoils_its_own_word_only():
    frames = np.array([[1e300], [1.5], [2.5]])
    found = mean_over(frames, np.array([0, 1, 2]), np.array([1, 2]))
    assert found.ravel().tolist() == [np.inf, 2.0]


def test_nothing_gives_nothing():
    none = np.zeros((0, 2))
    assert [each.tolist() for each in members_of(none, none, where="x")] == [[], []]
    assert mean_over(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(2, np.int64)).tolist() == [[0.0] * 3] * 2
