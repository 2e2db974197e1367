"""Converted data sets that were damaged, and how little memory converting and reading takes."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.contracts import InputError
from comodal.data import store
from comodal.data.assemble import assemble
from comodal.data.checks import validate
from comodal.data.manifest import read_manifest, recognises
from comodal.data.rules import ERROR
from comodal.data.store import changed_files, open_store, write_columns, write_store
from comodal.data.stored_array import StoredArray

pytestmark = pytest.mark.slow


def whole(source, features=None):
    (block,) = source.blocks(list(source.dims) if features is None else features)
    return block


@pytest.fixture
def folder(tmp_path, source):
    write_store(source, tmp_path / "set")
    return tmp_path / "set"


def npy_of(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


class TestDamage:
    def test_every_flipped_bit_of_the_description_is_seen(self, folder):
        """White space apart, which says nothing."""
        file, draw, refused = folder / "dataset.json", random.Random(0), []
        before = read_manifest(folder)
        text = file.read_bytes()
        for _ in range(300):
            flipped = bytearray(text)
            flipped[draw.randrange(len(text))] ^= 1 << draw.randrange(8)
            file.write_bytes(flipped)
            try:
                found = read_manifest(folder)
            except InputError as error:
                refused.append(str(error))
            else:
                assert found == before
        assert len(refused) > 200
        assert "\n" not in "".join(refused)

    @pytest.mark.parametrize("content", ["", "{}", "[]", "null", '"x"', "{", "[" * 100_000, "\x00" * 50, 0.5, 0.99])
    def test_another_description_or_a_share_of_it(self, folder, content):
        text = (folder / "dataset.json").read_text()
        (folder / "dataset.json").write_text(content if isinstance(content, str) else text[: int(len(text) * content)])
        with refused("damaged", "dataset.json"):
            open_store(folder)

    def test_changed_by_hand_and_other_versions(self, folder):
        file = folder / "dataset.json"
        text = file.read_text()
        file.write_text(text.replace('"samples": 9', '"samples": 8', 1))
        with refused("damaged", "dataset.json"):
            open_store(folder)
        for version in (4, 6):
            file.write_text(text.replace('"version": 5', f'"version": {version}', 1))
            with refused("unsupported", "dataset.json", version, 5):
                open_store(folder)
        file.write_text(json.dumps(json.loads(text)))  # the same on one line
        assert open_store(folder).n_samples == 9

    @pytest.mark.parametrize("name", ["samples.parquet", "features/0.npy", "features/1.npy"])
    @pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "longer", "folder", "text", "zeros", "pickle"])
    def test_files(self, folder, name, damage):
        file = folder / name
        data = file.read_bytes()
        file.unlink()
        contents = {
            "empty": b"",
            "truncated": data[: len(data) // 2],
            "longer": data + b"x",
            "pickle": npy_of(np.array([{}], dtype=object)),
            "text": b"id,label\n" * 100,
            "zeros": bytes(len(data)),
        }
        if damage == "folder":
            file.mkdir()
        elif damage in contents:
            file.write_bytes(contents[damage])
        with refused(("damaged", "cannot_read"), name):
            whole(open_store(folder))

    @pytest.mark.parametrize("name", ["features/0.npy", "features/1.npy"])
    def test_every_flipped_bit_of_frames_is_found_or_refused(self, folder, name):
        file, draw = folder / name, np.random.default_rng(0)
        data, found = file.read_bytes(), 0
        for spot in draw.integers(0, len(data), 40):
            flipped = bytearray(data)
            flipped[spot] ^= 16
            file.write_bytes(flipped)
            try:
                _, (first, *_) = validate(open_store(folder), changed_files=changed_files(folder))
            except InputError:
                continue
            assert (first.severity, first.check, first.examples) == (ERROR, "damaged files", (name,))
            found += 1
        assert found
        file.write_bytes(data)
        assert changed_files(folder) == ()

    @pytest.mark.parametrize("name", ["samples.parquet", "features/1.npy"])
    def test_files_of_another_data_set(self, folder, tmp_path, make_block, make_source, name):
        write_store(make_source(make_block("train", [1, 2])), tmp_path / "other")
        (tmp_path / "other" / name).rename(folder / name)
        with refused("damaged", name):
            whole(open_store(folder))

    @pytest.mark.parametrize(("dtype", "order"), [("<f8", "C"), (">f4", "C"), ("<f4", "F"), ("<i4", "C")])
    def test_frames_of_another_type(self, folder, dtype, order):
        file = folder / "features" / "0.npy"
        file.write_bytes(npy_of(np.ones((9, 3), dtype=dtype, order=order)))
        with refused("damaged", "0.npy"):
            whole(open_store(folder))

    def test_a_header_that_claims_more_than_is_there(self, folder):
        file = folder / "features" / "0.npy"
        file.write_bytes(file.read_bytes().replace(b"(9, 3)", b"(9999999999999, 3)"))
        with refused("damaged", "0.npy"):
            whole(open_store(folder))

    @pytest.mark.parametrize(("rows", "column"), [(9, "x"), (8, "id")])
    def test_a_table_without_what_is_needed(self, folder, monkeypatch, rows, column):
        (folder / "samples.parquet").unlink()
        write_columns(folder / "samples.parquet", {column: np.array(["x"] * rows)})
        monkeypatch.setattr(store, "digest", lambda _: read_manifest(folder).files["samples.parquet"])
        with refused("damaged", "samples.parquet"):
            whole(open_store(folder))

    def test_nothing_outside_the_folder_is_opened(self, folder):
        """Feature files are numbered, whatever the description calls them."""
        manifest = read_manifest(folder)
        text = replace(manifest, dims={"../../x": 3, "audio": 2}).as_json()
        (folder / "dataset.json").write_text(text)
        assert read_manifest(folder).feature_file("../../x") == "features/0.npy"


def test_recognised_by_its_description(folder, tmp_path):
    assert recognises(folder)
    assert recognises(folder / "dataset.json")
    assert not recognises(folder / "samples.parquet")
    assert not recognises(tmp_path)
    assert not recognises(tmp_path / "nothing" / "there")
    other = tmp_path / "dataset.json"
    other.write_text('{"kind": "something else"}')
    assert not recognises(other)
    other.write_bytes(b"\xff" * 300)
    assert not recognises(other)
    other.unlink()
    os.mkfifo(other)
    assert not recognises(other)  # and does not wait for somebody to write to it


MEMORY = """
import gc, resource, sys
from pathlib import Path
import numpy as np, pyarrow.parquet, torch
from comodal.data.assemble import assemble
from comodal.data.collate import TensorView
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.loader import EpochSampler, loader
from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Standardizer
from comodal.data.store import open_store, write_store

