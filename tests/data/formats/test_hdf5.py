"""What is refused before a value is read, each with the file that shows it."""

from __future__ import annotations

import builtins

import h5py
import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.hdf5 import has_signature, is_group, members, opened, stored, subgroup

VALUES = np.arange(24, dtype=np.float64).reshape(6, 4)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.h5"


def read(file, name="d", **span):
    with opened(file) as root:
        return stored(root, name).rows(**span)


def refuses(file, code, *named, name="d"):
    with refused(code, file, *named):
        read(file, name)


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
        with refused("wrong_type", "a.h5, /a"):
            subgroup(root, "a")
        with refused("wrong_type", "a.h5, /b"):
            stored(root, "b")
        with refused("missing", "a.h5, /b", "'x'"):
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
    for name in ("soft", "outside", "virtual", "raw"):
        refuses(file, "unsafe", f"/{name}", name=name)
    with opened(file) as root:
        assert not is_group(root, "group")
        with refused("unsafe", "/group"):
            subgroup(root, "group")


@pytest.mark.parametrize(
    ("value", "code", "named"),
    [
        (np.array(["a", "bc"], dtype=object), "wrong_type", "object"),
        (np.zeros(3, dtype=[("a", "f8")]), "wrong_type", "f8"),
        (np.zeros(3, dtype=complex), "wrong_type", "complex128"),
        (np.zeros(3, dtype="S5000"), "wrong_type", "S5000"),
        (np.float64(3), "wrong_shape", "/d"),
        (h5py.Empty("f8"), "wrong_shape", "/d"),
    ],
)
def test_kinds_of_values_that_are_refused(file, value, code, named):
    with h5py.File(file, "w") as root:
        root["d"] = value
    refuses(file, code, named)


def test_claims_beyond_the_file_are_refused(file):
    with h5py.File(file, "w") as root:
        root.create_dataset("never", shape=(10**9, 1000), dtype="f8")
        root.create_dataset("partly", shape=(100, 4), dtype="f8", chunks=(10, 4))[:90] = 1
        root.create_dataset("sparse", shape=(10**9, 4), dtype="f8", chunks=(10, 4), compression="gzip")[:10] = 1
        root.create_dataset("few", shape=(100, 4), dtype="f8", chunks=(10, 4), compression="gzip")[:90] = 1
        root.create_dataset(
            "wide", shape=(10, 4), dtype="f8", chunks=(2**24, 4), maxshape=(None, 4), compression="gzip"
        )
    for name in ("never", "partly", "sparse", "few"):
        refuses(file, "damaged", f"/{name}", name=name)
    refuses(file, "too_large", "/wide", name="wide")


def test_pieces_and_rows_have_a_limit(file, monkeypatch):
    with h5py.File(file, "w") as root:
        root.create_dataset("d", data=VALUES, chunks=(6, 4), compression="gzip")
        root.create_dataset("rows", data=VALUES, chunks=(1, 4), compression="gzip")
    monkeypatch.setattr("comodal.data.formats.hdf5._MOST_BYTES", 100)
    refuses(file, "too_large", 100)
    refuses(file, "too_large", 192, 100, name="rows")
    np.testing.assert_array_equal(read(file, "rows", start=3), VALUES[3:])


def test_foreign_filters_are_refused(file):
    with h5py.File(file, "w") as root:
        root.create_dataset("d", data=np.arange(24), chunks=(6,), scaleoffset=0)
    refuses(file, "unsupported", "[6]")


def test_what_is_no_hdf5_file(file, tmp_path):
    for content in (None, b"", b"\x89HDF", b"<html>403</html>"):
        if content is not None:
            file.write_bytes(content)
        assert not has_signature(file)
        refuses(file, "damaged" if content is not None else "missing")
    refuses(tmp_path, "damaged")
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    assert has_signature(file)
    refuses(file, "damaged")


def test_truncated_files(file):
    with h5py.File(file, "w") as root:
        root["d"] = VALUES
    whole = file.read_bytes()
    for length in range(8, len(whole), 97):
        file.write_bytes(whole[:length])
        refuses(file, "damaged")


def test_names_that_are_not_text(file):
    with h5py.File(file, "w") as root:
        root[b"\xff"] = VALUES
    with opened(file) as root, refused("damaged", "a.h5"):
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
    with refused("needs_package", "h5py"):
        read(file)
