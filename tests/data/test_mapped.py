from __future__ import annotations

import mmap

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
