"""The reader of our own inputs, on folders that each test writes."""

from __future__ import annotations

import csv
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from safetensors.numpy import save_file

from comodal.data.assemble import assemble
from comodal.data.checks import check
from comodal.data.formats.table import FORMAT
from comodal.data.load import load

IDS = [f"v{k // 2}_{k % 2}" for k in range(12)]
SPLIT = ["train"] * 4 + ["dev"] * 4 + ["test"] * 4
LABELS = [-3.0, -2.5, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, -0.25, 0.75]


def table(**changes):
    columns = {"id": IDS, "label": LABELS, "split": SPLIT, "text": [f"words of {name}" for name in IDS], **changes}
    return {name: values for name, values in columns.items() if values is not None}


def write_csv(folder, columns):
    folder.mkdir(exist_ok=True)
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return folder


def write_parquet(folder, columns):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "samples.parquet")
    return folder


def sequences(*, dim, seed=0, lengths=range(1, 13)):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, dim)).astype(np.float32) for length in lengths]


def write_features(folder, *, names=IDS):
    """Audio under its ids in an npz, text as one flat array in safetensors."""
    audio, text = sequences(dim=3), sequences(dim=2, seed=1, lengths=[2] * 12)
    np.savez(folder / "acoustic.npz", **dict(zip(names, audio, strict=True)))
    save_file({"values": np.concatenate(text), "lengths": np.full(12, 2)}, folder / "text.safetensors")
    return audio, text


def blocks(folder):
    source = FORMAT.open(folder)
    return list(source.blocks(list(source.dims)))


def rows_of(ragged):
    return [ragged.values[a:b] for a, b in zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True)]


@pytest.fixture(params=[write_csv, write_parquet])
def write(request):
    return request.param


def test_reads_value_for_value(write, tmp_path):
    folder = write(tmp_path, table(age=list(range(12)), site=["007"] * 12))
    audio, text = write_features(folder)
    assert FORMAT.recognises(folder)
    source = FORMAT.open(folder)
    assert dict(source.dims) == {"text": 2, "audio": 3}
    assert (source.n_samples, source.task.label_range, list(source.divisions)) == (12, (-3.0, 3.0), ["split"])
    assert {each.name for each in source.files} == {
        folder.joinpath("samples.csv").name if write is write_csv else "samples.parquet",
        "acoustic.npz",
        "text.safetensors",
    }
    dataset = check(assemble(source), source="x")
    assert dataset.id.tolist() == IDS
    assert dataset.group.tolist() == [name[:2] for name in IDS]
    assert dataset.target.tolist() == LABELS
    assert dataset.transcript.tolist() == [f"words of {name}" for name in IDS]
    assert [len(rows) for rows in dataset.partitions[0].splits.values()] == [4, 4, 4]
    assert dataset.columns["age"].tolist() == list(range(12))
    assert dataset.columns["site"].tolist() == ["007"] * 12
    for name, expected in (("audio", audio), ("text", text)):
        for found, wanted in zip(rows_of(dataset.modalities[name]), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_blocks_can_be_asked_for_again_and_for_some_features(tmp_path):
    folder = write_csv(tmp_path, table())
    write_features(folder)
    source = FORMAT.open(folder)
    for _ in range(2):
        (block,) = source.blocks(["audio"])
        assert list(block.modalities) == ["audio"]
    with refused("unknown_name", "'smell'"):
        list(source.blocks(["smell"]))


def test_many_samples_come_in_blocks(tmp_path):
    ids = [f"v{k}_0" for k in range(1200)]
    folder = write_csv(tmp_path, {"id": ids, "label": [0.5] * 1200})
    values = np.arange(2400, dtype=np.float32).reshape(1200, 2)
    save_file({"values": values}, folder / "text.safetensors")
    found = blocks(folder)
    assert [len(block) for block in found] == [512, 512, 176]
    np.testing.assert_array_equal(np.concatenate([block.modalities["text"].values for block in found]), values)


def test_the_table_itself_under_any_name_is_recognised(tmp_path):
    folder = write_csv(tmp_path, table())
    write_features(folder)
    (folder / "samples.csv").rename(folder / "utterances.csv")
    assert FORMAT.recognises(folder), "the name that earlier versions asked for"
    (folder / "utterances.csv").rename(folder / "list.txt")
    assert not FORMAT.recognises(folder)
    assert FORMAT.recognises(folder / "list.txt")
    assert FORMAT.open(folder / "list.txt").n_samples == 12


def test_other_things_are_not_recognised(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "words.csv").write_text("word,count\na,1\n")
    (tmp_path / "binary").write_bytes(b"id,label\0")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    np.savez(tmp_path / "text.npz", id=np.ones(2), label=np.ones(2))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "nowhere"):
        assert not FORMAT.recognises(path), path


def test_contents_count_and_not_suffixes(tmp_path):
    folder = write_parquet(tmp_path, table())
    audio, _ = write_features(folder)
    (folder / "samples.parquet").rename(folder / "samples.csv")
    (folder / "acoustic.npz").rename(folder / "audio.safetensors")
    (folder / "text.safetensors").rename(folder / "language.npz")
    dataset = assemble(FORMAT.open(folder))
    np.testing.assert_array_equal(dataset.modalities["audio"].values, np.concatenate(audio))


def test_a_table_without_divisions_says_so_when_assembled(tmp_path):
    folder = write_csv(tmp_path, table(split=None))
    write_features(folder)
    source = FORMAT.open(folder)
    assert source.divisions == {}
    with refused("missing"):
        assemble(source)


