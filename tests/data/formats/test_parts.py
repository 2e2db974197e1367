"""From padded splits to blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.ids import Identified
from comodal.data.formats.label_fields import Fields, LabelValues
from comodal.data.formats.parts import Part, source_of
from comodal.data.formats.split_tables import SplitTable, part_of
from comodal.data.ragged import RaggedArray


def part(split="train", **changes):
    """Two samples of one feature a frame, in splits that are padded on the left."""
    padded = {"vision": np.float32([[[0], [1]], [[2], [3]]]), "text": np.float32([[[0], [0]], [[0], [5]]])}
    given = {
        "split": split,
        "where": f"f, {split}",
        "id": np.array(["a_1", "b_1"]),
        "group": np.array(["a", "b"]),
        "target": np.float32([1, 2]),
        "padded": padded,
    }
    return Part(**{**given, **changes})


def lengths(block):
    return {name: array.lengths.tolist() for name, array in block.modalities.items()}


def read(parts, features, *, aligned=False):
    return list(source_of(Path("f"), parts, family="x", aligned=aligned, facts={}).blocks(features))


def test_one_span_for_aligned_features_and_one_each_for_others():
    assert lengths(*read([part()], ["text", "vision"], aligned=True)) == {"text": [1, 2], "vision": [1, 2]}
    assert lengths(*read([part()], ["text"], aligned=True)) == {"text": [1, 2]}
    assert lengths(*read([part()], ["text", "vision"])) == {"text": [0, 1], "vision": [1, 2]}


def test_what_was_removed_is_counted():
    (block,) = read([part(normalised={"before": 2})], ["text", "vision"])
    assert block.normalised == {
        "before": 2,
        "text: padding on the left was removed": 2,
        "vision: padding on the left was removed": 1,
    }
    (block,) = read([part()], ["vision"], aligned=True)
    assert block.normalised == {"all features alike: padding on the left was removed": 1}


def test_training_tells_the_side_of_every_split():
    other = part("test", padded={"vision": np.float32([[[1], [0]], [[1], [0]]]), "text": part().padded["text"]})
    assert lengths(read([part(), other], ["vision"])[1]) == {"vision": [2, 2]}
    assert lengths(*read([other], ["vision"])) == {"vision": [1, 1]}


def test_lengths_and_features_that_are_cut_already():
    cut = {"pieces": RaggedArray.from_rows([np.ones((3, 2)), np.ones((1, 2))])}
    given = part(cut=cut, lengths={"vision": [2, 2]})
    assert given.dims == {"text": 1, "vision": 1, "pieces": 2}
    (block,) = read([given], ["pieces", "vision"])
    assert lengths(block) == {"pieces": [3, 1], "vision": [2, 2]}
    assert block.modalities["pieces"] is cut["pieces"]
    with refused("damaged", "train/vision_lengths", "2"):
        read([part(lengths={"vision": [1]})], ["vision"])


@pytest.mark.parametrize(
    ("parts", "code"),
    [([], "empty"), ([part(padded={})], "missing"), ([part(), part("test", padded={})], "mismatch")],
)
def test_dims_must_agree(parts, code):
    with refused(code):
        read(parts, [])


def test_columns_that_some_split_lacks_are_left_out_and_transcripts_filled():
    full = part(columns={"start": np.zeros(2), "end": np.ones(2)}, transcript=np.array(["so", "good"]))
    first, second = read([full, part("test", columns={"end": np.ones(2)})], [])
    assert set(first.columns) == set(second.columns) == {"split", "end"}
    assert second.transcript.tolist() == ["", ""]
    assert read([part()], [])[0].transcript is None


def test_a_table_becomes_a_part():
    labels = LabelValues(np.float32([0, 1]), {}, Fields("sentiment"), "labels")
    table = SplitTable("test", "f, test", {"x": [[1.0], [2.0]], "y": [0, 1]}, labels)
    names = {"test": Identified(np.array(["a_1", "b_1"]), np.array(["a", "b"]), {"ids": 1})}
    made = part_of(table, names, {"audio": "x", "vision": "z"})
    assert (made.split, made.where, made.dims) == ("test", "f, test", {"audio": 1})
    assert made.normalised == {"ids": 1, "labels": 2}
    first, second = read([part(padded={"audio": np.ones((2, 1, 1))}), made], ["audio"])
    assert (first.columns["split"][0], second.columns["split"][0]) == ("train", "test")
