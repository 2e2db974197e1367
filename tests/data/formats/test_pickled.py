"""One unpickling for all recognisers."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats import pickles
from comodal.data.formats.pickles import memory_needed, peek, refusal, take


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.fixture
def unpicklings(monkeypatch):
    """How often a file was really unpickled."""
    calls = []
    load = pickles.load_pickle
    monkeypatch.setattr(pickles, "load_pickle", lambda path: (calls.append(path), load(path))[1])
    pickles._attempt.cache_clear()
    return calls


def write(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def test_looked_at_often_and_unpickled_once(tmp_path, unpicklings):
    file = write(tmp_path / "x.pkl", {"a": np.arange(3)})
    for _ in range(5):
        assert peek(file)["a"].tolist() == [0, 1, 2]
        assert refusal(file) is None
    assert take(file)["a"].tolist() == [0, 1, 2]
    assert len(unpicklings) == 1


def test_what_was_taken_is_not_kept(tmp_path, unpicklings):
    file = write(tmp_path / "x.pkl", [1])
    first = take(file)
    assert pickles._attempt.cache_info().currsize == 0
    assert take(file) is not first
    assert len(unpicklings) == 2


def test_a_changed_file_is_read_again(tmp_path, unpicklings):
    file = write(tmp_path / "x.pkl", [1])
    assert peek(file) == [1]
    write(file, [2])
    os.utime(file, ns=(1, 1))
    assert peek(file) == [2]
    assert len(unpicklings) == 2


def test_a_hostile_pickle_has_no_effect_and_its_error_comes_out(tmp_path):
    target = tmp_path / "made"
    file = write(tmp_path / "x.pkl", {"train": Hostile(target)})
    assert peek(file) is None
    assert "x.pkl" in str(refusal(file))
    for _ in range(2):
        with refused("unsafe", "x.pkl", "mkdir"):
            take(file)
    assert not target.exists()
    pickle.loads(file.read_bytes())
    assert target.exists()


@pytest.mark.parametrize("content", [b"", b"text, not a pickle", b"\x89HDF\r\n", b"PK\x03\x04"])
def test_no_pickle(tmp_path, content):
    file = tmp_path / "x.pkl"
    file.write_bytes(content)
    for path in (file, tmp_path, tmp_path / "nowhere"):
        assert peek(path) is None
        assert refusal(path) is None
        with refused("damaged", path):
            take(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert peek(tmp_path / "pipe") is None


def test_memory_needed(tmp_path):
    file = tmp_path / "x.pkl"
    with file.open("wb") as handle:
        handle.truncate(3_000_000_000)
    assert memory_needed(file) == "needs about 6.0 GB while it is read"
    os.truncate(file, 1_500_000)
    assert memory_needed(file) == "needs about 3 MB while it is read"
