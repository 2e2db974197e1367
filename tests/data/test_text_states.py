"""Frames of words from a pretrained encoder, against the encoder run on one transcript at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from format_samples import FORMAT_SAMPLES
from refusals import refused
from small_tokenizers import bert_like, xlnet_like
from tiny_language_models import POSITIONS, WIDTH, save_tiny

from comodal.contracts.errors import Code
from comodal.data.assemble import assemble, chosen_features, concatenate
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.load import load, open_source
from comodal.data.ragged import RaggedArray
from comodal.data.store import open_store, write_store
from comodal.data.text_states import WORD_STATES, with_word_states, word_states
from comodal.encoders.language_model import TextEncoder

TRANSCRIPTS = ["so good", "ungoodly film", "a", "", "so \x07 good film's", "film", "a so ungood film"]
TOKENIZERS = {"bert": bert_like, "xlnet": xlnet_like}


@pytest.fixture(scope="module", params=TOKENIZERS)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    folder = tmp_path_factory.mktemp("backbone") / request.param
    return TextEncoder(save_tiny(folder, request.param, tokenizer=TOKENIZERS[request.param]()))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    return TextEncoder(save_tiny(tmp_path_factory.mktemp("backbone") / "tiny", tokenizer=bert_like()))


def by_hand(transcript: str, encoder: TextEncoder, folder: str) -> list[np.ndarray[Any, Any]]:
    """Every word's mean, from the model as its own library loads it, without batch and so without padding."""
    from transformers import AutoModel

    words = transcript.split()
    options = {"padding": False, "truncation": False, "return_token_type_ids": True, "return_tensors": "pt"}
    encoded = encoder.tokenizer(words, is_split_into_words=True, **options)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        hidden = model(**encoded).last_hidden_state[0]
    found = []
    for k in range(len(words)):
        of_word = [hidden[p].numpy() for p, word in enumerate(encoded.word_ids(0)) if word == k]
        found.append(sum(of_word) / len(of_word) if of_word else np.zeros(WIDTH))
    return found


def test_every_word_is_the_mean_of_its_pieces(encoder: TextEncoder, tmp_path: Path) -> None:
    folder = str(tmp_path / "again")
    kind = encoder.name
    save_tiny(Path(folder), kind, tokenizer=TOKENIZERS[kind]())
    states, cut = word_states(TRANSCRIPTS, encoder)
    assert cut == 0
    assert states.lengths.tolist() == [len(each.split()) for each in TRANSCRIPTS]
    for k, transcript in enumerate(TRANSCRIPTS):
        rows = states.values[states.offsets[k] : states.offsets[k + 1]]
        if transcript:
            np.testing.assert_allclose(rows, by_hand(transcript, encoder, folder), atol=1e-5)
    assert states.values.any(axis=1).sum() >= 12, "the check above would pass on nothing but zeros"


def test_order_and_company_change_nothing(encoder: TextEncoder) -> None:
    many = TRANSCRIPTS * 30  # more than are read at once
    states, _ = word_states(many, encoder)
    alone, _ = word_states(TRANSCRIPTS, encoder)
    np.testing.assert_allclose(states.values, np.tile(alone.values, (30, 1)), atol=1e-5)
    back, _ = word_states(TRANSCRIPTS[::-1], encoder)
    rows = [back.take(np.array([k])).values for k in range(len(TRANSCRIPTS))][::-1]
    np.testing.assert_allclose(np.concatenate(rows), alone.values, atol=1e-5)


def test_what_is_behind_the_end_is_zero_and_counted(bert: TextEncoder) -> None:
    long = " ".join(["film"] * POSITIONS)  # two places go to the special pieces
    states, cut = word_states(["so good", long], bert)
    assert cut == 1
    assert states.lengths.tolist() == [2, POSITIONS]
    read = states.values.any(axis=1)
    assert read.tolist() == [True] * POSITIONS + [False] * 2


def source_of(transcripts: list[Any] | None, *, blocks: int = 1) -> Source:
    n = 6 if transcripts is None else len(transcripts)
    rows = np.array_split(np.arange(n), blocks)

    def read(features: Collection[str]) -> Iterator[Block]:
        for part in rows:
            yield Block(
                id=np.array([f"v{i}_1" for i in part]),
                group=np.array([f"v{i}" for i in part]),
                target=part.astype(np.float32) / n,
                modalities={name: RaggedArray.from_vectors(part[:, None] + np.zeros((1, 3))) for name in features},
                columns={"split": np.array([("train", "train", "valid", "test")[i % 4] for i in part])},
                transcript=None if transcripts is None else np.array([transcripts[i] for i in part], dtype=object),
                normalised={"read": len(part)},
            )

    return Source(Path("toy"), "toy", {"text": 3, "audio": 3}, {"toy": Division()}, read, n_samples=n, name="toy")


