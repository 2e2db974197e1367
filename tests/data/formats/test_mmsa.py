"""MMSA pickles, value for value against the frames that were padded into them."""

from __future__ import annotations

import numpy as np
import pytest
from padded_tables import DIMS, SPLITS, assert_rows, frames, padded
from pickle_files import write_pickle
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats.mmsa import FORMAT


def piece_rows(lengths, steps):
    """Input ids, attention mask and segment ids of texts of so many pieces."""
    out = np.zeros((len(lengths), 3, steps), dtype=np.int64)
    for i, length in enumerate(lengths):
        out[i, 0, :length] = 100 + np.arange(length)
        out[i, 1, :length] = 1
    return out


def build(*, aligned, seed=0):
    """Content of a file, and per split the frames that reading it must give back."""
    rng = np.random.default_rng(seed)
    content, expected = {}, {}
    for split, n in SPLITS.items():
        words = rng.integers(3, 8, size=n)
        lengths = {name: words if aligned or name == "text" else rng.integers(1, 12, size=n) for name in DIMS}
        rows = {name: frames(rng, lengths[name], dim) for name, dim in DIMS.items()}
        steps = {name: 8 if aligned or name == "text" else 12 for name in DIMS}
        table = {name: padded(rows[name], steps[name], "right") for name in DIMS}
        table["text_bert"] = piece_rows(words, 8)
        table["raw_text"] = [f"words {i}" for i in range(n)]
        table["id"] = [f"_v{split}{i // 2}$_${i}" for i in range(n)]
        table["annotations"] = ["Neutral"] * n
        table["classification_labels"] = np.ones(n)
        table["regression_labels"] = np.round(np.linspace(-3, 3, n), 2)
        if not aligned:
            table["audio_lengths"] = lengths["audio"].tolist()
            table["vision_lengths"] = lengths["vision"]
        content[split], expected[split] = table, rows
    return content, expected


@pytest.fixture
def file(tmp_path):
    return tmp_path / "any_name.bin"


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_values_come_back_without_padding(file, aligned, protocol):
    content, expected = build(aligned=aligned)
    write_pickle(file, content, protocol)
    assert FORMAT.recognises(file)
    source = FORMAT.open(file)
    assert source.dims == {**DIMS, "text_bert": 3}
    assert source.n_samples == 13
    assert source.defaults == ("text", "audio", "vision")
    assert source.facts["alignment"].startswith("aligned" if aligned else "unaligned")
    assert "not read" not in source.facts
    for _ in range(2):
        blocks = list(source.blocks(list(source.dims)))
        assert [set(block.columns["split"].tolist()) for block in blocks] == [{"train"}, {"valid"}, {"test"}]
        for block, (split, rows) in zip(blocks, expected.items(), strict=True):
            for name in DIMS:
                assert_rows(block.modalities[name], rows[name])
            assert block.id[1] == f"_v{split}0_1"
            assert block.group[1] == f"_v{split}0"
            assert block.transcript[1] == "words 1"
            np.testing.assert_array_equal(block.target, np.float32(content[split]["regression_labels"]))
            pieces = [row[:, row[1] == 1].T for row in content[split]["text_bert"]]
            assert_rows(block.modalities["text_bert"], pieces)
            assert block.normalised["ids were brought to video_segment"] == len(block)
    dataset = check(assemble(source), source=str(file))
    assert dataset.spec.modalities == ("text", "audio", "vision")
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == list(SPLITS.values())
    assert list(assemble(source, features={"audio": "audio"}).modalities) == ["audio"]


def test_padding_of_text_that_is_not_zero_is_cut_at_the_mask(file):
    for aligned in (True, False):
        content, expected = build(aligned=aligned)
        for table in content.values():
            table["text"] = np.where(table["text"] == 0, np.float32(0.5), table["text"])
        blocks = list(FORMAT.open(write_pickle(file, content)).blocks(["text", "audio"]))
        for block, rows in zip(blocks, expected.values(), strict=True):
            assert_rows(block.modalities["text"], rows["text"])
            assert_rows(block.modalities["audio"], rows["audio"])


def test_aligned_audio_beyond_the_mask_is_kept_in_all(file):
    content, expected = build(aligned=True)
    content["train"]["audio"][0, 7] = 9
    block = next(FORMAT.open(write_pickle(file, content)).blocks(["text", "audio"]))
    assert block.modalities["audio"].lengths.tolist()[:2] == [8, len(expected["train"]["audio"][1])]
    assert block.modalities["text"].lengths.tolist() == block.modalities["audio"].lengths.tolist()
    assert block.modalities["audio"].values[7].tolist() == [9, 9]


