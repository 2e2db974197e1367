"""Files that are no entries of the SDK's kind, damaged or under another name."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from csd_files import LABELS, run, two_videos, whole, write

from comodal.contracts import InputError
from comodal.data.formats.csd import open_source, recognises


@pytest.fixture
def folder(tmp_path):
    return two_videos(tmp_path)


@pytest.mark.slow
def test_entries_that_do_not_fit(folder):
    def broken(match, **entry):
        write(folder / "covarep.csd", "COVAREP", {"two": (np.ones((2, 3)), run(0, 2, 1.0)), "vid_1": entry["entry"]})
        with pytest.raises(InputError, match=match):
            whole(folder)

    broken(r"vid_1/intervals: intervals of shape \(3, 2\) for 2 frames", entry=(np.ones((2, 3)), run(0, 3, 1.0)))
    broken(r"vid_1/intervals: intervals of shape \(2, 1\)", entry=(np.ones((2, 3)), np.ones((2, 1))))
    broken(r"vid_1/features: 4 features of type float64 where 3 numbers", entry=(np.ones((2, 4)), run(0, 2, 1.0)))
    broken(r"vid_1/features: 3 features of type \|S1 where 3 numbers", entry=(np.full((2, 3), b"a"), run(0, 2, 1.0)))
    broken(r"features have shape \(2, 3, 1\)", entry=(np.ones((2, 3, 1)), run(0, 2, 1.0)))
    with h5py.File(folder / "covarep.csd", "a") as file:
        del file["COVAREP/data/vid_1/features"]
    with pytest.raises(InputError, match=r"covarep.csd, /COVAREP/data/vid_1: no 'features' there"):
        whole(folder)
    with h5py.File(folder / "covarep.csd", "a") as file:
        del file["COVAREP/data/vid_1"]
        file["COVAREP/data/vid_1"] = h5py.ExternalLink("facet.csd", "/FACET 4.2/data/vid_1")
    with pytest.raises(InputError, match=r"vid_1: a link to elsewhere"):
        whole(folder)


def test_vectors_for_columns_and_empty_videos(folder):
    write(
        folder / "labels.csd",
        LABELS,
        {
            "none": (np.zeros((0, 1)), np.zeros((0, 2))),
            "two": (np.array([1.0, 2.0]), np.array([[0, 2], [np.nan, 3]])),
        },
    )
    write(
        folder / "covarep.csd",
        "COVAREP",
        {"two": (np.zeros((0, 0)), np.zeros((0, 2))), "x": (np.ones(2), run(0, 2, 1))},
    )
    with pytest.raises(InputError, match=r"two/features: features have shape \(0, 0\)"):
        open_source(folder)
    write(
        folder / "covarep.csd",
        "COVAREP",
        {"two": (np.zeros((0, 1)), np.zeros((0, 2))), "x": (np.ones(2), run(0, 2, 1))},
    )
    block = whole(folder)
    assert block.target.tolist() == [1, 2]
    assert block.transcript.tolist() == ["so", ""]
    assert block.modalities["audio"].lengths.tolist() == [0, 0]


def test_recognised_by_content(folder, tmp_path_factory):
    assert recognises(folder)
    assert recognises(folder / "glove.csd")
    (folder / "labels.csd").rename(folder / "labels.data")
    assert recognises(folder / "labels.data")
    assert open_source(folder).dims == {"text": 2, "audio": 1, "vision": 3}
    other = tmp_path_factory.mktemp("other")
    assert not recognises(other)
    assert not recognises(other / "missing")
    with h5py.File(other / "x.h5", "w") as file:
        file["data"] = np.ones((2, 3))
    assert not recognises(other)
    with h5py.File(other / "x.h5", "w") as file:
        file["data"] = h5py.ExternalLink(str(folder / "glove.csd"), "/glove_vectors")
    assert not recognises(other)
    (other / "x.csd").write_text("<html>")
    assert not recognises(other)
    assert not recognises(other / "x.csd")


def test_a_page_or_a_stump_under_the_name_of_a_file(folder):
    atomic_write = (folder / "facet.csd").read_bytes()
    for content, match in (
        (b"<html>403 Forbidden</html>", r"facet.csd: not an HDF5 file \(empty, or a web page\?\); download it again"),
        (b"", r"facet.csd: not an HDF5 file"),
        (atomic_write[: len(atomic_write) // 2], r"facet.csd: damaged HDF5 file"),
    ):
        (folder / "facet.csd").write_bytes(content)
        assert recognises(folder)
        with pytest.raises(InputError, match=match):
            open_source(folder)
    assert recognises(folder / "facet.csd")
    with h5py.File(folder / "facet.csd", "w") as file:
        file["d1"] = np.ones(3)
    with pytest.raises(InputError, match=r"facet.csd: no <name>/data and <name>/metadata"):
        open_source(folder)
    (folder / "facet.csd").rename(folder / "facet.h5")
    assert open_source(folder).dims == {"text": 2, "audio": 1}
    write(folder / "facet.csd", "FACET", {})
    with pytest.raises(InputError, match=r"facet.csd: holds no video with features"):
        open_source(folder)
    with pytest.raises(InputError, match="not a readable folder"):
        open_source(folder / "nowhere")