DIM, FRAMES, SAMPLES, BLOCKS = 100, 50, 500, 30

def blocks(names):
    for k in range(BLOCKS):
        values = np.full((SAMPLES * FRAMES, DIM), k + 1, dtype=np.float32)
        values[::7, 3] = np.nan
        yield Block(
            id=np.array([f"{k}x{i}" for i in range(SAMPLES)]),
            group=np.array([str(k)] * SAMPLES),
            target=np.zeros(SAMPLES, dtype=np.float32),
            modalities={"audio": RaggedArray(values, np.arange(SAMPLES + 1) * FRAMES)},
            columns={"split": np.array([("train", "valid", "test")[k % 3]] * SAMPLES)},
        )

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

source, folder = Source(Path("x"), "toy", {"audio": DIM}, {"file": Division()}, blocks), Path(sys.argv[1])
start = peak()
if sys.argv[2] == "convert":
    write_store(source, folder)
else:
    dataset = assemble(open_store(folder))
    opened = peak()
    train = dataset.partitions[0].train
    view = TensorView(dataset, Standardizer.fit(dataset, train))
    rows = sum(len(batch) for batch in loader(view, EpochSampler(train, batch_size=64, seed=0)))
    assert rows == len(train), rows
    assert opened - start < 20, opened - start
print(peak() - start)
"""


def test_memory_stays_far_below_the_size(tmp_path):
    """300 MB are converted, and an epoch runs over them, in a process each: peaks of memory do not go down again."""
    for act in ("convert", "read"):
        command = [sys.executable, "-c", MEMORY, str(tmp_path / "set"), act]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert float(done.stdout) < 150, act
    assert sum(path.stat().st_size for path in (tmp_path / "set").rglob("*.npy")) > 300e6


def test_a_full_store_is_opened_without_its_frames(folder, monkeypatch):
    """What is opened is described and mapped; no frame is looked at."""

    def touched(*_):
        raise AssertionError("frames were read")

    monkeypatch.setattr(StoredArray, "parts", touched)
    monkeypatch.setattr(StoredArray, "take", touched)
    assert len(assemble(open_store(folder))) == 9
    assert Path(store.open_store(folder).files[0]).name == "dataset.json"
