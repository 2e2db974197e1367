"""A data set that a language model reads, by hand and against the pieces of each transcript alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from refusals import refused
from small_tokenizers import bert_like, xlnet_like

from comodal.contracts.errors import Code
from comodal.data.collate import batch
from comodal.data.dataset import Dataset, Partition, describe
from comodal.data.ragged import RaggedArray
from comodal.data.tokenize import with_tokens


def dataset_of(transcripts: list[str] | None, **modalities: RaggedArray) -> Dataset:
    n = len(next(iter(modalities.values())))
    rows = np.arange(n)
    return Dataset(
        spec=describe("toy", modalities),
        id=np.array([f"v_{i}" for i in rows]),
        group=np.array(["v"] * n),
        target=np.zeros(n, dtype=np.float32),
        modalities=modalities,
        partitions=(Partition("all", rows, rows, rows),),
        transcript=None if transcripts is None else np.array(transcripts),
    )


VOICE = RaggedArray.from_vectors([[5.0], [6.0]])


def test_by_hand() -> None:
    """``[CLS] so good [SEP]`` and ``[CLS] un ##good ##ly [SEP]``, with a voice of one vector a sample."""
    words = RaggedArray.from_vectors(np.zeros((2, 9)))
    found = with_tokens(dataset_of(["so good", "ungoodly"], text=words, audio=VOICE), bert_like())
    made = batch(found, [0, 1])
    assert made.modalities["text"].values[:, :, 0].tolist() == [[2, 4, 5, 3, 0], [2, 6, 7, 8, 3]]
    assert made.modalities["text"].values[:, :, 1].tolist() == [[0] * 5, [0] * 5]
    assert made.modalities["text"].mask.tolist() == [[True] * 4 + [False], [True] * 5]
    assert not made.modalities["text"].values.is_floating_point()
    assert made.modalities["audio"].values[:, :, 0].tolist() == [[0, 5, 5, 0, 0], [0, 6, 6, 6, 0]]
    assert found.spec.dims == {"text": 2, "audio": 1}
    assert found.spec.feature_dims == {"audio": 1}
    assert found.spec.aligned
    assert found.spec.tokens is not None
    assert found.spec.tokens.vocabulary == 14
    assert found.spec.tokens.pad_id == 0


def test_text_comes_first_and_needs_no_features() -> None:
    found = with_tokens(dataset_of(["so good", "a"], audio=VOICE), bert_like())
    assert found.spec.modalities == ("text", "audio")
    alone = found.select_modalities(["text"])
    assert alone.spec.tokens == found.spec.tokens
    assert found.select_modalities(["audio"]).spec.tokens is None


def test_type_ids_and_the_unknown_are_those_of_the_tokenizer() -> None:
    tokenizer = xlnet_like()
    found = with_tokens(dataset_of(["so", "a"], audio=VOICE), tokenizer)
    text = found.modalities["text"]
    assert text.values[: text.offsets[1]].tolist() == [[4, 0], [2, 0], [3, 2]]
    assert found.spec.tokens is not None
    assert found.spec.tokens.unknown_id == 1, "its padding piece: it knows no other that stands for nothing"
    tokenizer.unk_token = "<unk>"
    again = with_tokens(dataset_of(["so", "a"], audio=VOICE), tokenizer)
    assert again.spec.tokens is not None
    assert again.spec.tokens.unknown_id == 0


@pytest.mark.parametrize(
    ("transcripts", "read"),
    [(["SO GOOD", "A"], ["so good", "a"]), (["SO GOOD", "a"], ["SO GOOD", "a"]), (["", ""], ["", ""])],
)
def test_capitals_say_something_only_where_there_are_small_letters_too(transcripts: list[str], read: list[str]) -> None:
    tokenizer = xlnet_like()
    got = with_tokens(dataset_of(transcripts, audio=VOICE), tokenizer).modalities["text"]
    wanted = [tokenizer(each, add_special_tokens=True)["input_ids"] for each in read]
    assert [got.values[a:b, 0].tolist() for a, b in zip(got.offsets[:-1], got.offsets[1:], strict=True)] == wanted


def test_what_was_cut_stands_in_the_note() -> None:
    dataset = dataset_of(["so good so good", "a"], audio=VOICE)
    dataset = dataclasses.replace(dataset, spec=dataclasses.replace(dataset.spec, note="licensed"))
    found = with_tokens(dataset, bert_like(), max_length=5)
    assert found.spec.note == "licensed; 1 of 2 samples were cut to 5 pieces (first: 'v_0')"
    assert found.spec.max_lengths == {"text": 5, "audio": 5}
    assert with_tokens(dataset, bert_like(), max_length=6).spec.note == "licensed"
    many = dataset_of(["so good"] * 5, audio=RaggedArray.from_vectors(np.ones((5, 1))))
    note = with_tokens(many, bert_like(), max_length=3).spec.note
    assert note == "5 of 5 samples were cut to 3 pieces (first: 'v_0', 'v_1', 'v_2')"


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"transcript": None}, "missing", "toy: "),
        (
            {"modalities": {"audio": RaggedArray.from_rows([np.ones((3, 1)), np.ones((1, 1))])}},
            "mismatch",
            "'v_0': 3 frames for 2 words",
        ),
    ],
)
def test_bad_transcripts_and_frames(change: dict[str, Any], code: Code, named: str) -> None:
    dataset = dataset_of(["so good", "a"], audio=VOICE)
    with_tokens(dataset, bert_like())
    with refused(code, named):
        with_tokens(dataclasses.replace(dataset, **change), bert_like())
