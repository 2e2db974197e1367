from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused

from comodal.contracts import NoTask
from comodal.data.arrays import from_arrays, from_frame
from comodal.data.collate import batch
from comodal.data.splits import three_way

RNG = np.random.default_rng(0)
N = 12
VECTORS = RNG.normal(size=(N, 4))
DENSE = RNG.normal(size=(N, 5, 3))
RAGGED = [RNG.normal(size=(1 + i % 3, 2)) for i in range(N)]
TARGET = np.linspace(-1, 2, N)


def test_three_kinds_of_features():
    dataset = from_arrays({"a": VECTORS, "b": DENSE, "c": RAGGED}, TARGET)
    assert dict(dataset.spec.dims) == {"a": 4, "b": 3, "c": 2}
    assert dict(dataset.spec.max_lengths) == {"a": 1, "b": 5, "c": 3}
    got = batch(dataset, [7, 2])
    np.testing.assert_array_equal(got.modalities["a"].values[:, 0].numpy(), VECTORS[[7, 2]].astype(np.float32))
    np.testing.assert_array_equal(got.modalities["b"].values.numpy(), DENSE[[7, 2]].astype(np.float32))
    np.testing.assert_array_equal(got.modalities["c"].values[1].numpy(), RAGGED[2].astype(np.float32))
    assert got.modalities["c"].mask.tolist() == [[True, True, False], [True, True, True]]


def test_without_labels_there_is_no_task_and_every_training_sample_trains():
    split = ["train"] * 5 + ["unlabelled"] * 2 + ["valid"] * 5
    dataset = from_arrays({"a": VECTORS}, split=split)
    assert dataset.spec.task == NoTask()
    assert {name: len(rows) for name, rows in dataset.partitions[0].splits.items()} == {
        "train": 7,
        "valid": 5,
        "test": 0,
    }
    frame = pd.DataFrame({"x": range(N), "y": range(N), "split": split})
    same = from_frame(frame, features={"a": ["x", "y"]}, target=None, split="split")
    assert same.spec.task == NoTask()
    for one, two in zip(same.partitions, dataset.partitions, strict=True):
        np.testing.assert_array_equal(one.train, two.train)
    with refused("missing", "task"):
        from_arrays({"a": VECTORS}, task="regression")
    with refused("empty", "features"):
        from_arrays({})


def test_labels_are_left_out_where_there_is_no_task():
    labels = [None, *TARGET[1:]]
    dataset = from_arrays({"a": VECTORS}, labels, split=["train"] * 6 + ["valid"] * 6, task="none")
    bare = from_arrays({"a": VECTORS}, labels, split=["train"] * 6 + ["valid"] * 6).without_labels()
    for found in (dataset, bare):
        assert found.spec.task == NoTask()
        assert found.target.tolist() == [0.0] * N
        assert found.partitions[0].train.tolist() == list(range(6))


def test_defaults():
    dataset = from_arrays({"a": VECTORS}, TARGET)
    assert dataset.id.tolist() == [str(i) for i in range(N)]
    assert dataset.group.tolist() == dataset.id.tolist()
    assert dataset.spec.task.label_range == (-1.0, 2.0)
    assert dataset.spec.name == "custom"
    assert dataset.target.dtype == np.float32
    assert sum(map(len, dataset.partitions[0].splits.values())) == N


def test_lists_of_vectors_and_tensors_are_vectors():
    for features in (VECTORS.tolist(), list(VECTORS), torch.from_numpy(VECTORS)):
        array = from_arrays({"a": features}, TARGET).modalities["a"]
        assert array.is_vectors
        np.testing.assert_array_equal(array.values, VECTORS.astype(np.float32))


def test_none_is_an_absent_modality():
    rows = [None if i % 3 == 0 else row for i, row in enumerate(RAGGED)]
    empty = [np.zeros((0, 2)) if row is None else row for row in rows]
    of_none, of_objects, of_empty = (
        from_arrays({"a": VECTORS, "c": given}, TARGET).modalities["c"]
        for given in (rows, np.array([*rows, ()], dtype=object)[:-1], empty)
    )
    for found in (of_none, of_objects):
        np.testing.assert_array_equal(found.values, of_empty.values)
        np.testing.assert_array_equal(found.offsets, of_empty.offsets)

    with refused("empty", "features['c']", "leave"):
        from_arrays({"a": VECTORS, "c": [None] * N}, TARGET)


