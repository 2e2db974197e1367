from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.contracts import InputError
from comodal.data import cleaning, store
from comodal.data.assemble import assemble
from comodal.data.cleaning import clean
from comodal.data.formats.interface import Division
from comodal.data.manifest import Manifest, read_manifest
from comodal.data.ragged import RaggedArray
from comodal.data.store import open_store, write_store
from comodal.data.stored_array import FrameWriter, StoredArray

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def whole(source, features=None):
    (block,) = source.blocks(list(source.dims) if features is None else features)
    return block


def same(found, expected):
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert found.values.tobytes() == expected.values.tobytes()


def with_values(block, name, values):
    return replace(block, modalities={**block.modalities, name: block.modalities[name].with_values(values)})


@pytest.fixture
def dirty(make_block, make_source):
    """Non-finite features everywhere, in train, elsewhere and in a column that has no finite train value."""
    rng = np.random.default_rng(5)
    blocks = []
    for split, lengths in (("train", [2, 0, 3, 1]), ("none", [2]), ("valid", [1, 4]), ("test", [5, 1, 2])):
        block = make_block(split, lengths)
        for name, array in block.modalities.items():
            values = array.values.copy()
            values[rng.random(values.shape) < 0.3] = rng.choice([np.nan, np.inf, -np.inf])
            if split == "train":
                values[:, -1] = np.nan
            block = with_values(block, name, values)
        fold = np.arange(len(block)) % 3 - (split == "none")
        blocks.append(replace(block, columns={**block.columns, "fold": fold}))
    return make_source(*blocks)


class TestRoundTrip:
    @settings(max_examples=20, deadline=None)
    @given(
        blocks=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=3),
        words=st.lists(TEXT, min_size=12, max_size=12),
        dim=st.integers(1, 3),
    )
    def test_every_value_comes_back(self, tmp_path_factory, make_block, make_source, *, blocks, words, dim):
        rng, made = np.random.default_rng(0), []
        for k, lengths in enumerate(blocks):
            n = len(lengths)
            frames = [rng.normal(size=(length, dim)).astype(np.float32) for length in lengths]
            block = make_block(f"b{k}", lengths, transcript=np.array(words[4 * k : 4 * k + n], dtype=object))
            block = replace(block, modalities={**block.modalities, "a/b *": RaggedArray.from_rows(frames)})
            made.append(replace(block, columns={**block.columns, "id": np.array(["x"] * n), "fold": np.arange(n)}))
        divisions = {"file": Division(), "folds": Division("fold", 3, {"sound": "audio"}, "beware {features}")}
        source = make_source(*made, divisions=divisions, defaults=("audio",), facts={"from": "nowhere"}, name="toy")
        folder = tmp_path_factory.mktemp("store") / "set"
        manifest = write_store(source, folder, digests={"made.pkl": "0" * 64})
        opened = open_store(folder)
        found = whole(opened)
        for name in source.dims:
            same(found.modalities[name], RaggedArray.concatenate([block.modalities[name] for block in made]))
        for name in ("id", "group", "target", "transcript"):
            assert getattr(found, name).tolist() == [x for b in made for x in getattr(b, name).tolist()]
        for name in made[0].columns:
            assert found.columns[name].tolist() == [x for b in made for x in b.columns[name].tolist()]
            assert found.columns[name].dtype.kind == made[0].columns[name].dtype.kind
        assert read_manifest(folder) == manifest == Manifest.from_json(manifest.as_json())
        assert opened.divisions == divisions
        assert opened.dims == dict(source.dims)
        assert list(opened.dims) == list(source.dims)
        assert (opened.defaults, opened.facts, opened.name) == (("audio",), {"from": "nowhere"}, "toy")
        assert opened.n_samples == len(found) == manifest.inspection.samples
        assert manifest.source == {"made.pkl": "0" * 64}

    def test_the_description_holds_what_was_counted(self, tmp_path, source):
        manifest = write_store(source, tmp_path / "set")
        assert manifest.inspection.splits == {"file": {"train": 4, "valid": 2, "test": 3}}
        assert manifest.inspection.normalised == {"ids were made up": 9}
        assert json.loads((tmp_path / "set" / "dataset.json").read_text())["samples"] == 9
        assert names(tmp_path / "set") == ["dataset.json", "features", "samples.parquet"]
        assert names(tmp_path / "set" / "features") == ["0.npy", "1.npy"]
        assert {manifest.feature_file(name) for name in ("text", "audio")} < set(manifest.files)

    def test_frames_stay_on_disk(self, tmp_path, source):
        write_store(source, tmp_path / "set")
        block = whole(open_store(tmp_path / "set"))
        assert all(isinstance(array, StoredArray) for array in block.modalities.values())
        assert block.transcript.dtype == object

    def test_numpy_reads_the_frames(self, tmp_path, source):
        manifest = write_store(source, tmp_path / "set")
        found = np.load(tmp_path / "set" / manifest.feature_file("audio"), mmap_mode="r", allow_pickle=False)
        blocks = [block.modalities["audio"] for block in source.blocks(["audio"])]
        assert found.tobytes() == RaggedArray.concatenate(blocks).values.tobytes()

    @pytest.mark.parametrize("values", [np.arange(3, dtype=np.uint8), np.array([True, False, True]), np.arange(3) / 7])
    @pytest.mark.parametrize("dtype", [None, "datetime64[ms]"])
    def test_types_of_columns(self, tmp_path, values, dtype):
        column = values if dtype is None else np.arange(3).astype(dtype)
        store.write_columns(tmp_path / "t", {"a": column})
        found = store.read_columns(tmp_path / "t", rows=3)["a"]
        assert (found.dtype, found.tolist()) == (column.dtype, column.tolist())

    def test_features_that_are_not_asked_for_are_not_opened(self, tmp_path, source):
        manifest = write_store(source, tmp_path / "set")
        (tmp_path / "set" / manifest.feature_file("text")).unlink()
        assert list(whole(open_store(tmp_path / "set"), ["audio"]).modalities) == ["audio"]

    def test_modality_nobody_has_and_no_transcripts_and_no_division(self, tmp_path, make_block, make_source):
        block = make_block("train", [0, 0], transcript=None)
        write_store(make_source(block, divisions={}), tmp_path / "set")
        found = whole(open_store(tmp_path / "set"))
        assert found.modalities["audio"].lengths.tolist() == [0, 0]
        assert found.modalities["audio"].dim == 2
        assert found.transcript is None


