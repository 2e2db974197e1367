"""Features of one modality: every layout gives the same frames, and what does not fit is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from refusals import refused
from safetensors.numpy import save_file

from comodal.data.formats.feature_file import open_features

IDS = ["a_1", "a_2", "b_1"]
FRAMES = [np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]), np.zeros((0, 2)), np.array([[5.0, 6.0]])]
FLAT = np.concatenate(FRAMES)
RIGHT, LEFT = np.zeros((3, 4, 2)), np.zeros((3, 4, 2))
for _row, _frames in enumerate(FRAMES):
    RIGHT[_row, : len(_frames)] = _frames
    LEFT[_row, 4 - len(_frames) :] = _frames
MASK = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]])
LENGTHS = np.array([3, 0, 1])


def save_npz(path, arrays):
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def save_tensors(path, arrays):
    path = path.with_suffix(".safetensors")
    ids = arrays.get("id")
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items() if name != "id"}
    save_file(tensors, path, metadata=None if ids is None else {"id": json.dumps(ids)})
    return path


def read(path, ids=IDS, spans=((0, 2), (2, 3))):
    features = open_features(path, ids)
    found, said = [], set()
    for block, sentence in features.blocks(list(spans)):
        said.add(sentence)
        found += [block.values[a:b] for a, b in zip(block.offsets[:-1], block.offsets[1:], strict=True)]
    return found, said


def assert_same(found, expected):
    assert len(found) == len(expected)
    for each, wanted in zip(found, expected, strict=True):
        assert each.dtype == np.float32
        np.testing.assert_array_equal(each, wanted)


LAYOUTS = {
    "keyed": (dict(zip(IDS, FRAMES, strict=True)), ""),
    "keyed, one lacking": ({"b_1": FRAMES[2][0], "a_1": FRAMES[0]}, ""),
    "flat, lengths": ({"values": FLAT, "lengths": LENGTHS}, ""),
    "flat, offsets": ({"values": FLAT, "offsets": np.array([0, 3, 3, 4])}, ""),
    "flat, both": ({"values": FLAT, "offsets": np.array([0, 3, 3, 4]), "lengths": LENGTHS}, ""),
    "flat, order": ({"values": FLAT[[3, 0, 1, 2]], "lengths": np.array([1, 3]), "id": ["b_1", "a_1"]}, ""),
    "dense": ({"values": RIGHT}, "all-zero frames on the right were taken as padding"),
    "dense, any name": ({"glove": RIGHT}, "all-zero frames on the right were taken as padding"),
    "dense, left": ({"values": LEFT}, "all-zero frames on the left were taken as padding"),
    "dense, lengths": ({"values": RIGHT, "lengths": LENGTHS}, ""),
    "dense, left, lengths": ({"values": LEFT, "lengths": LENGTHS[:, None]}, "padding on the left was removed"),
    "dense, mask": ({"values": RIGHT + 7 * (1 - MASK)[:, :, None], "mask": MASK}, ""),
    "dense, left, mask": ({"values": LEFT, "mask": MASK[:, ::-1] == 1}, ""),
    "dense, order": ({"values": RIGHT[::-1], "lengths": LENGTHS[::-1], "id": IDS[::-1]}, ""),
}


@pytest.mark.parametrize("save", [save_npz, save_tensors])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_frames(tmp_path, save, layout):
    arrays, sentence = LAYOUTS[layout]
    found, said = read(save(tmp_path / "text", arrays))
    absent = open_features(next(tmp_path.iterdir()), IDS).place == -1
    assert absent.tolist() == [False, layout in ("keyed, one lacking", "flat, order"), False]
    assert_same(found, FRAMES)
    assert said == {sentence}


@pytest.mark.parametrize("save", [save_npz, save_tensors])
def test_vectors_stay_vectors_even_where_they_are_zero(tmp_path, save):
    values = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]], dtype=np.float16)
    found, said = read(save(tmp_path / "text", {"x": values}))
    assert_same(found, [row[None].astype(np.float32) for row in values])
    assert said == {""}


def test_a_length_may_include_frames_of_zeros(tmp_path):
    found, _ = read(save_npz(tmp_path / "text", {"values": RIGHT, "lengths": np.array([4, 1, 2])}))
    assert [len(each) for each in found] == [4, 1, 2]


def test_ids_that_stand_twice_are_matched_by_order_alone(tmp_path):
    values = {"values": np.array([[1.0], [2.0], [3.0]]), "id": ["a", "a", "b"]}
    found, _ = read(save_npz(tmp_path / "text", values), ids=["a", "a", "b"])
    assert [each.item() for each in found] == [1, 2, 3]
    with refused("duplicate", "'a'"):
        open_features(save_npz(tmp_path / "text", values), ["a", "b", "a"])


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"a_1": np.ones((2, 2)), "a_3": np.ones((2, 2))}, "mismatch"),
        ({"a_1": np.ones((2, 2)), "a_2": np.ones((2, 3))}, "wrong_shape"),
        ({"a_1": np.ones((2, 2, 2))}, "wrong_shape"),
        ({"a_1": np.ones((2, 0))}, "missing"),
        ({"a_1": np.array([["x"]])}, "wrong_shape"),
        ({"a_1": np.ones((1, 1)) * 1j}, "wrong_shape"),
        ({}, "empty"),
        ({"values": np.ones((4, 2))}, "mismatch"),
        ({"values": np.ones((4, 2)), "lengths": np.array([1, 1, 1])}, "mismatch"),
        ({"values": np.ones((4, 2)), "lengths": np.array([2, -1, 3])}, "wrong_shape"),
        ({"values": np.ones((4, 2)), "lengths": np.array([2.0, 1, 1])}, "wrong_shape"),
        ({"values": np.ones((4, 2)), "lengths": np.array(4)}, "wrong_shape"),
        ({"values": np.ones((5, 2)), "lengths": np.array([2**62] * 4 + [5])}, "too_large"),
        ({"values": np.ones((4, 2)), "lengths": np.array([2, 2])}, "mismatch"),
        ({"values": np.ones((4, 2)), "offsets": np.array([0, 3, 2, 4])}, "mismatch"),
        ({"values": np.ones((4, 2)), "offsets": np.array([1, 2, 3, 4])}, "mismatch"),
        ({"values": np.ones((4, 2)), "offsets": np.zeros(0, dtype=int)}, "mismatch"),
        ({"values": FLAT, "offsets": np.array([0, 3, 3, 4]), "lengths": np.array([3, 1, 0])}, "conflict"),
        ({"values": RIGHT, "lengths": np.array([2, 0, 1])}, "damaged"),
        ({"values": RIGHT, "lengths": np.array([3, 0, 5])}, "mismatch"),
        ({"values": RIGHT, "mask": MASK[:, :3]}, "wrong_shape"),
        ({"values": RIGHT, "mask": MASK * 2}, "wrong_shape"),
        ({"values": RIGHT, "mask": MASK, "lengths": LENGTHS}, "conflict"),
        ({"values": np.ones((3, 0, 2))}, "wrong_shape"),
        ({"values": np.ones((3, 1, 1, 2))}, "wrong_shape"),
        ({"values": np.full((3, 1, 2), "x")}, "wrong_type"),
        ({"values": FLAT, "lengths": LENGTHS, "id": ["a_1", "a_2"]}, "wrong_type"),
        ({"values": FLAT, "lengths": LENGTHS, "id": [1, 2, 3]}, "wrong_type"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, arrays, code):
    with refused(code, tmp_path / "text.npz"):
        read(save_npz(tmp_path / "text", arrays))


def test_ids_in_metadata_must_be_a_list(tmp_path):
    for text in ("{}", "no json", "[1]"):
        save_file({"values": FLAT.astype(np.float32), "lengths": LENGTHS}, tmp_path / "a", metadata={"id": text})
        with refused(("damaged", "wrong_type")):
            open_features(tmp_path / "a", IDS)


def test_lengths_that_are_none_come_with_a_remedy(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.ones((3, 2)), lengths=[3, -1, 1])
    with refused("wrong_shape", "a.npz", "'lengths'", "3", "0"):
        open_features(tmp_path / "a.npz", IDS)
