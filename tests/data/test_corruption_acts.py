"""Corruptions of one modality, against plain loops over samples and frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused
from small_tokenizers import bert_like, xlnet_like

from comodal.contracts import ModalitySequence, MultimodalBatch, TokenSpec
from comodal.data.collate import batch
from comodal.data.corruption_acts import (
    add_noise,
    compact,
    drop_frames,
    drop_modality,
    keep_only,
    replace_words,
    shift_frames,
    swap_modality,
)
from comodal.data.tokenize import with_tokens

LENGTHS = [7, 1, 0, 4, 10]
SPECIAL = (2, 3)
TOKENS = TokenSpec("toy", 50, pad_id=0, unknown_id=1, max_length=10, special_ids=SPECIAL)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sequences(lengths: list[int], copies: int = 1) -> MultimodalBatch:
    """Frame t of every sample is (t + 1, -t - 1), so that frames tell where they stood."""
    lengths = lengths * copies
    steps = torch.arange(max(lengths))
    mask = steps < torch.tensor(lengths).unsqueeze(1)
    values = torch.stack([steps + 1.0, -steps - 1.0], dim=-1) * mask.unsqueeze(-1)
    names = tuple(f"u{row}" for row in range(len(lengths)))
    return MultimodalBatch(names, {"audio": ModalitySequence(values, mask)}, torch.zeros(len(lengths)))


def said(rows: list[list[int]]) -> MultimodalBatch:
    """Word pieces, right-padded with 0; the second of each pair is a type id of 1."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], dtype=torch.int32)
    mask = torch.arange(longest) < torch.tensor([len(row) for row in rows]).unsqueeze(1)
    pieces = ModalitySequence(torch.stack([ids, torch.ones_like(ids)], dim=-1), mask)
    return MultimodalBatch(tuple(map(str, range(len(rows)))), {"text": pieces}, torch.zeros(len(rows)))


def frames(sequence: ModalitySequence) -> list[list[int]]:
    """Where the frames of each sample stood; checks that they lie together at the left and that the rest is 0."""
    found = []
    for values, mask in zip(sequence.values, sequence.mask, strict=True):
        count = int(mask.sum())
        assert mask.tolist() == [True] * count + [False] * (len(mask) - count)
        assert not values[count:].any()
        assert torch.equal(values[:, 0], -values[:, 1]), "a frame keeps its features together"
        found.append([int(step) for step in values[:count, 0]])
    return found


def test_compaction_is_what_a_loop_does() -> None:
    sequence = sequences(LENGTHS).modalities["audio"]
    kept = torch.rand(sequence.mask.shape, generator=generator(5)) < 0.5
    expected = [[t + 1 for t in range(n) if kept[row, t]] for row, n in enumerate(LENGTHS)]
    assert frames(compact(sequence, kept)) == expected
    assert [] in expected[3:] or any(len(row) < n for row, n in zip(expected, LENGTHS, strict=True))


@pytest.mark.parametrize("probability", [0.0, 0.4, 1.0])
def test_missing_frames_leave_the_others_in_order(probability: float) -> None:
    found = frames(
        drop_frames(sequences(LENGTHS), "audio", probability=probability, generator=generator()).modalities["audio"]
    )
    for row, n in zip(found, LENGTHS, strict=True):
        assert row == sorted(set(row))
        assert set(row) <= set(range(1, n + 1))
    if probability in {0.0, 1.0}:
        assert [len(row) for row in found] == ([0] * 5 if probability else LENGTHS)


@pytest.mark.statistical
def test_the_share_of_missing_frames_is_the_probability() -> None:
    """False-alarm rate below 1e-6: 5 standard errors of a binomial share (the seed is fixed)."""
    before = sequences([10], copies=2000)
    after = drop_frames(before, "audio", probability=0.3, generator=generator()).modalities["audio"]
    assert abs(after.mask.double().mean() - 0.7) < 5 * (0.21 / 20000) ** 0.5
    first, last = ((after.values[:, :, 0] == step).any(dim=1).double().mean() for step in (1, 10))
    assert abs(first - 0.7) < 5 * (0.21 / 2000) ** 0.5
    assert abs(last - 0.7) < 5 * (0.21 / 2000) ** 0.5


def test_a_sample_that_loses_every_frame_is_absent() -> None:
    after = drop_frames(sequences([2], copies=50), "audio", probability=0.8, generator=generator()).modalities["audio"]
    assert after.present.tolist() == [bool(row) for row in frames(after)]
    assert 0 < int(after.present.sum()) < 50


