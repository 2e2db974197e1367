"""Files that are no entries of the SDK's kind, damaged or under another name."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from csd_files import LABELS, run, two_videos, whole, write
from refusals import refused

from comodal.data.formats.csd import open_source, recognises


@pytest.fixture
def folder(tmp_path):
    return two_videos(tmp_path)


@pytest.mark.slow
def test_entries_that_do_not_fit(folder):
    def broken(*named, entry):
        write(folder / "covarep.csd", "COVAREP", {"two": (np.ones((2, 3)), run(0, 2, 1.0)), "vid_1": entry})
        with refused("wrong_shape", *named):
            whole(folder)

    broken("vid_1/intervals", "(3, 2)", entry=(np.ones((2, 3)), run(0, 3, 1.0)))
    broken("vid_1/intervals", "(2, 1)", entry=(np.ones((2, 3)), np.ones((2, 1))))
    broken("vid_1/features", 4, 3, entry=(np.ones((2, 4)), run(0, 2, 1.0)))
    broken("vid_1/features", "S1", entry=(np.full((2, 3), b"a"), run(0, 2, 1.0)))
    broken("(2, 3, 1)", entry=(np.ones((2, 3, 1)), run(0, 2, 1.0)))
    with h5py.File(folder / "covarep.csd", "a") as file:
        del file["COVAREP/data/vid_1/features"]
    with refused("missing", "covarep.csd", "/COVAREP/data/vid_1", "'features'"):
        whole(folder)
    with h5py.File(folder / "covarep.csd", "a") as file:
        del file["COVAREP/data/vid_1"]
        file["COVAREP/data/vid_1"] = h5py.ExternalLink("facet.csd", "/FACET 4.2/data/vid_1")
    with refused("unsafe", "vid_1"):
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
    with refused("wrong_shape", "two/features", "(0", "0)"):
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
    whole_file = (folder / "facet.csd").read_bytes()
    for content in (b"<html>403 Forbidden</html>", b"", whole_file[: len(whole_file) // 2]):
        (folder / "facet.csd").write_bytes(content)
        assert recognises(folder)
        with refused("damaged", "facet.csd"):
            open_source(folder)
    assert recognises(folder / "facet.csd")
    with h5py.File(folder / "facet.csd", "w") as file:
        file["d1"] = np.ones(3)
    with refused("damaged", "facet.csd", "/data", "/metadata"):
        open_source(folder)
    (folder / "facet.csd").rename(folder / "facet.h5")
    assert open_source(folder).dims == {"text": 2, "audio": 1}
    write(folder / "facet.csd", "FACET", {})
    with refused("empty", "facet.csd"):
        open_source(folder)
    with refused("cannot_read"):
        open_source(folder / "nowhere")
