"""Damaged files of every family, taken all the way: read right, or refused in one line. Seeds are fixed.

``COMODAL_FUZZ_CASES=1200`` makes the campaign longer; the cases of a shorter one come first in it.
"""

from __future__ import annotations

import os

import pytest
from format_samples import FORMAT_SAMPLES
from fuzzing import GOOD, campaign, report
from mutations import KINDS

from comodal.data import store
from comodal.data.formats import FORMATS
from comodal.data.load import open_source

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("COMODAL_FUZZ_CASES", "120"))


def test_every_format_has_a_sample():
    assert set(FORMAT_SAMPLES) == {*FORMATS, store.FORMAT.name}


@pytest.mark.parametrize(
    ("name", "write"), [(name, write) for name, writers in FORMAT_SAMPLES.items() for write in writers]
)
def test_a_sample_is_of_its_format(tmp_path, name, write):
    source, _ = open_source(write(tmp_path))
    assert source.format == name
    assert sum(len(block) for block in source.blocks(list(source.dims))) >= 3


@pytest.mark.parametrize("name", FORMAT_SAMPLES)
def test_damaged_files_are_read_right_or_refused(tmp_path, name):
    outcomes = campaign(name, range(CASES), folder=tmp_path)
    assert {each.verdict for each in outcomes} <= set(GOOD), report(name, outcomes)
    assert [each.case for each in outcomes] == list(range(CASES))
    assert {each.kind for each in outcomes} == set(KINDS)
    if CASES >= 1200:
        assert {each.verdict for each in outcomes} == set(GOOD)
