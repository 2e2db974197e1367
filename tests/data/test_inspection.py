from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.formats.interface import Division
from comodal.data.inspection import examine
from comodal.data.ragged import RaggedArray


def counts(source):
    return examine(source)[0]


CELLS = st.sampled_from([0.0, 0.0, 1.0, -2.5, np.nan, np.inf])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.tuples(CELLS, CELLS), max_size=3), min_size=1, max_size=4), min_size=1, max_size=3),
    st.integers(1, 4),
)
def test_counts_of_features_are_those_of_the_whole(make_block, make_source, blocks, part):
    """Blocks and parts against one array of everything."""
    made = []
    for k, rows in enumerate(blocks):
        audio = RaggedArray.from_rows([np.array(row, dtype=np.float32).reshape(-1, 2) for row in rows])
        block = make_block(f"b{k}x", [1] * len(rows))
        made.append(replace(block, modalities={"audio": audio}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("comodal.data.ragged._PART", 2 * part)
        facts = counts(make_source(*made)).features["audio"]
    values = np.concatenate([block.modalities["audio"].values for block in made])
    lengths = np.concatenate([block.modalities["audio"].lengths for block in made])
    owners = np.repeat(np.concatenate([block.id for block in made]), lengths)
    wrong = ~np.isfinite(values)
    real = lengths[lengths > 0]
    assert facts.dim == 2
    assert facts.frames == len(values)
    assert facts.lengths == ([real.min(), int(np.median(real)), real.max()] if len(real) else [0, 0, 0])
    assert facts.absent == (lengths == 0).sum()
    assert facts.zero_frames == (values == 0).all(axis=1).sum()
    assert facts.non_finite == {str(k): n for k, n in enumerate(wrong.sum(axis=0)) if n}
    assert facts.non_finite_samples == len(np.unique(owners[wrong.any(axis=1)]))
    assert facts.first_non_finite == (owners[wrong.any(axis=1)][0] if wrong.any() else "")
    constant = [k for k in range(2) if len(values) > 1 and len(set(values[~wrong[:, k], k])) == 1]
    assert facts.constant_columns == constant


def test_counts_of_samples(make_block, make_source):
    first = make_block("train", [1, 2, 1], target=np.array([-3, 0, np.nan], dtype=np.float32))
    second = make_block(
        "test",
        [1, 1],
        id=np.array(["train0_0", "z_1"]),
        group=np.array(["train0", "z"]),
        target=np.array([3.5, 2.9], dtype=np.float32),
        transcript=np.array(["", " \n"]),
        normalised={"ids were made up": 1, "labels were odd": 2},
    )
    found = counts(make_source(first, second))
    assert found.samples == 5
    assert found.groups == 4
    assert found.splits == {"file": {"train": 3, "test": 2}}
    assert found.labels == [1, 0, 0, 1, 0, 0, 2]
    assert found.label_span == [-3.0, 3.5]
    assert (found.unlabelled, found.unlabelled_parts) == (1, {"file": {"train": 1}})
    assert found.outlying_labels == [["train0_0", 3.5]]
    assert found.duplicate_ids == ["train0_0"]
    assert found.empty_transcripts == 2
    assert found.normalised == {"ids were made up": 4, "labels were odd": 2}
    assert found.first_ids == ["train0_0", "train1_0", "train2_0", "train0_0", "z_1"]


def test_labels_fall_into_equal_bins(make_block, make_source):
    target = np.random.default_rng(0).uniform(-3, 3, 500).astype(np.float32)
    found = counts(make_source(make_block("train", [1] * 500, target=target)))
    expected = Counter(np.minimum((target + 3) // (6 / 7), 6).astype(int).tolist())
    assert found.labels == [expected[k] for k in range(7)]


def test_several_protocols(make_block, make_source):
    block = make_block("train", [1, 1, 1], columns={"split": np.array(["train", "none", "test"]), "fold": np.arange(3)})
    source = make_source(block, divisions={"file": Division(), "folds": Division("fold", 3)})
    assert counts(source).splits == {
        "file": {"train": 1, "none": 1, "test": 1},
        "folds": {"0": 1, "1": 1, "2": 1},
    }


def test_nothing_at_all(source):
    found = counts(replace(source, blocks=lambda _: iter(())))
    assert (found.samples, found.label_span, found.empty_transcripts) == (0, None, None)
    assert found.features["audio"].lengths == [0, 0, 0]


def test_blocks_that_are_not_what_their_source_says(make_block, make_source):
    first, second = make_block("train", [1]), make_block("test", [1])
    other = replace(second, modalities={"text": second.modalities["text"], "vision": second.modalities["audio"]})
    with refused("damaged", "made.pkl", "vision"):
        counts(replace(make_source(first), blocks=lambda _: iter([first, other])))
    with refused("damaged", "fold", "nested"):
        counts(make_source(first, divisions={"nested": Division("fold", 5)}))


def test_each_block_is_handed_on_whole_and_then_reported(source):
    told, taken = [], []

    def take(block):
        assert len(told) == len(taken)
        taken.append(block)

    _, samples = examine(source, take=take, seen=told.append)
    assert told == [len(block) for block in taken] == [4, 2, 3]
    assert all(set(block.modalities) == {"text", "audio"} for block in taken)
    assert (len(samples), samples.modalities) == (9, {})
