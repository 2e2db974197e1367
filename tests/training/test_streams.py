from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from comodal.training.streams import stream_seed

PURPOSES = ("init", "batches", "dropout", "critic", "critic batches", "share")


@given(st.integers(0, 2**70), st.text(max_size=20), st.lists(st.integers(0, 2**40), max_size=3))
def test_is_a_legal_seed_that_depends_on_its_arguments_alone(seed: int, purpose: str, counters: list[int]) -> None:
    one = stream_seed(seed, purpose, *counters)
    assert 0 <= one < 2**63
    assert one == stream_seed(seed, purpose, *counters)


def test_streams_never_meet() -> None:
    """7 200 streams share no seed; by chance two of these 63-bit numbers would meet with probability 3e-12."""
    counters = [(), *((step,) for step in range(21)), (1, 2), (2, 1)]
    streams = {stream_seed(seed, purpose, *c) for seed, purpose, c in product(range(50), PURPOSES, counters)}
    assert len(streams) == 50 * len(PURPOSES) * len(counters)


def test_counters_and_names_are_not_run_together() -> None:
    assert (
        len({stream_seed(1, "a", 1, 2), stream_seed(1, "a", 12), stream_seed(1, "a1", 2), stream_seed(11, "a", 2)}) == 4
    )


def test_streams_stay_what_they_were() -> None:
    """A release that changes these numbers changes every published result: it must say so in the changelog."""
    assert stream_seed(0, "init") == 5184189234732532942
    assert stream_seed(7, "dropout", 123) == 3608283891634353734
