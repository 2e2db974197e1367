"""Word pieces and their frames, against a plain loop over pieces, with small tokenizers of three kinds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from small_tokenizers import bert_like, byte_level, llama_like, xlnet_like

from comodal.data.ragged import RaggedArray
from comodal.data.tokenize import align_to_pieces, tokenize_words

WORDS = ["so", "good", "ungoodly", "a", "film's", "\u200b", "zebra", "été", "[SEP]"]


TOKENIZERS = {
    "llama": llama_like(),
    "bert": bert_like(),
    "xlnet": xlnet_like(),
    "roberta": byte_level(prefix=False),
    "roberta, prefix": byte_level(prefix=True),
}


@pytest.fixture(params=list(TOKENIZERS))
def tokenizer(request):
    return TOKENIZERS[request.param]


def rows(tokens, values):
    return [each.tolist() for each in np.split(values, tokens.pieces.offsets[1:-1])]


def input_ids(tokens):
    return tokens.pieces.values[:, 0].tolist()


def type_ids(tokens):
    return tokens.pieces.values[:, 1].tolist()


def pieces_of_words(tokenizer, words):
    """Ids of each word, from the tokenizer's own pieces of that word alone."""
    return [tokenizer([[word]], is_split_into_words=True, add_special_tokens=False)["input_ids"][0] for word in words]


def expected(words, frames, word_pieces, *, before, after, max_length):
    """One sample by a loop over its words: (ids, words, frames)."""
    room = max_length - len(before) - len(after)
    zero = [0.0] * len(frames[0]) if frames else []
    inside = []
    for k, pieces in enumerate(word_pieces):
        for piece in pieces:
            if len(inside) < room:
                inside.append((piece, k, frames[k] if len(frames) == len(words) else frames[0]))
    return [*((i, -1, zero) for i in before), *inside, *((i, -1, zero) for i in after)]


def test_bert_layout_by_hand():
    tokens = tokenize_words(["so ungoodly", "", "Film's a"], TOKENIZERS["bert"])
    assert rows(tokens, tokens.pieces.values[:, 0]) == [[2, 4, 6, 7, 8, 3], [2, 3], [2, 10, 11, 12, 9, 3]]
    assert rows(tokens, tokens.word) == [[-1, 0, 1, 1, 1, -1], [-1, -1], [-1, 0, 0, 0, 1, -1]]
    assert not any(type_ids(tokens))
    assert tokens.n_words.tolist() == [2, 0, 2]


def test_xlnet_layout_by_hand():
    tokens = tokenize_words(["so ungood"], TOKENIZERS["xlnet"])
    assert input_ids(tokens) == [4, 6, 7, 2, 3]
    assert tokens.word.tolist() == [0, 1, 1, -1, -1]
    assert type_ids(tokens) == [0, 0, 0, 0, 2]
    frames = align_to_pieces(RaggedArray.from_rows([[[1.0], [2.0]]]), tokens)
    assert frames.values.ravel().tolist() == [1, 2, 2, 0, 0]


@pytest.mark.parametrize("name", ["roberta", "roberta, prefix"])
def test_a_space_that_belongs_to_a_word_is_given_to_it(name):
    """Without it, "so good" would be the pieces of "sogood"."""
    tokenizer = TOKENIZERS[name]
    tokens = tokenize_words(["so good a"], tokenizer)
    assert input_ids(tokens) == tokenizer("so good a")["input_ids"]
    first = [0] * (3 if name == "roberta, prefix" else 2)
    assert tokens.word.tolist() == [-1, *first, 1, 1, 1, 2, 2, -1]
    glued = tokenizer([["so", "good", "a"]], is_split_into_words=True)["input_ids"][0]
    assert (glued == input_ids(tokens)) == (name == "roberta, prefix")


