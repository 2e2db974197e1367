from __future__ import annotations

import numpy as np
from refusals import refused

from comodal.data.ragged import RaggedArray


def test_subset_moves_every_column_and_renumbers_partitions(toy):
    small = toy.subset([5, 0, 3])
    assert small.id.tolist() == ["c_2", "a_1", "b_2"]
    assert small.group.tolist() == ["c", "a", "b"]
    assert small.target.tolist() == [3.0, -3.0, 0.5]
    assert small.transcript.tolist() == ["six", "one", "four"]
    assert small.columns["speaker"].tolist() == [5, 0, 3]
    assert small.modalities["audio"].lengths.tolist() == [2, 2, 3]
    np.testing.assert_array_equal(small.modalities["text"].values[1], toy.modalities["text"].values[0])
    assert {split: rows.tolist() for split, rows in small.partitions[0].splits.items()} == {
        "train": [1],
        "valid": [2],
        "test": [0],
    }


def test_subset_takes_a_mask(toy):
    assert toy.subset(toy.target > 0).id.tolist() == ["b_2", "c_1", "c_2"]


def test_subset_refuses_a_row_twice(toy):
    with refused("duplicate", "toy"):
        toy.subset([1, 1])


def test_select_modalities_orders_and_renames(toy):
    assert list(toy.select_modalities(["audio", "text"]).spec.dims.items()) == [("audio", 2), ("text", 3)]
    renamed = toy.select_modalities({"speech": "audio"})
    assert renamed.spec.max_lengths == {"speech": 3}
    assert list(renamed.modalities) == ["speech"]


def test_select_modalities_names_the_nearest(toy):
    with refused("unknown_name", "'audo'", "'audio'"):
        toy.select_modalities(["audo"])
    with refused("empty", "text, audio"):
        toy.select_modalities([])


def test_views_of_different_lengths(make):
    with refused("mismatch", "toy", "target 6", "modality text 5"):
        make(modalities={"text": RaggedArray.from_vectors(np.ones((5, 3)))})


def test_the_spec_must_describe_the_modalities(toy, make):
    with refused("mismatch", "{'text': 4}", "{'text': 3, 'audio': 2}"):
        make(modalities={"text": RaggedArray.from_vectors(np.ones((6, 4)))}, spec=toy.spec)
