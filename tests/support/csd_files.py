"""Computational sequences of the CMU SDK as it stores them, written for tests, and read back."""

from __future__ import annotations

import json

import h5py
import numpy as np

from comodal.data.assemble import concatenate
from comodal.data.formats.csd import open_source

LABELS = "Opinion Segment Labels"


def write(path, root, videos):
    """Videos to (features, intervals), stored as the SDK does."""
    with h5py.File(path, "w") as file:
        file.create_group(f"{root}/data")
        file.create_group(f"{root}/metadata").create_dataset(
            "root name", data=[json.dumps(root)], dtype=h5py.string_dtype()
        )
        for video, (features, intervals) in videos.items():
            group = file.create_group(f"{root}/data/{video}")
            for name, values in (("features", features), ("intervals", intervals)):
                group.create_dataset(name, data=values, compression="gzip", compression_opts=9)
    return path


def words(*texts):
    return np.array([[text.encode()] for text in texts], dtype="S32")


def run(start, count, step):
    times = start + step * np.arange(count)
    return np.stack([times, times + step], axis=1)


def two_videos(folder):
    """Words of one second; text a word, audio four a second, vision of the first video only."""
    segments = np.array([[0.0, 2.0], [2.0, 5.0]])
    write(
        folder / "labels.csd",
        LABELS,
        {"vid_1": (np.array([[1.5], [-2.0]]), segments), "two": (np.array([[0.5]]), np.array([[1.0, 3.0]]))},
    )
    spoken = words("sp", "so", "good", "sp", "yes")
    write(folder / "words.csd", "words", {"vid_1": (spoken, run(0, 5, 1.0)), "two": (spoken, run(0, 5, 1.0))})
    vectors = np.arange(10.0).reshape(5, 2)
    write(folder / "glove.csd", "glove_vectors", {v: (vectors, run(0, 5, 1.0)) for v in ("vid_1", "two")})
    sound = np.arange(20.0)[:, None]
    write(folder / "covarep.csd", "COVAREP", {v: (sound, run(0, 20, 0.25)) for v in ("vid_1", "two", "more")})
    write(folder / "facet.csd", "FACET 4.2", {"vid_1": (np.ones((10, 3)), run(0, 10, 0.5))})
    return folder


def whole(path, features=None):
    source = open_source(path)
    return concatenate(list(source.blocks(list(source.dims) if features is None else features)), where="x")