def test_words_without_pieces_do_not_shift_the_others():
    tokens = tokenize_words(["so \u200b good", "\u200b"], TOKENIZERS["bert"])
    assert rows(tokens, tokens.word) == [[-1, 0, 2, -1], [-1, -1]]
    frames = align_to_pieces(RaggedArray.from_rows([[[1.0], [9.0], [2.0]], [[7.0]]]), tokens)
    assert frames.values.ravel().tolist() == [0, 1, 2, 0, 0, 0]


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["bert", "xlnet", "roberta, prefix", "llama"]),
    samples=st.lists(st.lists(st.sampled_from(WORDS), max_size=6), min_size=1, max_size=4),
    vectors=st.booleans(),
    max_length=st.integers(3, 12),
)
def test_against_a_loop_over_pieces(name, samples, vectors, max_length):
    tokenizer = TOKENIZERS[name]
    lengths = [1 if vectors else len(words) for words in samples]
    values = np.arange(2.0 * sum(lengths)).reshape(-1, 2).astype(np.float32) + 1
    array = RaggedArray(values, np.cumsum([0, *lengths]))
    tokens = tokenize_words([" ".join(words) for words in samples], tokenizer, max_length=max_length)
    aligned = align_to_pieces(array, tokens)
    layout = {"bert": ([2], [3]), "xlnet": ([], [2, 3]), "roberta, prefix": ([0], [1]), "llama": ([1], [2])}[name]
    for i, words in enumerate(samples):
        frames = array.values[array.offsets[i] : array.offsets[i + 1]].tolist()
        pieces = pieces_of_words(tokenizer, words)
        want = expected(words, frames, pieces, before=layout[0], after=layout[1], max_length=max_length)
        assert rows(tokens, tokens.pieces.values[:, 0])[i] == [piece for piece, _, _ in want]
        assert rows(tokens, tokens.word)[i] == [word for _, word, _ in want]
        assert tokens.n_cut[i] == sum(map(len, pieces)) + 2 - len(want)
        got = aligned.values[aligned.offsets[i] : aligned.offsets[i + 1]].tolist()
        assert got == ([frame for _, _, frame in want] if frames else [])


def test_truncation_counts_special_tokens_and_cuts_within_a_word(tokenizer):
    text = "so good ungoodly a a"
    whole = tokenize_words([text], tokenizer)
    most = len(whole.word)
    assert not tokenize_words([text], tokenizer, max_length=most).n_cut.any()
    kept = tokenize_words([text], tokenizer, max_length=most - 1)
    assert (len(kept.word), kept.n_cut.tolist()) == (most - 1, [1])
    special = kept.word < 0
    assert kept.word[~special].tolist() == whole.word[whole.word >= 0][:-1].tolist()
    assert kept.pieces.values[special].tolist() == whole.pieces.values[whole.word < 0].tolist()
    frames = align_to_pieces(RaggedArray.from_rows([np.arange(1, 6)[:, None]]), kept)
    assert frames.values[~special].ravel().tolist() == (kept.word[~special] + 1).tolist()
    assert input_ids(tokenize_words(["ungoodly"], TOKENIZERS["bert"], max_length=4)) == [2, 6, 7, 3]


def test_no_room_beside_special_tokens(tokenizer):
    with refused("out_of_range", "max_length=2", 3):
        tokenize_words(["so"], tokenizer, max_length=2)
    assert tokenize_words(["so"], tokenizer, max_length=3).pieces.lengths.tolist() == [3]


def test_absent_stays_absent_and_vectors_are_broadcast():
    tokens = tokenize_words(["so good", "so good", "so good"], TOKENIZERS["bert"])
    array = RaggedArray.from_rows([[[3.0, np.nan]], np.zeros((0, 2)), [[1.0, 2.0], [3.0, 4.0]]])
    aligned = align_to_pieces(array, tokens)
    assert aligned.lengths.tolist() == [4, 0, 4]
    np.testing.assert_array_equal(
        aligned.values, [[0, 0], [3, np.nan], [3, np.nan], [0, 0], [0, 0], [1, 2], [3, 4], [0, 0]]
    )
    assert aligned.values.dtype == np.float32


