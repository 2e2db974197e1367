"""Pickles of dialogues as DialogueRNN has them, value for value."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from format_samples import dense_contents
from pickle_files import write_pickle
from refusals import refused

from comodal.contracts import Multiclass
from comodal.data.assemble import assemble
from comodal.data.formats.dialogues import FORMAT
from comodal.data.labels import with_label

CLASSES = ("happy", "sad", "neutral", "angry", "excited", "frustrated")


@pytest.fixture
def content():
    return list(dense_contents()["dialogues"])


@pytest.fixture
def file(tmp_path):
    return tmp_path / "IEMOCAP_features.pkl"


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_values_come_back_with_the_names_of_the_classes(content, file, protocol):
    file.write_bytes(pickle.dumps(tuple(content), protocol=protocol))
    assert FORMAT.recognises(file)
    source = FORMAT.open(file)
    assert source.task == Multiclass(CLASSES)
    assert source.dims == {"text": 2, "audio": 2}
    train, test = source.blocks(["text", "audio"])
    assert train.id.tolist() == [f"Ses01_a_{k}" for k in range(4)] + ["Ses01_b_0", "Ses01_b_1"]
    assert train.group.tolist() == ["Ses01_a"] * 4 + ["Ses01_b"] * 2
    assert set(test.group.tolist()) == {"Ses02_a"}
    assert train.columns["speaker"].tolist() == list("MFMFMF")
    assert train.transcript[0] == "so good"
    assert source.task.readable(test.target).tolist() == [CLASSES[k] for k in (3, 4, 5)]
    for place, name in ((3, "text"), (4, "audio")):
        wanted = np.concatenate([np.asarray(content[place][each]) for each in ("Ses01_a", "Ses01_b")])
        np.testing.assert_array_equal(train.modalities[name].values, np.float32(wanted))
    assert "--folds" in source.facts["validation"]
    assert [len(rows) for rows in assemble(source).partitions[0].splits.values()][:3] == [6, 0, 3]


def test_other_dialogues_have_classes_by_number_and_may_be_named(content, file):
    """Those of MELD are numbers, and so are its ids; its speakers are vectors."""
    number = {name: k for k, name in enumerate(content[0])}
    renamed = [{number[name]: rows for name, rows in part.items()} for part in content[:6]]
    renamed[0] = {each: list(range(len(rows))) for each, rows in renamed[0].items()}
    renamed[1] = {each: [[0, 1]] * len(rows) for each, rows in renamed[1].items()}
    source = FORMAT.open(write_pickle(file, (*renamed, [0, 1], [2], {"more": 1})))
    assert source.task == Multiclass(tuple("012345"))
    train = next(source.blocks([]))
    assert train.id.tolist() == ["0_0", "0_1", "0_2", "0_3", "1_0", "1_1"]
    assert "speaker" not in train.columns
    assert train.normalised["utterances were named by dialogue and position"] == 6
    named = with_label(source, task=f"multiclass:{','.join(reversed(CLASSES))}")
    assert named.task.readable(next(named.blocks([])).target)[0] == CLASSES[::-1][int(train.target[0])]


def test_more_features_than_modalities(content, file):
    several = (*content[:4], content[3], content[3], content[4], content[4], *content[5:])
    assert list(FORMAT.open(write_pickle(file, several)).dims) == ["text", "audio", "vision", "text_2", "text_3"]


@pytest.mark.parametrize(
    ("part", "change", "named"),
    [
        (2, lambda x: {**x, "Ses01_a": x["Ses01_a"][:-1]}, "Ses01_a"),
        (2, lambda x: {**x, "Ses01_a": [[1, 0]] * 4}, "labels"),
        (2, lambda x: {**x, "Ses01_a": 3}, "Ses01_a"),
        (2, lambda x: {**x, "Ses02_a": ["joy"] * 3}, "labels"),
        (3, lambda x: {**x, "Ses01_b": [[1.0, 2.0, 3.0]] * 2}, "text"),
        (4, lambda x: {**x, "Ses01_b": x["Ses01_b"][:1]}, "Ses01_b"),
        (5, lambda x: {**x, "Ses01_b": [1, 2]}, "sentences"),
        (6, lambda x: [*x, "Ses09"], "Ses09"),
        (6, lambda _: [["Ses01_a"]], "train"),
    ],
)
def test_bad_parts_are_named(content, file, part, change, named):
    content[part] = change(content[part])
    with refused(("damaged", "mismatch", "missing", "wrong_shape", "wrong_type"), file.name, named):
        FORMAT.open(write_pickle(file, tuple(content)))


def test_what_is_another_file_is_not_recognised(content, file):
    others = [content[:6], [*content[:2], *content[4:]], [{}] * 6 + [[], []], [*content[:5], {"x": []}, [], []], 3]
    for other in others:
        assert not FORMAT.recognises(write_pickle(file, other))
    with refused("damaged"):
        FORMAT.open(file)
    with refused("empty"):
        FORMAT.open(write_pickle(file, (*content[:6], [], set())))
