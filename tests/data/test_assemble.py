from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from comodal.data.assemble import assemble, chosen_features, concatenate, partitions_of, require_division
from comodal.data.formats.interface import Division
from comodal.data.ragged import RaggedArray


def test_blocks_below_each_other(source):
    dataset = assemble(source)
    assert dataset.id.tolist() == [
        *(f"train{i}_0" for i in range(4)),
        *(f"valid{i}_0" for i in range(2)),
        *(f"test{i}_0" for i in range(3)),
    ]
    assert [rows.tolist() for rows in dataset.partitions[0].splits.values()] == [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
    assert dataset.modalities["audio"].lengths.tolist() == [2, 0, 3, 1, 1, 4, 5, 1, 2]
    blocks = list(source.blocks(["audio"]))
    frames = np.concatenate([block.modalities["audio"].values for block in blocks])
    assert dataset.modalities["audio"].values.tobytes() == frames.tobytes()
    assert dataset.columns["speaker"].tolist() == [0, 1, 2, 3, 0, 1, 0, 1, 2]
    assert dataset.spec.name == "made"
    assert dataset.spec.dims == {"text": 3, "audio": 2}
    assert dataset.cleaning is None


def test_only_the_features_asked_for_are_read(source):
    asked = []

    def blocks(features):
        asked.append(list(features))
        return source.blocks(features)

    dataset = assemble(replace(source, blocks=blocks), features={"speech": "audio", "again": "audio"})
    assert asked == [["audio"]]
    assert list(dataset.modalities) == ["speech", "again"]
    assemble(replace(source, blocks=blocks, defaults=("text",)))
    assert asked[1] == ["text"]


def test_samples_in_no_part_are_left_out(make_block, make_source):
    block = make_block("x", [1, 2, 3, 1, 2], columns={"split": np.array(["train", "none", "test", "dev", "valid"])})
    dataset = assemble(make_source(block))
    assert dataset.id.tolist() == ["x0_0", "x2_0", "x4_0"]
    assert [rows.tolist() for rows in dataset.partitions[0].splits.values()] == [[0], [2], [1]]
    assert dataset.modalities["audio"].lengths.tolist() == [1, 3, 2]


def test_folds(make_block, make_source):
    block = make_block("x", [1, 2, 3, 1, 2], columns={"fold": np.array([0, -1, 1, 2, 3])})
    source = make_source(block, divisions={"a": Division("fold", 3), "b": Division("fold", 4)})
    dataset = assemble(source)
    assert dataset.spec.name == "made:a"
    assert dataset.id.tolist() == ["x0_0", "x2_0", "x3_0"]
    assert [p.test.tolist() for p in dataset.partitions] == [[0], [1], [2]]
    assert [p.valid.tolist() for p in dataset.partitions] == [[1], [2], [0]]
    assert assemble(source, protocol="b").spec.name == "made:b"
    assert len(assemble(source, protocol="b")) == 4


@pytest.mark.parametrize("column", [np.array(["0", "x"]), np.array([0, None], dtype=object)])
def test_folds_that_are_no_numbers(column):
    with refused("wrong_type", "nested"):
        partitions_of(column, Division("fold", 3), name="nested")


def test_protocols(source):
    with refused("unknown_name", "made.pkl", "'fiel'", "'file'"):
        require_division(source, "fiel")
    with refused("missing", "--folds FILE"):
        require_division(replace(source, divisions={}), None)
    with refused("missing", "'x'", "made.pkl", "--folds FILE"):
        require_division(replace(source, divisions={}), "x")


def test_features_of_a_protocol(source):
    divisions = {"a": Division(features={"speech": "audio"}), "b": Division()}
    source = replace(source, divisions=divisions)
    assert chosen_features(source, None, None) == {"speech": "audio"}
    assert chosen_features(source, "b", None) == {"text": "text", "audio": "audio"}
    assert chosen_features(source, "a", {"t": "text"}) == {"t": "text"}
    with refused("unknown_name", "made.pkl", "'txt'", "'text'"):
        chosen_features(source, None, {"t": "txt"})


@pytest.mark.parametrize(
    ("note", "warned", "features", "expected"),
    [
        ("{features} bad", {"text", "audio"}, ("text", "audio"), "audio and text features were bad"),
        ("{features} bad", {"text", "audio"}, ("text",), "text feature was bad"),
        ("{features} bad", {"text"}, ("audio",), ""),
        ("for all", set(), ("audio",), "for all"),
        ("", {"text"}, ("text",), ""),
    ],
)
def test_notes(source, note, warned, features, expected):
    divisions = {"file": Division(note=note, warned=frozenset(warned))}
    dataset = assemble(replace(source, divisions=divisions), features={name: name for name in features})
    assert dataset.spec.note == expected


def test_blocks_of_different_kinds(make_block):
    first = make_block("train", [1])
    others = [
        replace(first, columns={"split": first.columns["split"]}),
        replace(first, transcript=None),
        replace(first, modalities={"text": first.modalities["text"]}),
        replace(first, modalities={**first.modalities, "audio": RaggedArray.from_vectors(np.ones((1, 7)))}),
    ]
    for other in others:
        with refused("damaged", "here"):
            concatenate([first, other], where="here")


def test_what_was_normalised_is_summed_and_empty_blocks_do_not_count(make_block):
    nothing = make_block("none", [1], transcript=None)
    nothing = replace(
        nothing, id=nothing.id[:0], group=nothing.group[:0], target=nothing.target[:0], modalities={}, columns={}
    )
    whole = concatenate([make_block("train", [1, 2]), nothing, make_block("test", [1])], where="here")
    assert whole.normalised == {"ids were made up": 3}
    assert len(whole) == 3


def test_nothing(source):
    with refused("empty", "made.pkl"):
        assemble(replace(source, blocks=lambda _: iter(())))
