"""What is refused before a value is read, each with the file that shows it."""

from __future__ import annotations

import builtins

import h5py
import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.formats.hdf5 import has_signature, is_group, members, opened, stored, subgroup

VALUES = np.arange(24, dtype=np.float64).reshape(6, 4)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.h5"


def read(file, name="d", **span):
    with opened(file) as root:
        return stored(root, name).rows(**span)


def refused(file, match, name="d"):
    with pytest.raises(InputError, match=match) as caught:
        read(file, name)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True},
        {"compression": "lzf", "chunks": (1, 3)},
        {"chunks": (4, 4), "maxshape": (None, 4)},
    ],
)
@pytest.mark.parametrize("dtype", ["f8", ">f4", "f2", "i8", "u1", "?", "S5"])
def test_values_come_back(file, options, dtype):
    values = VALUES.astype(dtype)
    with h5py.File(file, "w") as root:
        root.create_dataset("d", data=values, **options)
    np.testing.assert_array_equal(read(file), values)
    np.testing.assert_array_equal(read(file, start=4, stop=99), values[4:])


def test_empty_arrays_are_fine(file):
    with h5py.File(file, "w") as root:
        root["d"] = np.zeros((0, 4))
    assert read(file).shape == (0, 4)


def test_groups_and_names(file):
    with h5py.File(file, "w") as root:
        root["b/c"] = VALUES
        root["a"] = VALUES
    with opened(file) as root:
        assert members(root) == ["a", "b"]
        assert members(subgroup(root, "b")) == ["c"]
        assert [is_group(root, name) for name in "ab"] == [False, True]
        with pytest.raises(InputError, match=r"a.h5, /a: an array where a group is expected"):
            subgroup(root, "a")
        with pytest.raises(InputError, match=r"a.h5, /b: a group where an array is expected"):
            stored(root, "b")
        with pytest.raises(InputError, match=r"a.h5, /b: no 'x' there"):
            stored(subgroup(root, "b"), "x")


def test_no_other_file_is_read(file, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["d"] = VALUES
        other["g/x"] = VALUES
    (tmp_path / "raw").write_bytes(VALUES.tobytes())
    layout = h5py.VirtualLayout(shape=(6, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "d", shape=(6, 4))
    with h5py.File(file, "w") as root:
        root["soft"] = h5py.SoftLink("/virtual")
        root["outside"] = h5py.ExternalLink("secret.h5", "/d")
        root["group"] = h5py.ExternalLink("secret.h5", "/g")
        root.create_virtual_dataset("virtual", layout)
        root.create_dataset("raw", shape=(6, 4), dtype="f8", external=[(str(tmp_path / "raw"), 0, 192)])
    with h5py.File(file) as root:  # h5py itself follows each of them
        assert all(root[name].shape == (6, 4) for name in ("soft", "outside", "virtual", "raw", "group/x"))
    for name in ("soft", "outside"):
        refused(file, f"/{name}: a link to elsewhere, which is not followed", name)
    for name in ("virtual", "raw"):
        refused(file, f"/{name}: its values lie in another file", name)
    with opened(file) as root:
        assert not is_group(root, "group")
        with pytest.raises(InputError, match="/group: a link to elsewhere"):
            subgroup(root, "group")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.array(["a", "bc"], dtype=object), r"values of type object; give numbers, or strings of a fixed length"),
        (np.zeros(3, dtype=[("a", "f8")]), "values of type"),
        (np.zeros(3, dtype=complex), "values of type complex128"),
        (np.zeros(3, dtype="S5000"), r"values of type \|S5000"),
        (np.float64(3), "a single value or none"),
        (h5py.Empty("f8"), "a single value or none"),
    ],
)
def test_kinds_of_values_that_are_refused(file, value, match):
    with h5py.File(file, "w") as root:
        root["d"] = value
    refused(file, match)


def test_claims_beyond_the_file_are_refused(file):
    with h5py.File(file, "w") as root:
        root.create_dataset("never", shape=(10**9, 1000), dtype="f8")
        root.create_dataset("partly", shape=(100, 4), dtype="f8", chunks=(10, 4))[:90] = 1
        root.create_dataset("sparse", shape=(10**9, 4), dtype="f8", chunks=(10, 4), compression="gzip")[:10] = 1
        root.create_dataset("few", shape=(100, 4), dtype="f8", chunks=(10, 4), compression="gzip")[:90] = 1
        root.create_dataset(
            "wide", shape=(10, 4), dtype="f8", chunks=(2**24, 4), maxshape=(None, 4), compression="gzip"
        )
    for name in ("never", "partly", "sparse", "wide"):
        refused(file, f"/{name}: claims [0-9]+ bytes but only [0-9]+ are stored", name)
    refused(file, "/few: parts of it were never written", "few")


def test_pieces_and_rows_have_a_limit(file, monkeypatch):
    with h5py.File(file, "w") as root:
        root.create_dataset("d", data=VALUES, chunks=(6, 4), compression="gzip")
        root.create_dataset("rows", data=VALUES, chunks=(1, 4), compression="gzip")
    monkeypatch.setattr("comodal.data.formats.hdf5._MOST_BYTES", 100)
    refused(file, "stored in pieces of 192 bytes; save it again in pieces below 100")
    refused(file, "192 bytes to hold at once, more than 100; split the data", "rows")
    np.testing.assert_array_equal(read(file, "rows", start=3), VALUES[3:])


def test_foreign_filters_are_refused(file):
    with h5py.File(file, "w") as root:
        root.create_dataset("d", data=np.arange(24), chunks=(6,), scaleoffset=0)
    refused(file, r"stored with filters \[6\]; save it again with gzip")


def test_what_is_no_hdf5_file(file, tmp_path):
    for content in (None, b"", b"\x89HDF", b"<html>403</html>"):
        if content is not None:
            file.write_bytes(content)
        assert not has_signature(file)
        refused(file, "not a readable HDF5 file")
    refused(tmp_path, "not a readable HDF5 file")
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    assert has_signature(file)
    refused(file, "damaged HDF5 file")


def test_truncated_files(file):
    with h5py.File(file, "w") as root:
        root["d"] = VALUES
    whole = file.read_bytes()
    for length in range(8, len(whole), 97):
        file.write_bytes(whole[:length])
        refused(file, "damaged HDF5 file")


def test_names_that_are_not_text(file):
    with h5py.File(file, "w") as root:
        root[b"\xff"] = VALUES
    with opened(file) as root, pytest.raises(InputError, match="damaged HDF5 file"):
        members(root)


def test_missing_package_says_how_to_get_it(file, monkeypatch):
    with h5py.File(file, "w") as root:
        root["d"] = VALUES
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    refused(file, r"need h5py; install it with: pip install 'comodal\[h5\]'")