class TestCleaning:
    def test_labels(self, tmp_path, make_block, make_source):
        block = make_block("train", [1, 2, 3, 0], target=np.array([np.nan, 3, -3, 1], dtype=np.float32))
        manifest = write_store(make_source(block), tmp_path / "set")
        found = whole(open_store(tmp_path / "set"))
        assert found.id.tolist() == block.id.tolist()
        np.testing.assert_array_equal(found.target, block.target)
        assert found.target.dtype == np.float32
        same(found.modalities["audio"], block.modalities["audio"])
        assert (manifest.inspection.unlabelled, manifest.inspection.unlabelled_parts) == (1, {"file": {"train": 1}})

    def test_labels_of_no_use_are_refused_and_nothing_is_left(self, tmp_path, make_block, make_source):
        outside = make_block("train", [1, 2], target=np.array([3.5, np.inf], dtype=np.float32))
        with refused("out_of_range", "made.pkl", 2, "train0_0 (3.5)"):
            write_store(make_source(outside), tmp_path / "set")
        columns = {"split": np.array(["train", "test"]), "mine": np.array(["train", "train"])}
        missing = make_block("train", [1, 2], columns=columns, target=np.array([1, np.nan], dtype=np.float32))
        with refused("missing", "made.pkl", "test", 1, "train1_0"):
            write_store(make_source(missing), tmp_path / "set")
        assert names(tmp_path) == []
        both = make_source(missing, divisions={"file": Division(), "own": Division("mine")})
        write_store(both, tmp_path / "set")  # one of its protocols needs no more labels

    @pytest.mark.parametrize("values", [1 << 25, 7])
    @pytest.mark.parametrize("division", [Division(), Division("fold", 3)])
    def test_features_as_clean_does_it(self, tmp_path, dirty, division, values, monkeypatch):
        monkeypatch.setattr(cleaning, "_VALUES", values)
        source = replace(dirty, divisions={"one": division})
        expected = clean(assemble(source))
        manifest = write_store(source, tmp_path / "set")
        found = assemble(open_store(tmp_path / "set"))
        assert found.id.tolist() == expected.id.tolist()
        for name, array in expected.modalities.items():
            same(found.modalities[name], array)
            assert np.isfinite(array.values).all()
        for mine, theirs in zip(found.partitions, expected.partitions, strict=True):
            assert mine.name == theirs.name
            assert [r.tolist() for r in mine.splits.values()] == [r.tolist() for r in theirs.splits.values()]
        outside = manifest.samples - len(expected)
        assert outside == 1
        assert manifest.cleaning.replaced_values["text"] >= expected.cleaning.replaced_values["text"] > 0
        assert all(np.isfinite(a.values).all() for a in whole(open_store(tmp_path / "set")).modalities.values())