def test_silence_inside_and_before_is_no_padding(file):
    content, _ = build(aligned=False)
    table = content["train"]
    table["audio"][0] = 0
    table["audio"][0, 2] = 5
    table["audio_lengths"][0] = 6
    block = next(FORMAT.open(write_pickle(file, content)).blocks(["audio"]))
    assert block.modalities["audio"].values[:6, 0].tolist() == [0, 0, 5, 0, 0, 0]


def test_without_text_bert_and_as_lists(file):
    content, expected = build(aligned=True)
    for table in content.values():
        del table["text_bert"], table["raw_text"], table["id"]
        for key in (*DIMS, "regression_labels"):
            table[key] = table[key].tolist()
    source = FORMAT.open(write_pickle(file, content))
    blocks = list(source.blocks(list(DIMS)))
    for block, (split, rows) in zip(blocks, expected.items(), strict=True):
        for name in DIMS:
            assert_rows(block.modalities[name], rows[name])
        assert block.transcript is None
        assert block.id[:2].tolist() == block.group[:2].tolist() == [f"{split}_0", f"{split}_1"]
        assert block.normalised["utterances without an id were named by split and row"] == len(block)
        assert "all features alike: padding on the right was removed" in block.normalised


def test_sims_labels_of_each_modality(file):
    content, _ = build(aligned=False)
    for table in content.values():
        table["regression_labels"] = table["regression_labels"] / 3
        for k, key in enumerate("TAV"):
            table[f"regression_labels_{key}"] = table["regression_labels"] * 0.1 * k
    source = FORMAT.open(write_pickle(file, content))
    assert source.task.label_range == (-1, 1)
    block = next(source.blocks(["text"]))
    np.testing.assert_allclose(block.columns["regression_labels_V"], block.target * 0.2, rtol=1e-6)
    assert "regression_labels_T" not in FORMAT.open(write_pickle(file, build(aligned=True)[0])).facts.get(
        "not read", ""
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("regression_labels", None, "'regression_labels'"),
        ("regression_labels", lambda x: [str(each) for each in x], "test/regression_labels"),
        ("regression_labels", lambda x: x[:-1], "test/id"),
        ("audio", lambda x: x[:-1], "test/audio"),
        ("audio", lambda x: [row[: 3 + i] for i, row in enumerate(x)], "test/audio"),
        ("audio", lambda x: x[..., :1], ""),
        ("audio", lambda _: "text", "test/audio"),
        ("vision", None, ""),
        ("audio_lengths", lambda x: x[:-1], "test/audio_lengths"),
        ("audio_lengths", lambda x: [-1] * len(x), "test/audio_lengths"),
        ("text_bert", lambda x: x[:, :2], "test/text_bert"),
        ("text_bert", lambda x: x[1:], "test/text_bert"),
        ("text_bert", lambda x: x.astype(str), "test/text_bert"),
        ("text_bert", lambda x: x + 1, "test/text_bert"),
        ("text_bert", lambda x: x * np.array([1, 1e300, 1])[:, None], "test/text_bert"),
        ("raw_text", lambda x: [3] * len(x), "test/raw_text"),
        ("raw_text", lambda x: x[:-1], "test/raw_text"),
        ("id", lambda x: x[:-1], "test/id"),
        ("id", lambda x: [{}] * len(x), "id/test"),
    ],
)
def test_bad_values_name_file_split_and_key(file, key, value, message):
    content, _ = build(aligned=False)
    given = content["test"].pop(key)
    if value is not None:
        content["test"][key] = value(given)
    with refused(("damaged", "invalid", "mismatch", "missing", "wrong_shape", "wrong_type"), message) as caught:
        list(FORMAT.open(write_pickle(file, content)).blocks(["text", "audio", "vision", "text_bert"]))
    assert "\n" not in str(caught.value)


def test_what_is_another_file_is_not_recognised(file):
    for content in ([], {"train": []}, {"train": {"text": 1, "labels": 2}}, {"x": {"regression_labels": 1}}, 3):
        assert not FORMAT.recognises(write_pickle(file, content))
    file.write_bytes(b"")
    assert not FORMAT.recognises(file)
    assert not FORMAT.recognises(file.with_name("nowhere"))
    assert not FORMAT.recognises(file.parent)
    content, _ = build(aligned=True)
    with refused("duplicate", "any_name.bin", "'valid'"):
        FORMAT.open(write_pickle(file, {**content, "dev": content["valid"]}))
    with refused("wrong_type", "any_name.bin"):
        FORMAT.open(write_pickle(file, {**content, "test": []}))
