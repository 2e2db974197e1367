from __future__ import annotations

import hashlib
import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodal.contracts import InputError
from comodal.data import arrow
from comodal.data.arrow import read_columns, read_ragged, write_columns, write_ragged
from comodal.data.ragged import RaggedArray
from comodal.data.spool import Spool

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def rows(lengths, dim=3):
    rng = np.random.default_rng(1)
    return RaggedArray.from_rows([rng.normal(size=(length, dim)).astype(np.float32) for length in lengths])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.integers(1, 4))
def test_ragged_round_trip(tmp_path_factory, lengths, dim):
    path = tmp_path_factory.mktemp("arrow") / "0.arrow"
    array = rows(lengths, dim)
    array.values[:1] = np.nan
    sha256 = write_ragged(path, "audio", array)
    found = read_ragged(path, dim=dim, name="audio")
    assert found.values.tobytes() == array.values.tobytes()
    assert found.offsets.tolist() == array.offsets.tolist()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def test_frames_are_read_only_views_of_the_file(tmp_path):
    path = tmp_path / "0.arrow"
    write_ragged(path, "audio", rows([3, 0, 2]))
    found = read_ragged(path, dim=3)
    assert found.mapping is not None
    start = np.frombuffer(found.mapping.buffer, dtype=np.uint8).ctypes.data
    assert start <= found.values.ctypes.data < start + path.stat().st_size
    assert not found.values.flags.writeable
    assert not found.values.flags.owndata
    assert found.offsets.flags.owndata  # or a file that is cut would give other runs
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_a_large_buffer_goes_out_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "_PIECE", 40)
    spool = Spool(tmp_path / "spool", 3)
    spool.append(rows([50, 0, 70]))
    let_go = []
    array = spool.array()
    monkeypatch.setattr(array.mapping, "release", lambda: let_go.append(1))
    sha256 = write_ragged(tmp_path / "0.arrow", "audio", array)
    assert read_ragged(tmp_path / "0.arrow", dim=3).values.tobytes() == rows([50, 0, 70]).values.tobytes()
    assert hashlib.sha256((tmp_path / "0.arrow").read_bytes()).hexdigest() == sha256
    assert len(let_go) > 120 * 3 * 4 // 40


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), min_size=1, max_size=6))
def test_columns_round_trip(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("arrow") / "table.arrow"
    words, numbers, reals = (list(column) for column in zip(*table, strict=True))
    given_columns = {
        "words": np.array(words, dtype=object),
        "id": np.array([f"é{i}" for i in range(len(words))]),
        "n": np.array(numbers, dtype=np.int64),
        "x": np.array(reals),
    }
    sha256 = write_columns(path, given_columns)
    found = read_columns(path, text=("words",))
    assert {name: column.tolist() for name, column in found.items()} == {
        name: column.tolist() for name, column in given_columns.items()
    }
    assert found["words"].dtype == object
    assert found["id"].dtype.kind == "U"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "float32", ">i4", ">f8", "datetime64[s]"])
def test_every_kind_of_number(tmp_path, dtype):
    given_column = np.array([0, 1, 1]).astype(dtype)
    write_columns(tmp_path / "t", {"x": given_column})
    found = read_columns(tmp_path / "t")["x"]
    np.testing.assert_array_equal(found, given_column)
    assert found.dtype == given_column.dtype.newbyteorder("=")


def test_bytes_become_text(tmp_path):
    write_columns(tmp_path / "t", {"x": np.array([b"ab", b"c"])})
    assert read_columns(tmp_path / "t")["x"].tolist() == ["ab", "c"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array(["a", None], dtype=object), "column 'x' has 1 missing values; give every utterance one"),
        (np.array(["\ud800"]), "column 'x' cannot be stored .*surrogates not allowed"),
        (np.array([1, "a"], dtype=object), "column 'x' cannot be stored"),
        (np.array([2**70], dtype=object), "column 'x' cannot be stored"),
        (np.array([{1}, {2}], dtype=object), "column 'x' cannot be stored"),
        (np.ones((2, 2)), "column 'x' cannot be stored"),
        (np.ones(2, dtype=np.complex128), "column 'x' cannot be stored"),
    ],
)
def test_what_is_no_column(tmp_path, column, message):
    with pytest.raises(InputError, match=message) as error:
        write_columns(tmp_path / "t", {"x": column})
    assert "\n" not in str(error.value)


