"""MulT, MultiBench and CMU pickles, value for value against the frames that were padded into them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from padded_tables import DIMS, SPLITS, assert_rows, frames, padded
from pickle_files import write_pickle
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats.mult import FORMAT


def build(*, aligned, side="left", seed=0):
    rng = np.random.default_rng(seed)
    content, expected = {}, {}
    for split, n in SPLITS.items():
        words = rng.integers(2, 7, size=n)
        lengths = {name: words if aligned or name == "text" else rng.integers(1, 9, size=n) for name in DIMS}
        steps = {"text": 8, "audio": 8 if aligned else 10, "vision": 8 if aligned else 12}
        rows = {name: frames(rng, lengths[name], dim) for name, dim in DIMS.items()}
        table = {name: padded(rows[name], steps[name], side) for name in ("vision", "audio", "text")}
        table["labels"] = np.round(np.linspace(-3, 3, n), 2).reshape(n, 1, 1)
        table["id"] = np.array([[f"_a_{split}{i // 2}_{i}", f"{i}.5", f"{i + 1}.25"] for i in range(n)]).astype("S")
        content[split], expected[split] = table, rows
    return content, expected


@pytest.fixture
def file(tmp_path):
    return tmp_path / "any_name.bin"


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
def test_values_come_back_without_padding(file, aligned, side):
    content, expected = build(aligned=aligned, side=side)
    write_pickle(file, content)
    assert FORMAT.recognises(file)
    source = FORMAT.open(file)
    assert list(source.dims.items()) == list(DIMS.items())
    assert source.facts["alignment"] == ("aligned by words" if aligned else "unaligned")
    assert source.n_samples == 13
    for _ in range(2):
        for block, (split, rows) in zip(source.blocks(list(DIMS)), expected.items(), strict=True):
            for name in DIMS:
                assert_rows(block.modalities[name], rows[name])
            assert block.id[:3].tolist() == [f"_a_{split}0_0", f"_a_{split}0_1", f"_a_{split}1_2"]
            assert block.group[:3].tolist() == [f"_a_{split}0"] * 2 + [f"_a_{split}1"]
            assert block.columns["start"].tolist() == [i + 0.5 for i in range(len(block))]
            assert block.columns["end"].tolist() == [i + 1.25 for i in range(len(block))]
            np.testing.assert_array_equal(block.target, np.float32(content[split]["labels"].ravel()))
            assert block.transcript is None
            what = "all features alike" if aligned else "audio"
            assert block.normalised[f"{what}: padding on the {side} was removed"] == len(block)
    dataset = check(assemble(source), source=str(file))
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == list(SPLITS.values())


def test_one_aligned_modality_alone_keeps_the_common_span(file):
    content, expected = build(aligned=True)
    lost = content["train"]["audio"]
    lost[:, :6] = 0
    block = next(FORMAT.open(write_pickle(file, content)).blocks(["audio"]))
    assert block.modalities["audio"].lengths.tolist() == [len(row) for row in expected["train"]["text"]]


def test_the_side_is_that_of_the_file_not_of_a_split(file):
    content, expected = build(aligned=False)
    content["test"]["audio"][:, -2:] = 0
    content["test"]["audio"][:, :-2] = 1
    block = list(FORMAT.open(write_pickle(file, content)).blocks(["audio"]))[2]
    assert block.modalities["audio"].lengths.tolist() == [10] * 4
    assert expected


def test_bare_video_ids_are_numbered_by_start(file):
    content, _ = build(aligned=True)
    content["train"]["id"] = np.array(
        [
            ["v", "7.5", "9"],
            ["w_12", "0", "1"],
            ["v", "0.25", "7.5"],
            ["w_12", "3", "4"],
            ["v", "30", "31"],
            ["u", 1, 2],
        ]
    )
    del content["valid"], content["test"]
    block = next(FORMAT.open(write_pickle(file, content)).blocks(["text"]))
    assert block.id.tolist() == ["v_1", "w_12_0", "v_0", "w_12_1", "v_2", "u_0"]
    assert block.group.tolist() == ["v", "w_12", "v", "w_12", "v", "u"]
    assert block.normalised["ids that name a video alone were numbered within their video"] == 6


@pytest.mark.parametrize("ids", [[f"vid[{i}]" for i in range(6)], [[f"vid_{i}", None, i] for i in range(6)], None])
def test_without_times_there_are_no_columns_of_them(file, ids):
    content, _ = build(aligned=True)
    content["train"]["id"] = ids
    block = next(FORMAT.open(write_pickle(file, content)).blocks(["text"]))
    assert block.id.tolist() == [f"{'vid' if ids else 'train'}_{i}" for i in range(6)]
    assert set(block.columns) == {"split"}


def test_other_names_lists_bytes_and_mosei_labels(file):
    content, expected = build(aligned=False)
    emotions = np.zeros((6, 1, 7))
    emotions[:, 0, 0] = [3, 2, 1, 0, -1, -2]
    content["train"]["labels"] = emotions
    names = {"text": "language", "audio": "acoustic", "vision": b"visual"}
    old = {
        key.encode(): {names.get(name, name): value.tolist() for name, value in table.items()}
        for key, table in (("train", content["train"]), ("dev", content["valid"]), ("test", content["test"]))
    }
    blocks = list(FORMAT.open(write_pickle(file, old)).blocks(list(DIMS)))
    for block, rows in zip(blocks, expected.values(), strict=True):
        for name in DIMS:
            assert_rows(block.modalities[name], rows[name])
    assert blocks[0].target.tolist() == [3, 2, 1, 0, -1, -2]
    assert blocks[0].normalised["the first of 7 label columns was taken as sentiment"] == 6


def test_two_modalities_vectors_and_not_finite_values(file):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 3)).astype(np.float32)
    values[1] = [np.nan, -np.inf, 0]
    values[2] = 0
    table = {"text": values, "audio": rng.normal(size=(4, 5, 2)), "labels": np.zeros(4)}
    source = FORMAT.open(write_pickle(file, {"train": table}))
    block = next(source.blocks(["text", "audio"]))
    assert source.dims == {"text": 3, "audio": 2}
    assert block.modalities["text"].lengths.tolist() == [1, 1, 0, 1]
    np.testing.assert_array_equal(block.modalities["text"].values, values[[0, 1, 3]])
    assert block.normalised["text: sequences of nothing but zeros became absent"] == 1
    assert block.modalities["audio"].lengths.tolist() == [5] * 4


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("labels", None, "any_name.bin"),
        ("labels", lambda _: ["Negative"] * 4, "test/labels"),
        ("labels", lambda _: np.zeros((4, 3)), "test"),
        ("labels", lambda _: 3.0, "test/labels"),
        ("text", lambda x: x[1:], "test/text"),
        ("text", lambda x: list(x) * 2, "test/text"),
        ("text", lambda x: [row[i:] for i, row in enumerate(x)], "test/text"),
        ("text", lambda x: x[0, 0], "test/text"),
        ("text", lambda x: x.astype(complex), "test/text"),
        ("text", lambda x: {"a": x}, "test/text"),
        ("text", None, ""),
        ("id", lambda x: x[1:], "test/id"),
    ],
)
def test_bad_values_name_file_split_and_key(file, key, value, message):
    content, _ = build(aligned=True)
    if value is None:
        del content["test"][key]
    else:
        content["test"][key] = value(content["test"][key])
    with refused(("invalid", "mismatch", "missing", "wrong_shape", "wrong_type"), message) as caught:
        list(FORMAT.open(write_pickle(file, content)).blocks(list(DIMS)))
    assert "\n" not in str(caught.value)
    assert "any_name.bin" in str(caught.value)


def test_a_few_bytes_that_stand_for_very_many_numbers_are_refused(file):
    rows = [0.0] * 1000
    content = {"train": {"text": [[rows] * 1000] * 1000, "labels": [0.0] * 1000}}
    with refused("damaged", "any_name.bin"):
        FORMAT.open(write_pickle(file, content))


def test_no_utterance_and_no_feature(file):
    with refused("empty"):
        FORMAT.open(write_pickle(file, {"train": {"text": [], "labels": []}}))
    with refused("damaged"):
        FORMAT.open(file.with_name("nowhere"))
    assert not FORMAT.recognises(write_pickle(file, {"train": {"glove": [], "labels": [1]}}))
    assert not FORMAT.recognises(write_pickle(file, {"train": {"text": [], "regression_labels": [1]}}))


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=6),
    side=st.sampled_from(["left", "right"]),
    protocol=st.integers(0, 5),
)
def test_round_trip(tmp_path_factory, lengths, side, protocol):
    rng = np.random.default_rng(len(lengths))
    # The last utterance shows the side: without any padding there is none.
    lengths = [*lengths, (1, 1, 1)]
    rows = {name: frames(rng, [each[k] for each in lengths], dim) for k, (name, dim) in enumerate(DIMS.items())}
    table = {name: padded(rows[name], 7 + k, side) for k, name in enumerate(DIMS)}
    table["labels"] = rng.uniform(-3, 3, (len(lengths), 1, 1))
    file = write_pickle(tmp_path_factory.mktemp("mult") / "x.pkl", {"train": table}, protocol)
    (block,) = FORMAT.open(file).blocks(list(DIMS))
    for name in DIMS:
        assert_rows(block.modalities[name], rows[name])