def test_a_sample_whose_values_are_all_nan_is_absent():
    lost, whole = [2, 7], np.stack([VECTORS, VECTORS + 1], axis=1)
    vectors, frames, ragged = VECTORS.copy(), whole.copy(), [row.copy() for row in RAGGED]
    vectors[lost], frames[lost] = np.nan, np.nan
    for row in lost:
        ragged[row][:] = np.nan
    for given, complete in ((vectors, VECTORS), (frames, whole), (ragged, RAGGED)):
        rows = [None if row in lost else np.atleast_2d(each) for row, each in enumerate(complete)]
        wanted = from_arrays({"a": VECTORS, "c": rows}, TARGET).modalities["c"]
        found = from_arrays({"a": VECTORS, "c": given}, TARGET).modalities["c"]
        np.testing.assert_array_equal(found.values, wanted.values)
        np.testing.assert_array_equal(found.offsets, wanted.offsets)
    with refused("empty", "features['c']", "leave"):
        from_arrays({"a": VECTORS, "c": np.full((N, 2), np.nan)}, TARGET)


def test_split_names_and_groups_are_respected():
    split = ["train"] * 6 + ["dev"] * 3 + ["test"] * 3
    dataset = from_arrays({"a": VECTORS}, TARGET, split=split, group=np.repeat(["x", "y", "z"], [6, 3, 3]))
    assert dataset.partitions[0].valid.tolist() == [6, 7, 8]
    with refused("conflict", "x", "train", "test"):
        from_arrays({"a": VECTORS}, TARGET, split=split, group=["x"] * N)


def test_random_split_never_cuts_a_group_and_follows_the_seed():
    group = np.repeat(np.arange(4), 3)
    dataset = from_arrays({"a": VECTORS}, TARGET, group=group)
    assert all(len(set(group[rows])) * 3 == len(rows) for rows in dataset.partitions[0].splits.values())
    tests = {tuple(from_arrays({"a": VECTORS}, TARGET, seed=seed).partitions[0].test) for seed in range(5)}
    assert len(tests) > 1


@pytest.mark.parametrize(
    ("features", "changes", "code", "named"),
    [
        ({}, {}, "empty", ["mine"]),
        ({"a": VECTORS, "b": DENSE[:5]}, {}, "mismatch", ["a 12", "b 5"]),
        ({"a": VECTORS}, {"id": ["u"] * 3}, "mismatch", ["target 12", "id 3"]),
        ({"a": VECTORS}, {"split": ["train", "valid", "test"]}, "mismatch", [3, 12]),
        ({"a": VECTORS}, {"id": ["u"] * N}, "duplicate", [1, "u"]),
        ({"a": VECTORS[:, 0]}, {}, "wrong_shape", ["'a'", (12,)]),
        ({"a": [["w"]] * N}, {}, "wrong_type", ["'a'"]),
        ({"a": VECTORS}, {"label_range": (0, 1)}, "out_of_range", ["[0, 1]"]),
        ({"a": VECTORS}, {"split": ["train"] * N}, "empty", ["valid"]),
        ({"a": VECTORS}, {"split": ["train"] * 11 + ["tets"]}, "unknown_name", ["tets", "test"]),
        ({"a": VECTORS}, {"split": ["train"] * 11 + [None]}, "missing", ["split", 11]),
        ({"a": VECTORS}, {"group": [np.nan] + [1.0] * 11}, "missing", ["group", 0]),
        ({"a": np.ones((N, 2))}, {}, "invalid", ["a"]),
        ({"a": VECTORS[:2]}, {"target": TARGET[:2]}, "empty", [2, 3]),
        ({"a": VECTORS}, {"target": TARGET[:, None]}, "wrong_shape", [(12, 1)]),
        ({"a": VECTORS}, {"target": ["good"] * N}, "invalid", ["good"]),
        ({"a": VECTORS}, {"target": np.full(N, np.nan)}, "not_finite", ["mine"]),
    ],
)
def test_bad_arrays(features, changes, code, named):
    changes = dict(changes)
    with refused(code, *named):
        from_arrays(features, changes.pop("target", TARGET), name="mine", **changes)


def test_nan_is_reported_and_cleaned_on_request():
    values, target = VECTORS.copy(), TARGET.copy()
    values[3, 1] = np.nan
    target[9] = np.nan  # in validation, where every sample needs a label
    split = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
    for clean in (False, True):
        with refused("missing", "mine", "valid", 1, "first 9"):
            from_arrays({"a": VECTORS}, target, split=split, name="mine", clean=clean)
    with refused("not_finite", "mine", "a", 1, "'3'"):
        from_arrays({"a": values}, TARGET, split=split, name="mine")
    dataset = from_arrays({"a": values}, TARGET, split=split, clean=True)
    assert dataset.modalities["a"].values[3, 1] == pytest.approx(np.median(VECTORS[[0, 1, 2, 4, 5, 6, 7], 1]))


