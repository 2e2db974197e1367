from __future__ import annotations

import errno
import gc
import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.mapped import MappedFile


def test_content_is_that_of_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(200)))
    mapped = MappedFile(path)
    assert bytes(mapped.buffer) == bytes(range(200))
    mapped.release()
    assert mapped.buffer[7] == 7


def test_a_file_to_read_cannot_be_written_to(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert not np.frombuffer(MappedFile(path).buffer, dtype=np.uint8).flags.writeable


def test_what_is_written_goes_to_the_file_and_outlives_its_pages(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * mmap.PAGESIZE))
    mapped = MappedFile(path, access=mmap.ACCESS_WRITE)
    values = np.frombuffer(mapped.buffer, dtype=np.uint8)
    values[::1000] = 5
    mapped.release()
    assert values[::1000].tolist() == [5] * len(values[::1000])
    assert path.read_bytes()[1000] == 5


def test_where_pages_cannot_be_let_go_nothing_happens(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    monkeypatch.delattr(mmap, "MADV_DONTNEED")
    mapped = MappedFile(path)
    mapped.release()
    assert bytes(mapped.buffer) == b"abc"


@pytest.mark.parametrize("kind", ["missing", "empty", "folder"])
def test_what_cannot_be_mapped(tmp_path, kind):
    path = tmp_path / "file"
    if kind == "empty":
        path.touch()
    if kind == "folder":
        path.mkdir()
    with pytest.raises(InputError, match=r"file: cannot be read \(.*convert the data set again") as error:
        MappedFile(path)
    assert "\n" not in str(error.value)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: cannot be read \(not a file\)"):
        MappedFile(tmp_path / "pipe")


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(np.arange(4000, dtype=np.float32).tobytes())
    return MappedFile(path)


def read(mapped, start, shape):
    found = np.full(shape, -1, dtype=np.float32)
    mapped.read(start * 4, found)
    return found


@pytest.mark.parametrize("preadv", [True, False])
@pytest.mark.parametrize(("start", "shape"), [(0, (4000,)), (7, (5, 3)), (3999, (1,)), (2, (0, 3)), (4000, (0,))])
def test_what_is_read_is_what_is_mapped(numbers, monkeypatch, preadv, start, shape):
    if not preadv:
        monkeypatch.delattr(os, "preadv", raising=False)
    expected = np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(read(numbers, start, shape), expected)


needs_preadv = pytest.mark.skipif(not hasattr(os, "preadv"), reason="this system reads from the map")


@needs_preadv
def test_a_system_that_gives_less_than_it_was_asked_for(numbers, monkeypatch):
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, into, start: whole(file, [memoryview(into[0]).cast("B")[:7]], start))
    np.testing.assert_array_equal(read(numbers, 9, (5, 3)).ravel(), np.arange(9, 24))


@needs_preadv
@pytest.mark.parametrize("left", [0, 4 * 12 + 2])
def test_a_file_that_was_cut_is_an_error_and_not_the_end_of_the_process(numbers, left):
    os.truncate(numbers.path, left)
    with pytest.raises(InputError, match="file: was cut while it was in use; convert the data set again"):
        read(numbers, 10, (5,))


@needs_preadv
def test_a_disk_that_fails(numbers, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(InputError, match=r"file: cannot be read \(.*check its disk"):
        read(numbers, 0, (5,))


def test_the_file_may_be_deleted_while_it_is_mapped(numbers):
    numbers.path.unlink()
    assert read(numbers, 5, (2,)).tolist() == [5, 6]


def test_position_of_an_array_in_the_file(numbers):
    values = np.frombuffer(numbers.buffer, dtype=np.float32)
    assert numbers.position(values) == 0
    assert numbers.position(values[30:].reshape(-1, 10)[2:]) == 4 * 50


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="nothing is said in advance here")
def test_what_will_be_read_is_said_in_advance_but_never_all_the_rest(numbers, monkeypatch):
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, size, advice: told.append((start, size, advice)))
    numbers.expect(np.array([40, 8, 0]), np.array([4, 0, 8]))
    assert told == [(40, 4, os.POSIX_FADV_WILLNEED), (0, 8, os.POSIX_FADV_WILLNEED)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")
def test_no_file_stays_open(tmp_path):
    def opened():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    (tmp_path / "empty").touch()
    (tmp_path / "file").write_bytes(b"abc")
    before = opened()
    mapped = [MappedFile(tmp_path / "file") for _ in range(5)]
    assert opened() > before
    for _ in range(5):
        with pytest.raises(InputError):
            MappedFile(tmp_path / "empty")
    del mapped
    assert opened() == before