@pytest.mark.parametrize("share", [0.0, 0.3, 0.29, 1.0])
def test_a_shift_takes_frames_from_the_front_up_to_its_share(share: float) -> None:
    """Over 400 draws every legal number of steps is seen and no other; 0.3 of 10 frames is 3 of them."""
    most = {0.0: {}, 0.3: {0: 2, 3: 1, 4: 3}, 0.29: {0: 2, 3: 1, 4: 2}, 1.0: {0: 6, 3: 3, 4: 9}}[share]
    seen: list[set[int]] = [set() for _ in LENGTHS]
    for seed in range(400):
        after = shift_frames(sequences(LENGTHS), "audio", share=share, generator=generator(seed)).modalities["audio"]
        for row, (found, n) in enumerate(zip(frames(after), LENGTHS, strict=True)):
            steps = n - len(found)
            assert found == list(range(1 + steps, n + 1))
            seen[row].add(steps)
    assert seen == [set(range(most.get(row, 0) + 1)) for row in range(len(LENGTHS))]


def test_a_share_of_a_hundred_frames_is_not_rounded_away() -> None:
    """0.29 * 100 is a little less than 29 in floating point."""
    assert 0.29 * 100 < 29
    after = shift_frames(sequences([100], copies=2000), "audio", share=0.29, generator=generator()).modalities["audio"]
    assert int((100 - after.mask.sum(dim=1)).max()) == 29


def test_words_of_pieces_become_the_unknown_piece_and_special_ones_stay() -> None:
    before = said([[2, 10, 11, 12, 3], [2, 3], [2, 13, 3]])
    after = replace_words(before, probability=1.0, generator=generator(), tokens=TOKENS).modalities["text"]
    assert after.values[:, :, 0].tolist() == [[2, 1, 1, 1, 3], [2, 3, 0, 0, 0], [2, 1, 3, 0, 0]]
    assert torch.equal(after.values[:, :, 1], before.modalities["text"].values[:, :, 1])
    assert after.values.dtype == torch.int32
    assert torch.equal(after.mask, before.modalities["text"].mask)


def test_half_of_the_words() -> None:
    before = said([[2, *range(10, 40), 3]])
    after = replace_words(before, probability=0.5, generator=generator(), tokens=TOKENS).modalities["text"]
    ids, was = after.values[0, :, 0].tolist(), before.modalities["text"].values[0, :, 0].tolist()
    assert 5 < ids.count(1) < 25
    assert all(new in {old, 1} for new, old in zip(ids, was, strict=True))


@pytest.mark.parametrize(("tokenizer", "special"), [(bert_like(), (2, 3)), (xlnet_like(), (2, 3))])
def test_the_tokenizer_says_which_pieces_are_special(make, tokenizer, special) -> None:
    dataset = with_tokens(
        make(transcript=np.array(["so good", "a", "", "film", "good", "so so"])).select_modalities(["text"]), tokenizer
    )
    assert dataset.spec.tokens.special_ids == special
    few = batch(dataset, range(6))
    muffled = replace_words(few, probability=1.0, generator=generator(), tokens=dataset.spec.tokens)
    ids, mask = muffled.modalities["text"].values[:, :, 0], muffled.modalities["text"].mask
    assert set(ids[mask].tolist()) == {*special, dataset.spec.tokens.unknown_id}
    assert ids[2][mask[2]].tolist() == few.modalities["text"].values[2][mask[2]][:, 0].tolist()


def test_words_of_features_become_the_mean_of_training() -> None:
    text = sequences(LENGTHS).modalities["audio"]
    before = MultimodalBatch(tuple("abcde"), {"text": text}, torch.zeros(5))
    after = replace_words(before, probability=0.5, generator=generator(3)).modalities["text"]
    gone = (after.values == 0).all(dim=-1) & text.mask
    assert 0 < int(gone.sum()) < int(text.mask.sum())
    assert torch.equal(after.values, text.values * ~gone.unsqueeze(-1))
    assert torch.equal(after.mask, text.mask), "where a word stood is still known"


def test_a_feature_that_was_constant_in_training_gets_no_noise() -> None:
    """It is 0 in every frame; a feature that is 0 in some frames gets noise in all of them."""
    values = torch.randn(50, 4, 3, generator=generator())
    values[:, :, 1] = 0.0
    values[:25, :, 2] = 0.0
    few = MultimodalBatch(
        tuple(map(str, range(50))), {"audio": ModalitySequence(values, torch.ones(50, 4).bool())}, torch.zeros(50)
    )
    noisy = add_noise(few, "audio", severity=1.0, generator=generator()).modalities["audio"].values
    assert not noisy[:, :, 1].any()
    assert (noisy[:, :, [0, 2]] != values[:, :, [0, 2]]).all()


@pytest.fixture
def many():
    """2000 samples; values of row i are all i + 1, so that rows can be told apart."""
    n = 2000
    values = (torch.arange(n).float() + 1).view(n, 1, 1).expand(n, 3, 2).clone()
    mask = torch.arange(3) < torch.randint(1, 4, (n, 1), generator=generator())
    sequence = ModalitySequence(values * mask.unsqueeze(-1), mask)
    vector = ModalitySequence(torch.ones(n, 1, 2), torch.ones(n, 1, dtype=torch.bool))
    return MultimodalBatch(tuple(map(str, range(n))), {"text": sequence, "audio": vector}, torch.zeros(n))