def test_other_numbers_of_frames_name_the_sample():
    tokens = tokenize_words(["so good", "so good a", "a a a a"], TOKENIZERS["bert"], ids=["v_1", "v_2", "w_1"])
    array = RaggedArray.from_rows([np.ones((n, 2)) for n in (2, 2, 37)])
    with refused("mismatch", "'v_2': 2 frames for 3 words", "(2 "):
        align_to_pieces(array, tokens)
    with refused("mismatch", 1, 3):
        align_to_pieces(RaggedArray.from_vectors([[1.0]]), tokens)


def test_frames_of_words_cut_off_are_still_required():
    """A count that fits the cut text would shift every frame of a longer one."""
    tokens = tokenize_words(["so good a"], TOKENIZERS["bert"], max_length=4)
    assert align_to_pieces(RaggedArray.from_rows([np.ones((3, 1))]), tokens).lengths.tolist() == [4]
    with refused("mismatch", "2 frames for 3 words"):
        align_to_pieces(RaggedArray.from_rows([np.ones((2, 1))]), tokens)


def test_many_samples_are_those_of_one_by_one(tokenizer, monkeypatch):
    """More samples than are given to the tokenizer at once."""
    from comodal.data import tokenize

    texts = [" ".join(WORDS[k] for k in row) for row in np.random.default_rng(0).integers(0, 5, size=(11, 4))]
    whole = tokenize_words(texts, tokenizer)
    monkeypatch.setattr(tokenize, "_AT_ONCE", 4)
    parts = tokenize_words(np.array(texts), tokenizer)
    assert parts.pieces.values.tolist() == whole.pieces.values.tolist()
    assert rows(parts, parts.word) == rows(whole, whole.word)
    assert [input_ids(tokenize_words([text], tokenizer)) for text in texts] == rows(whole, whole.pieces.values[:, 0])


def test_nothing_and_empty(tokenizer):
    nothing = tokenize_words([], tokenizer)
    assert (len(nothing.id), len(nothing.word)) == (0, 0)
    assert align_to_pieces(RaggedArray(np.zeros((0, 2), np.float32), np.array([0])), nothing).dim == 2
    empty = tokenize_words(["", "  "], tokenizer)
    assert (empty.word == -1).all()
    assert empty.pieces.lengths.tolist() == [2, 2]
    assert not align_to_pieces(RaggedArray.from_vectors([[1.0], [2.0]]), empty).values.any()


def test_no_type_ids():
    class Bare:
        """As GPT-2: no type ids."""

        is_fast = True

        def __call__(self, text, **options):
            found = TOKENIZERS["bert"](text, **options)
            del found["token_type_ids"]
            return found

    assert type_ids(tokenize_words(["so good"], Bare())) == [0] * 4


def test_user_mistakes():
    class Slow:
        is_fast = False

    with refused("unsupported", "Slow", "use_fast=True"):
        tokenize_words(["so"], Slow())
    bert = TOKENIZERS["bert"]
    with refused("mismatch", 1, 2):
        tokenize_words(["so", "good"], bert, ids=["a"])
    with refused("wrong_type", "'b'", "bytes"):
        tokenize_words(["so", b"good"], bert, ids=["a", "b"])
    with refused("wrong_type", "'1'", "NoneType"):
        tokenize_words(["so", None], bert)
    with refused("damaged", "'0'", "Unicode"):
        tokenize_words(["so \ud800"], bert)


@pytest.mark.slow
def test_works_without_transformers_once_the_tokenizer_is_there():
    """The module asks nothing of the package: a test that it stays light."""
    import subprocess
    import sys

    code = "import sys, comodal.data.tokenize; sys.exit('transformers' in sys.modules or 'tokenizers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