def test_the_features_are_there_to_be_chosen_and_are_no_modality(bert: TextEncoder) -> None:
    source = with_word_states(source_of(TRANSCRIPTS), bert)
    assert dict(source.dims) == {"text": 3, "audio": 3, WORD_STATES: WIDTH}
    assert chosen_features(source) == {"text": "text", "audio": "audio"}
    assert next(source.blocks(["audio"])).modalities.keys() == {"audio"}
    chosen = assemble(source, features={"text": WORD_STATES, "audio": "audio"})
    assert chosen.spec.dims == {"text": WIDTH, "audio": 3}
    assert chosen.spec.max_lengths == {"text": 4, "audio": 1}
    assert chosen.spec.aligned, "one frame a sample stands beside every word"
    wanted, _ = word_states(TRANSCRIPTS, bert)
    np.testing.assert_allclose(chosen.modalities["text"].values, wanted.values, atol=1e-6)
    with refused("duplicate", "toy", "'text_words'"):
        with_word_states(source, bert)


def test_capitals_mean_something_only_where_there_are_small_letters_anywhere(bert: TextEncoder) -> None:
    encoder = CasedEncoder(bert)

    def read(transcripts: list[Any]) -> np.ndarray[Any, Any]:
        source = with_word_states(source_of(transcripts, blocks=3), encoder)
        return assemble(source, features={"text": WORD_STATES}).modalities["text"].values

    shouted = [each.upper() for each in TRANSCRIPTS]
    np.testing.assert_array_equal(read(shouted), read(TRANSCRIPTS))
    assert not np.array_equal(read([*shouted[:-1], TRANSCRIPTS[-1]]), read(TRANSCRIPTS))


class CasedEncoder:
    """An encoder that tells capitals from small letters."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.name, self.width, self.longest, self.states = encoder.name, encoder.width, encoder.longest, encoder.states
        self.tokenizer = bert_like()
        self.tokenizer.backend_tokenizer.normalizer = None


def test_it_is_kept_in_a_converted_data_set(bert: TextEncoder, tmp_path: Path) -> None:
    long = [*TRANSCRIPTS, " ".join(["film"] * POSITIONS)]
    manifest = write_store(with_word_states(source_of(long, blocks=2), bert), tmp_path / "made")
    assert manifest.facts[WORD_STATES] == "mean of the last hidden states of a word's pieces, tiny"
    assert manifest.inspection.normalised == {
        "read": 8,
        "transcripts longer than tiny takes, whose last words are zero frames": 1,
    }
    found = load(tmp_path / "made", features={"text": WORD_STATES})
    wanted, _ = word_states(long, bert)
    np.testing.assert_allclose(found.modalities["text"].values, wanted.values, atol=1e-6)
    assert load(tmp_path / "made").spec.dims == {"text": 3, "audio": 3}
    with refused("duplicate", "made", "'text_words'"):
        with_word_states(open_store(tmp_path / "made"), bert)


@pytest.mark.parametrize(
    ("transcripts", "code", "named"),
    [
        (None, "missing", "toy: "),
        (["a", "so", 3.0, "film"], "wrong_type", "'v2_1': transcript is float"),
    ],
)
def test_bad_transcripts(bert: TextEncoder, transcripts: list[Any] | None, code: Code, named: str) -> None:
    source = with_word_states(source_of(transcripts), bert)
    assert len(next(source.blocks(["audio"])))
    with refused(code, named):
        list(source.blocks([WORD_STATES]))


def test_another_name_is_no_such_feature(bert: TextEncoder) -> None:
    source = with_word_states(source_of(TRANSCRIPTS), bert)
    with refused("unknown_name", "'text_word'", "'text_words'"):
        assemble(source, features={"text": "text_word"})


SAMPLES = [
    pytest.param(make, id=f"{name}-{k}") for name, makers in FORMAT_SAMPLES.items() for k, make in enumerate(makers)
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_reader_with_transcripts_gets_its_words(
    bert: TextEncoder, sample: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = sample(tmp_path)
    source, _ = open_source(path)
    plain = concatenate(list(source.blocks([])), where=str(path))
    words = with_word_states(source, bert)
    if plain.transcript is None:
        with refused("missing", path):
            list(words.blocks([WORD_STATES]))
        return
    found = concatenate(list(words.blocks([WORD_STATES])), where=str(path))
    assert found.id.tolist() == plain.id.tolist()
    assert found.modalities[WORD_STATES].lengths.tolist() == [len(each.split()) for each in plain.transcript]
    assert found.modalities[WORD_STATES].values.any()
