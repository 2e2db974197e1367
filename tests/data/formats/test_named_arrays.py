"""Arrays by name: what comes back is what was stored, and no file can claim or run more than it holds."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import torch
from refusals import refused
from safetensors.torch import save_file

from comodal.data.formats.named_arrays import open_arrays, views_from_npz


def npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array))
    return stream.getvalue()


def write_zip(path, members, *, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def opened(path):
    with open_arrays(path) as arrays:
        return {name: arrays.read(name) for name in arrays.shapes}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_read_whole_and_by_rows(tmp_path, save):
    values = np.arange(24.0).reshape(4, 3, 2)
    save(tmp_path / "a.npz", **{"a/b": values, "fortran": np.asfortranarray(values), "scalar": 3})
    with open_arrays(tmp_path / "a.npz") as arrays:
        assert dict(arrays.shapes) == {"a/b": (4, 3, 2), "fortran": (4, 3, 2), "scalar": ()}
        np.testing.assert_array_equal(arrays.read("a/b"), values)
        np.testing.assert_array_equal(arrays.rows("fortran", 1, 3), values[1:3])
        np.testing.assert_array_equal(arrays.rows("a/b", 0, 1), values[:1])


def test_safetensors_of_any_float_are_read_and_outlive_the_file(tmp_path):
    values = torch.arange(6).reshape(3, 2)
    save_file({"half": values.bfloat16(), "whole": values}, tmp_path / "a", metadata={"id": "x"})
    with open_arrays(tmp_path / "a") as arrays:
        half, rows, metadata = arrays.read("half"), arrays.rows("half", 1, 3), arrays.metadata["id"]
        assert arrays.read("whole").dtype == np.int64
    (tmp_path / "a").write_bytes(b"")
    assert (half.dtype, metadata) == (np.float32, "x")
    np.testing.assert_array_equal(half, values)
    np.testing.assert_array_equal(rows, values[1:])


def claim(shape):
    """A header that claims a shape, with hardly any data."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(8)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ([("a.npy", npy(np.array([{}, None], dtype=object)))], "unsafe"),
        ([("a.npy", claim((10**12,)))], "damaged"),
        ([("a.npy", claim((10**12, 10**12)))], "damaged"),
        ([("a.npy", claim((-1,)))], "damaged"),
        ([("a.npy", npy(np.ones(3))[:-1])], "damaged"),
        ([("a.npy", b"no array")], "damaged"),
        ([("a.txt", npy(np.ones(3)))], "damaged"),
    ],
)
def test_members_that_cannot_be_true_are_refused(tmp_path, members, code):
    with refused(code, "a.npz"):
        opened(write_zip(tmp_path / "a.npz", members))


def test_a_member_may_not_be_there_twice_nor_packed_otherwise(tmp_path):
    members = [("a.npy", npy(np.ones(3)))]
    with refused("damaged"):
        opened(write_zip(tmp_path / "a.npz", members, method=zipfile.ZIP_BZIP2))
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_zip(tmp_path / "b.npz", members * 2)
    with refused("damaged"):
        opened(tmp_path / "b.npz")


def test_a_directory_that_claims_terabytes_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.npz", [("a.npy", npy(np.ones(3)))], method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**32 - 2)  # uncompressed size in the directory
    path.write_bytes(content)
    with refused("too_large"):
        opened(path)


def test_a_wrong_checksum_is_found(tmp_path):
    path = write_zip(tmp_path / "a.npz", [("a.npy", npy(np.ones(3)))], method=zipfile.ZIP_STORED)
    content = path.read_bytes()
    place = content.index(np.ones(1).tobytes())
    path.write_bytes(content[:place] + b"\1" + content[place + 1 :])
    with refused("damaged"):
        opened(path)


def test_safetensors_that_claim_more_than_they_hold_are_refused(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    (tmp_path / "a").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with refused("damaged"):
        opened(tmp_path / "a")
    (tmp_path / "a").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with refused("damaged"):
        opened(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 nothing", b"not arrays at all"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with refused("damaged"):
        opened(tmp_path / "a")


def test_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with refused("missing"):
            opened(path)


@pytest.mark.parametrize("character", [0xD800, 0xDFFF, 0x110000, 2**32 - 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_text_of_characters_that_there_are_not_is_damage(tmp_path, character, order):
    """Python fails on it with a SystemError, or only when it is written somewhere."""
    text = np.array(["abc", "", "\U0010ffff"], dtype=f"{order}U3")
    np.savez(tmp_path / "a.npz", text=text)
    assert opened(tmp_path / "a.npz")["text"].tolist() == text.tolist()
    text.view(f"{order}u4")[1] = character
    np.savez(tmp_path / "a.npz", text=text)
    with refused("damaged", "a.npz"):
        opened(tmp_path / "a.npz")


@pytest.fixture
def views(tmp_path):
    path = tmp_path / "views.npz"
    np.savez(path, text=np.arange(6.0).reshape(3, 2), audio=np.ones(3), odd=np.array([None, 1, "x"], dtype=object))
    return path


def test_named_views_come_in_the_order_asked_for(views, tmp_path):
    found = views_from_npz(views, ["audio", "text"])
    assert list(found) == ["audio", "text"]
    np.testing.assert_array_equal(found["text"], np.arange(6.0).reshape(3, 2))
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
def test_wrong_names_of_views_are_refused(views, names, code, named):
    with refused(code, named):
        views_from_npz(views, names)
