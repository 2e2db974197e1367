"""From padded splits to blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from refusals import refused

from comodal.data.formats.ids import Identified
from comodal.data.formats.parts import Part, agreed, blocks_of, dims_of, part_of, source_of
from comodal.data.formats.split_tables import SplitTable
from comodal.data.ragged import RaggedArray


def part(split="train", **changes):
    """Two utterances of one feature a frame, in splits that are padded on the left."""
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


def test_one_span_for_aligned_features_and_one_each_for_others():
    assert lengths(next(blocks_of([part()], ["text", "vision"], aligned=True))) == {"text": [1, 2], "vision": [1, 2]}
    assert lengths(next(blocks_of([part()], ["text"], aligned=True))) == {"text": [1, 2]}
    assert lengths(next(blocks_of([part()], ["text", "vision"], aligned=False))) == {"text": [0, 1], "vision": [1, 2]}


def test_what_was_removed_is_counted():
    assert next(blocks_of([part(normalised={"before": 2})], ["text", "vision"], aligned=False)).normalised == {
        "before": 2,
        "text: padding on the left was removed": 2,
        "vision: padding on the left was removed": 1,
    }
    (block,) = blocks_of([part()], ["vision"], aligned=True)
    assert block.normalised == {"all features alike: padding on the left was removed": 1}


def test_training_tells_the_side_of_every_split():
    other = part("test", padded={"vision": np.float32([[[1], [0]], [[1], [0]]]), "text": part().padded["text"]})
    _, block = blocks_of([part(), other], ["vision"], aligned=False)
    assert lengths(block) == {"vision": [2, 2]}
    (alone,) = blocks_of([other], ["vision"], aligned=False)
    assert lengths(alone) == {"vision": [1, 1]}


def test_lengths_and_features_that_are_cut_already():
    cut = {"pieces": RaggedArray.from_rows([np.ones((3, 2)), np.ones((1, 2))])}
    given = part(cut=cut, lengths={"vision": [2, 2]})
    assert given.dims == {"text": 1, "vision": 1, "pieces": 2}
    (block,) = blocks_of([given], ["pieces", "vision"], aligned=False)
    assert lengths(block) == {"pieces": [3, 1], "vision": [2, 2]}
    assert block.modalities["pieces"] is cut["pieces"]
    with refused("damaged", "train/vision_lengths", "2"):
        list(blocks_of([part(lengths={"vision": [1]})], ["vision"], aligned=False))


def test_dims_must_agree():
    assert list(dims_of([part(), part("test")], Path("f"))) == ["text", "vision"]
    with refused("empty"):
        dims_of([], Path("f"))
    with refused("missing"):
        dims_of([part(padded={})], Path("f"))
    with refused("mismatch", "text", "vision"):
        dims_of([part(), part("test", padded={})], Path("f"))


def test_columns_that_some_split_lacks_are_left_out_and_transcripts_filled():
    full = part(columns={"start": np.zeros(2), "end": np.ones(2)}, transcript=np.array(["so", "good"]))
    first, second = agreed([full, part("test", columns={"end": np.ones(2)})])
    assert set(first.columns) == set(second.columns) == {"end"}
    assert second.transcript.tolist() == ["", ""]
    assert agreed([part()])[0].transcript is None
    assert agreed([]) == []


def test_a_table_becomes_a_part_and_parts_a_source():
    table = SplitTable("test", "f, test", {"x": [[1.0], [2.0]], "y": [0, 1]}, np.float32([0, 1]), {"labels": 2})
    names = Identified(np.array(["a_1", "b_1"]), np.array(["a", "b"]), {"ids": 1})
    made = part_of(table, names, {"audio": "x", "vision": "z"})
    assert (made.split, made.where, made.dims) == ("test", "f, test", {"audio": 1})
    assert made.normalised == {"ids": 1, "labels": 2}
    source = source_of(
        Path("f"), [part(padded={"audio": np.ones((2, 1, 1))}), made], family="x", aligned=True, facts={}
    )
    assert (source.dims, source.n_utterances, source.files) == ({"audio": 1}, 4, (Path("f"),))
    assert [block.columns["split"][0] for block in source.blocks(["audio"])] == ["train", "test"]
    with refused("mismatch"):
        source_of(Path("f"), [part(), made], family="x", aligned=True, facts={})
