from __future__ import annotations

import pytest
from refusals import refused

from comodal.contracts.option_names import MEASURE_HABITS
from comodal.dependency.catalog import MEASURES, measure_spec


def test_every_measure_is_known_by_its_name() -> None:
    assert all(measure_spec(name) is spec and spec.name == name for name, spec in MEASURES.items())
    assert measure_spec("nwj") is MEASURES["f"]


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("wassertein", "wasserstein"),
        ("KL", "kl"),
        ("jensen-shannon", "jensen_s"),
        ("dv", "kl"),
        ("MI", "kl"),
        ("clip", "infonce"),
        ("NT-Xent", "infonce"),
        ("mutual information", "kl"),
        ("hsic", "dhsic"),
        ("tc", "kl"),
        ("cca", "gaussian"),
        ("clubb", "club"),
        ("grams", "gram"),
    ],
)
def test_an_unknown_name_offers_the_nearest(name: str, offered: str) -> None:
    with refused("unknown_name", f"'{name}'", f"'{offered}"):
        measure_spec(name)


def test_a_name_like_no_other_lists_them_all() -> None:
    with refused("unknown_name", "xyzzy", ", ".join(MEASURES)):
        measure_spec("xyzzy")


def test_what_habits_mean_is_there() -> None:
    assert set(MEASURE_HABITS.values()) <= set(MEASURES)
    assert not set(MEASURE_HABITS) & set(MEASURES)