def test_training_samples_without_a_label_are_unlabelled():
    target = TARGET.copy()
    target[[0, 3]] = np.nan
    split = ["train"] * 6 + ["unlabelled"] * 2 + ["valid"] * 2 + ["test"] * 2
    dataset = from_arrays({"a": VECTORS}, target, split=split)
    part = dataset.partitions[0]
    assert part.train.tolist() == [1, 2, 4, 5]
    assert part.unlabelled.tolist() == [0, 3, 6, 7]
    assert dataset.subset(np.arange(1, 12)).partitions[0].unlabelled.tolist() == [2, 5, 6]
    cleaned = from_arrays({"a": VECTORS}, target, split=split, clean=True)
    np.testing.assert_array_equal(cleaned.target, dataset.target)


def test_a_random_division_is_stratified_by_the_classes_alone():
    """Of each class every part has its share, of a regression the division is that of the groups."""
    rng = np.random.default_rng(0)
    features = {"a": rng.normal(size=(120, 3))}
    moods = np.repeat(["calm", "angry", "sad"], [80, 30, 10])
    (parts,) = from_arrays(features, moods).partitions
    counts = {split: Counter(moods[rows].tolist()) for split, rows in parts.splits.items()}
    assert counts["test"] == {"calm": 16, "angry": 6, "sad": 2}
    assert counts["valid"] == {"calm": 8, "angry": 3, "sad": 1}
    (plain,) = from_arrays(features, rng.normal(size=120)).partitions
    np.testing.assert_array_equal(plain.test, three_way(np.arange(120)).test)
    with refused("empty", "class 'odd' has 2 samples"):
        from_arrays(features, np.repeat(["calm", "odd"], [118, 2]))


def test_a_random_division_is_of_the_labelled_and_leaks_no_group():
    rng = np.random.default_rng(0)
    target = np.where(rng.random(200) < 0.5, np.nan, rng.normal(size=200))
    group = np.arange(200) // 4
    part = from_arrays({"a": rng.normal(size=(200, 2))}, target, group=group).partitions[0]
    labelled = np.concatenate([part.train, part.valid, part.test])
    assert sorted(labelled.tolist()) == np.flatnonzero(~np.isnan(target)).tolist()
    assert np.isnan(target[part.unlabelled]).all()
    assert len(part.unlabelled)
    assert not set(group[part.unlabelled]) & set(group[np.concatenate([part.valid, part.test])])


def test_a_class_that_no_training_sample_has_is_refused():
    split = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
    with refused("missing", "c", "11"):
        from_arrays({"a": VECTORS}, ["a", "b"] * 5 + ["a", "c"], split=split)


def frame():
    return pd.DataFrame(
        {
            "x": VECTORS[:, 0],
            "y": VECTORS[:, 1],
            "vector": list(VECTORS),
            "sequence": RAGGED,
            "score": TARGET,
            "sample": [f"u{i}" for i in range(N)],
            "video": np.repeat(["p", "q", "r", "s"], 3),
            "part": ["train"] * 6 + ["valid"] * 3 + ["test"] * 3,
        }
    )


def test_frame_equals_arrays():
    features = {"a": ["x", "y"], "b": "vector", "c": "sequence", "d": "x"}
    got = from_frame(frame(), features=features, target="score", id="sample", group="video", split="part")
    expected = from_arrays(
        {"a": VECTORS[:, :2], "b": VECTORS, "c": RAGGED, "d": VECTORS[:, :1]},
        TARGET,
        id=[f"u{i}" for i in range(N)],
        group=np.repeat(["p", "q", "r", "s"], 3),
        split=["train"] * 6 + ["valid"] * 3 + ["test"] * 3,
    )
    assert got.spec == expected.spec
    assert got.id.tolist() == expected.id.tolist()
    assert got.group.tolist() == expected.group.tolist()
    assert got.partitions[0].test.tolist() == expected.partitions[0].test.tolist()
    for name, array in expected.modalities.items():
        np.testing.assert_array_equal(got.modalities[name].values, array.values)
        np.testing.assert_array_equal(got.modalities[name].offsets, array.offsets)


def test_frame_takes_rows_by_position_not_by_index():
    shuffled = frame().iloc[::-1]
    got = from_frame(shuffled, features={"a": "vector"}, target="score", id="sample")
    assert got.id[0] == "u11"
    np.testing.assert_array_equal(got.modalities["a"].values[0], VECTORS[11].astype(np.float32))


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"target": "scor"}, "unknown_name", "'score'"),
        ({"features": {"a": ["x", "why"]}}, "unknown_name", "'why'"),
        ({"group": "vidoe"}, "unknown_name", "'video'"),
        ({"features": {"a": ["sample"]}}, "wrong_type", "'a'"),
    ],
)
def test_bad_frames(changes, code, named):
    with refused(code, "custom", named):
        from_frame(frame(), **{"features": {"a": ["x"]}, "target": "score", **changes})