def interrupted(source, error):
    def blocks(features):
        yield next(source.blocks(features))
        raise error

    return replace(source, blocks=blocks)


class TestWholeOrNot:
    @pytest.mark.parametrize("error", [InputError("damaged", code="damaged"), KeyboardInterrupt(), MemoryError()])
    def test_a_source_that_breaks_off(self, tmp_path, source, error):
        with pytest.raises(type(error)):
            write_store(interrupted(source, error), tmp_path / "set")
        assert names(tmp_path) == []

    def test_an_error_of_reading_is_one_of_the_source(self, tmp_path, source):
        with refused("cannot_read", "made.pkl", "Input/output error"):
            write_store(interrupted(source, OSError(5, "Input/output error")), tmp_path / "set")
        assert names(tmp_path) == []

    @pytest.mark.parametrize(("owner", "method"), [(FrameWriter, "append"), (store, "write_columns")])
    def test_a_full_disk(self, tmp_path, source, monkeypatch, owner, method):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(owner, method, full)
        with refused("cannot_write", "set", "No space left"):
            write_store(source, tmp_path / "set")
        assert names(tmp_path) == []

    def test_a_folder_that_exists_is_not_touched(self, tmp_path, source):
        write_store(source, tmp_path / "set")
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")}
        with refused("exists", "set"):
            write_store(source, tmp_path / "set")
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")} == before
        assert names(tmp_path) == ["set"]

    @pytest.mark.parametrize("name", ["file/set", "x" * 255])
    def test_a_place_where_nothing_can_be_made(self, tmp_path, source, name):
        (tmp_path / "file").write_text("taken")
        with refused("cannot_write"):
            write_store(source, tmp_path / name)
        assert names(tmp_path) == ["file"]


class TestSourcesThatAreNotWhatTheySay:
    def convert(self, source, folder, code, *named):
        with refused(code, "made.pkl", *named):
            write_store(source, folder / "set")
        assert names(folder) == []

    def test_no_sample_has_a_label(self, tmp_path, make_block, make_source):
        block = make_block("train", [1, 1], target=np.full(2, np.nan, dtype=np.float32))
        self.convert(make_source(block), tmp_path, "empty")

    def test_no_sample_at_all(self, tmp_path, source):
        self.convert(replace(source, blocks=lambda _: iter(())), tmp_path, "empty")

    def test_blocks_with_other_columns(self, tmp_path, make_block, make_source):
        blocks = make_block("train", [1]), make_block("test", [1], transcript=None)
        self.convert(make_source(*blocks), tmp_path, "damaged")

    def test_columns_in_another_order_are_the_same(self, tmp_path, make_block, make_source):
        first, second = make_block("train", [1]), make_block("test", [1])
        second = replace(second, columns=dict(reversed(second.columns.items())))
        write_store(make_source(first, second), tmp_path / "set")
        assert whole(open_store(tmp_path / "set")).columns["split"].tolist() == ["train", "test"]

    @pytest.mark.parametrize(("column", "code"), [([None], "missing"), ([[1, 2]], "wrong_type")])
    def test_a_column_that_cannot_be_stored(self, tmp_path, make_block, make_source, column, code):
        held = np.empty(1, dtype=object)
        held[0] = column[0]
        self.convert(make_source(make_block("train", [1], transcript=held)), tmp_path, code, "transcript")
