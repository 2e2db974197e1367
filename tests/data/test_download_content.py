"""The length that HDF5 files declare, on files that h5py wrote in every version of their superblock."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from comodal.data.download_content import problem_of


@pytest.mark.parametrize("version", [("earliest", "v108"), ("v108", "v108"), ("v110", "v110"), ("latest", "latest")])
def test_a_file_without_its_last_byte_is_cut_short(tmp_path, version):
    path = tmp_path / "x.csd"
    with h5py.File(path, "w", libver=version) as file:
        file["values"] = np.arange(1000.0)
    content = path.read_bytes()
    assert problem_of(path, "hdf5") == ""
    path.write_bytes(content[:-1])
    size = len(content)
    assert problem_of(path, "hdf5") == f"the file is cut short at {size - 1} of {size} bytes"
    path.write_bytes(content + b"more")
    assert problem_of(path, "hdf5") == ""


def test_a_superblock_of_unknown_version_is_left_to_the_reader(tmp_path):
    path = tmp_path / "x.csd"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\x09" + bytes(200))
    assert problem_of(path, "hdf5") == ""


def test_text_of_any_length(tmp_path):
    path = tmp_path / "folds.py"
    path.write_text("train = []")
    assert problem_of(path, "text") == ""
    path.write_bytes(b"")
    assert problem_of(path, "text") == "an empty file came"