def test_other_features_are_refused(tmp_path):
    path = tmp_path / "0.arrow"
    write_ragged(path, "audio", rows([2, 1], dim=4))
    write_columns(tmp_path / "table.arrow", {"audio": np.ones(3)})
    for file, options in (
        (path, {"dim": 2}),
        (path, {"dim": 8}),
        (path, {"dim": 4, "name": "vision"}),
        (tmp_path / "table.arrow", {"dim": 4}),
    ):
        with pytest.raises(InputError, match=r"does not hold features .*convert the data set again") as error:
            read_ragged(file, **options)
        assert file.name in str(error.value)


def test_missing_values_are_damage(tmp_path):
    """Nothing here writes them, and NumPy would show what lies beneath."""
    batch = pa.record_batch([pa.array([1, None])], names=["x"])
    with pa.OSFile(str(tmp_path / "t"), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(InputError, match=r"damaged \(missing values\)"):
        read_columns(tmp_path / "t")


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, -1])
def test_truncated(tmp_path, keep):
    for read in (lambda path: read_ragged(path, dim=3), read_columns):
        path = tmp_path / "file.arrow"
        write_ragged(path, "audio", rows([4, 4]))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
        with pytest.raises(InputError, match=r"file.arrow: (damaged|cannot be read).*convert the data set again"):
            read(path)


def test_a_disk_that_fills_up_says_so(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrow._Sink, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_ragged(tmp_path / "0.arrow", "audio", rows([2]))


FLIPS = """
import random, sys
from pathlib import Path
from comodal.contracts import InputError
from comodal.data.arrow import read_columns, read_ragged

folder, draw, refused, same = Path(sys.argv[1]), random.Random(0), 0, 0
def read_frames(path):
    return {"audio": read_ragged(path, dim=3, name="audio").values}

for name, read in (("0.arrow", read_frames), ("table.arrow", read_columns)):
    whole = (folder / name).read_bytes()
    for turn in range(400):
        flipped = bytearray(whole)
        # Mostly in what describes the data, where a wrong bit may lead anywhere.
        spot = draw.randrange(min(700, len(whole))) if turn % 2 else draw.randrange(len(whole) - 500, len(whole))
        flipped[spot] ^= 1 << draw.randrange(8)
        (folder / "flipped").write_bytes(flipped)
        try:
            found = read(folder / "flipped")
        except InputError as error:
            assert "\\n" not in str(error), error
            refused += 1
        else:
            for column in found.values():
                column.tolist()
            same += 1
print(refused, same)
"""


@pytest.mark.slow
def test_flipped_bits_are_read_or_refused_and_never_crash(tmp_path):
    """In a process of its own: memory that is read where there is none ends the process."""
    write_ragged(tmp_path / "0.arrow", "audio", rows([4, 0, 40]))
    write_columns(tmp_path / "table.arrow", {"id": np.array(["a", "bc", "def"]), "x": np.arange(3.0)})
    done = subprocess.run([sys.executable, "-c", FLIPS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused, read = map(int, done.stdout.split())
    assert refused > 100
    assert read > 100


@pytest.mark.slow
def test_pandas_is_not_needed_to_read(tmp_path):
    """It would take longer to import than all else."""
    write_ragged(tmp_path / "0.arrow", "audio", rows([4, 0, 40]))
    write_columns(tmp_path / "t", {"id": np.array(["a"]), "x": np.arange(1.0), "b": np.array([True])})
    code = (
        "import sys; from pathlib import Path; from comodal.data.arrow import read_columns, read_ragged\n"
        f"read_ragged(Path({str(tmp_path / '0.arrow')!r}), dim=3); read_columns(Path({str(tmp_path / 't')!r}))\n"
        "assert 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_is_read_to_open(tmp_path):
    """Pages in memory, as Linux counts them for the mapping; elsewhere the type of the memory must do."""
    path = tmp_path / "0.arrow"
    write_ragged(path, "audio", RaggedArray.from_vectors(np.ones((200_000, 20))))
    found = read_ragged(path, dim=20)
    assert isinstance(found.mapping.buffer, mmap.mmap)
    if sys.platform == "linux":
        found.mapping.release()
        found = read_ragged(path, dim=20)
        address = found.values.ctypes.data
        assert resident(address) < 4_000_000 < path.stat().st_size // 4 * 3
        float(found.values.sum())
        assert resident(address) > 10_000_000


def resident(address):
    """Bytes in memory of the mapping that holds an address."""
    with Path("/proc/self/smaps").open() as lines:
        inside = False
        for line in lines:
            first = line.split()[0]
            if "-" in first and not first.endswith(":"):
                low, high = (int(end, 16) for end in first.split("-"))
                inside = low <= address < high
            elif inside and first == "Rss:":
                return 1024 * int(line.split()[1])
    raise AssertionError(f"{address} is in no mapping")
