from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.npz_views import views_from_npz


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "views.npz"
    np.savez(path, text=np.arange(6.0).reshape(3, 2), audio=np.ones(3), odd=np.array([None, 1, "x"], dtype=object))
    return path


def test_named_views_come_in_the_order_asked_for(archive):
    views = views_from_npz(archive, ["audio", "text"])
    assert list(views) == ["audio", "text"]
    np.testing.assert_array_equal(views["text"], np.arange(6.0).reshape(3, 2))


def test_without_names_all_arrays_are_read(tmp_path):
    np.savez(tmp_path / "v.npz", a=np.zeros(2), b=np.ones(2))
    assert set(views_from_npz(tmp_path / "v.npz")) == {"a", "b"}


@pytest.mark.parametrize(
    ("names", "code", "named"),
    [
        (["texd"], "unknown_name", "'text'"),
        (["zzzzz"], "unknown_name", "text, audio, odd"),
        (["text", "text"], "duplicate", "text"),
        (["odd"], "unsafe", "'odd'"),
    ],
)
def test_wrong_names_are_refused(archive, names, code, named):
    with refused(code, named):
        views_from_npz(archive, names)


def test_a_missing_file_is_named(tmp_path):
    with refused("missing", "nowhere.npz"):
        views_from_npz(tmp_path / "nowhere.npz")


def test_a_folder_is_refused(tmp_path):
    with refused("missing"):
        views_from_npz(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "v.npz"
    path.write_bytes(content)
    with refused("damaged"):
        views_from_npz(path)
