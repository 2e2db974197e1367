from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.embedded_sets import EMBEDDED, embedded, is_embedded, source_in_memory
from comodal.data.load import load, open_source
from comodal.data.store import write_store


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_name_opens_as_the_source_of_the_same_samples(name):
    assert is_embedded(name)
    source, _ = open_source(name)
    found, wanted = assemble(source), load(name)
    assert found.spec == wanted.spec
    np.testing.assert_array_equal(found.target, wanted.target)
    for split, rows in wanted.partitions[0].splits.items():
        np.testing.assert_array_equal(getattr(found.partitions[0], split), rows)
    for modality, array in wanted.modalities.items():
        np.testing.assert_array_equal(found.modalities[modality].values, array.values)


def test_converted_digits_are_the_digits(tmp_path):
    write_store(source_in_memory(embedded("digits")), tmp_path / "set")
    found, wanted = load(tmp_path / "set"), load("digits")
    assert found.spec == wanted.spec
    np.testing.assert_array_equal(found.target, wanted.target)


def test_other_names():
    assert not is_embedded("mosi:clean")
    with refused("unknown_name", "digits:left", "'digits'"):
        embedded("digits:left")