def test_folds_are_a_division(tmp_path):
    folder = write_csv(tmp_path, table(split=None, fold=[1, 1, 2, 2, 3, 3] * 2))
    write_features(folder)
    source = FORMAT.open(folder)
    assert source.divisions["fold"].folds == 3
    dataset = assemble(source)
    assert len(dataset.partitions) == 3
    assert dataset.columns["fold"].tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert blocks(folder)[0].normalised["folds numbered from 1 became folds from 0"] == 12


def test_what_was_normalised_is_counted(tmp_path):
    ids = [f"v{k // 2}[{k % 2}]" for k in range(12)]
    folder = write_csv(tmp_path, table(id=ids, text=["two\nlines", *["a b"] * 11]))
    write_features(folder)  # written v0_0: matched by video and segment
    (block,) = blocks(folder)
    assert block.id.tolist() == IDS
    assert block.transcript[0] == "two lines"
    assert dict(block.normalised) == {
        "ids were brought to video_segment": 12,
        "splits were named train, valid or test": 4,
        "the group is the video that the id begins with": 12,
        "white space in transcripts was brought to single spaces": 1,
    }


def test_a_sample_without_features_is_an_absent_modality(tmp_path):
    folder = write_csv(tmp_path, table())
    np.savez(folder / "audio.npz", **dict(zip(IDS[:10], sequences(dim=3), strict=False)))
    np.savez(folder / "text.npz", values=np.ones((12, 4)))
    (block,) = blocks(folder)
    assert block.modalities["audio"].lengths.tolist() == [*range(1, 11), 0, 0]
    assert block.normalised["audio: no features for the id, taken as absent"] == 2


def test_label_range_follows_the_labels(tmp_path):
    folder = write_csv(tmp_path, table(label=[*LABELS[:11], 4.5]))
    write_features(folder)
    source = FORMAT.open(folder)
    assert source.task.label_range == (-3.0, 5.0)
    assert source.facts["label range"] == "-3 to 5, from the labels"


def test_missing_labels_and_features_that_are_not_finite_pass(tmp_path):
    folder = write_csv(tmp_path, table(label=["", "nan", *LABELS[2:]]))
    values = np.ones((12, 2))
    values[0], values[1, 1] = np.nan, np.inf
    np.savez(folder / "text.npz", text=values)
    (block,) = blocks(folder)
    assert np.isnan(block.target).tolist() == [True, True, *[False] * 10]
    np.testing.assert_array_equal(block.modalities["text"].values, values)


def test_a_table_without_labels_is_for_prediction(tmp_path, monkeypatch):
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    folder = write_csv(tmp_path, table(label=None))
    write_features(folder)
    assert np.isnan(np.concatenate([block.target for block in blocks(folder)])).all()
    with refused("empty", folder, "label"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, ""),
        ({"label": [*LABELS[:11], "good"]}, "'label'"),
        ({"label": [*LABELS[:11], "1,5"]}, "'label'"),
        ({"label": [*LABELS[:11], "1_0"]}, "'1_0'"),
        ({"id": ["", *IDS[1:]]}, "2"),
        ({"split": ["tset", *SPLIT[1:]]}, "'split'"),
        ({"split": ["", *SPLIT[1:]]}, "'split'"),
        ({"fold": [0, 1, 2, 1.5] * 3}, "'fold'"),
        ({"fold": [0, 1] * 6}, "2"),
        ({"fold": [0, 1, 3] * 4}, "2"),
        ({"fold": [-1] * 12}, "0"),
        ({"ID": IDS}, "'id'"),
    ],
)
def test_mistakes_in_the_table_name_file_and_line(tmp_path, change, message):
    folder = write_csv(tmp_path, table(**change))
    write_features(folder)
    with refused(("duplicate", "missing", "out_of_range", "unknown_name", "wrong_type"), message) as error:
        FORMAT.open(folder)
    assert "samples.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_mistakes_in_the_folder(tmp_path):
    folder = write_csv(tmp_path, table())
    with refused("missing", "samples.csv"):
        FORMAT.open(folder)
    write_features(folder)
    np.savez(folder / "audio.npz", values=np.ones((12, 1)))
    with refused("duplicate", "audio.npz", "acoustic.npz", "'audio'"):
        FORMAT.open(folder)
    (folder / "audio.npz").unlink()
    (folder / "vision.npz").mkdir()
    with refused("missing", "vision.npz"):
        FORMAT.open(folder)
    write_parquet(folder, table())
    with refused("duplicate"):
        FORMAT.open(folder)


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(-3, 3, width=32), WORDS, st.integers(0, 4)), min_size=1, max_size=8),
    dim=st.integers(1, 3),
    as_parquet=st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, rows, dim, as_parquet):
    folder = tmp_path_factory.mktemp("made")
    ids = [f"video {k}_{k}" for k in range(len(rows))]
    columns = {"id": ids, "label": [row[0] for row in rows], "transcript": [row[1] for row in rows]}
    (write_parquet if as_parquet else write_csv)(folder, columns)
    frames = [np.full((row[2], dim), k, dtype=np.float32) for k, row in enumerate(rows)]
    np.savez_compressed(folder / "vision.npz", **dict(zip(ids, frames, strict=True)))
    (block,) = blocks(folder)
    assert block.id.tolist() == ids
    assert block.target.tolist() == [np.float32(row[0]) for row in rows]
    assert block.transcript.tolist() == [" ".join(row[1].split()) for row in rows]
    for found, wanted in zip(rows_of(block.modalities["vision"]), frames, strict=True):
        np.testing.assert_array_equal(found, wanted)