@pytest.mark.statistical
def test_dropped_share_is_the_probability(many):
    """False-alarm rate below 1e-6: 5 standard errors of a binomial share (the seed is fixed)."""
    present = drop_modality(many, "text", probability=0.3, generator=generator()).modalities["text"].present
    assert abs(present.float().mean() - 0.7) < 5 * (0.21 / 2000) ** 0.5


def test_probability_zero_and_one(many):
    whole = drop_modality(many, "text", probability=0.0, generator=generator())
    assert torch.equal(whole.modalities["text"].values, many.modalities["text"].values)
    none = drop_modality(many, "text", probability=1.0, generator=generator())
    assert not none.modalities["text"].mask.any()


def test_keep_only_keeps_names_and_hides_the_rest(many):
    kept = keep_only(many, ["audio"]).modalities
    assert list(kept) == ["text", "audio"]
    assert not kept["text"].present.any()
    assert not kept["text"].values.any()
    assert torch.equal(kept["audio"].values, many.modalities["audio"].values)
    assert many.modalities["text"].present.all()


@pytest.mark.statistical
def test_noise_has_the_stated_strength(many):
    """False-alarm rate below 1e-6: 5 standard errors of a sample standard deviation (the seed is fixed)."""
    clean = many.modalities["text"]
    noisy = add_noise(many, "text", severity=0.5, generator=generator()).modalities["text"]
    noise = (noisy.values - clean.values)[clean.mask].flatten()
    assert abs(noise.std() - 0.5) < 5 * 0.5 / (2 * noise.numel()) ** 0.5
    assert torch.equal(noisy.mask, clean.mask)


def test_noise_of_severity_zero_is_none(many):
    same = add_noise(many, "text", severity=0.0, generator=generator())
    assert torch.equal(same.modalities["text"].values, many.modalities["text"].values)


@pytest.mark.parametrize("n", [2, 3, 50])
def test_swap_never_gives_a_sample_its_own(many, n):
    text = many.modalities["text"]
    few = MultimodalBatch(many.id[:n], {"text": ModalitySequence(text.values[:n], text.mask[:n])}, many.target[:n])
    for seed in range(10):
        text = swap_modality(few, "text", probability=1.0, generator=generator(seed)).modalities["text"]
        came_from = text.values[:, 0, 0]
        assert not (came_from == few.modalities["text"].values[:, 0, 0]).any()
        assert sorted(came_from.tolist()) == [float(i + 1) for i in range(n)]  # nobody twice
        rows = came_from.long() - 1
        assert torch.equal(text.mask, few.modalities["text"].mask[rows])  # values travel with their mask


PIECES, FRAMES = said([[2, 10, 3]]), sequences([3, 3])
NAN = float("nan")


@pytest.mark.parametrize(
    ("act", "given", "options", "code", "named"),
    [
        (add_noise, PIECES, {"name": "text", "severity": 0.1}, "unsupported", "'words'"),
        (drop_frames, PIECES, {"name": "text", "probability": 0.1}, "unsupported", "'words'"),
        (shift_frames, PIECES, {"name": "text", "share": 0.1}, "unsupported", "'words'"),
        (replace_words, PIECES, {"probability": 0.1}, "missing", "tokens=spec.tokens"),
        (replace_words, PIECES, {"probability": 1.1, "tokens": TOKENS}, "out_of_range", 1.1),
        (replace_words, FRAMES, {"probability": 0.1}, "unknown_name", "'text'"),
        (shift_frames, PIECES, {"name": "txt", "share": 0.1}, "unknown_name", "'text'"),
        (shift_frames, FRAMES, {"name": "audio", "share": 2.0}, "out_of_range", "share 2.0"),
        (drop_frames, FRAMES, {"name": "audio", "probability": -0.1}, "out_of_range", -0.1),
        (drop_modality, PIECES, {"name": "txt", "probability": 0.5}, "unknown_name", "'text'"),
        (drop_modality, FRAMES, {"name": "audio", "probability": 1.5}, "out_of_range", 1.5),
        (swap_modality, FRAMES, {"name": "audio", "probability": NAN}, "out_of_range", "nan"),
        (swap_modality, PIECES, {"name": "text", "probability": 1.0}, "empty", 2),
        (add_noise, FRAMES, {"name": "audio", "severity": -1}, "out_of_range", -1),
        (add_noise, FRAMES, {"name": "audio", "severity": NAN}, "out_of_range", "nan"),
    ],
)
def test_bad_arguments(act, given, options, code, named) -> None:
    with refused(code, named):
        act(given, **options, generator=generator())


@pytest.mark.parametrize(("names", "code"), [([], "empty"), (["video"], "unknown_name")])
def test_what_is_to_be_kept_has_to_be_there(names, code) -> None:
    with refused(code, "audio"):
        keep_only(FRAMES, names)
