from __future__ import annotations

from math import comb

import pytest
import torch
from plain_networks import ragged_batch
from refusals import refused
from scipy.stats import binom

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders import ModalityDropout, mask_absent, presence, require_modalities

FALSE_ALARM = 1e-6


def hidden_share(rate: float, modalities: int) -> float:
    """Probability that one modality is hidden: chance hides it, and it is not the spared one of an all-hidden row.

    All M are hidden with probability rate^M, and then each is as likely as another to be spared.
    """
    return rate - rate**modalities / modalities


@pytest.mark.statistical
@pytest.mark.parametrize("modalities", [2, 3, 5])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.9])
def test_rate_is_the_one_asked_for(rate: float, modalities: int) -> None:
    """Two-sided exact binomial limits: false-alarm rate 1e-6 a modality, at most 3e-5 for all cases together."""
    rows = 20_000
    kept = ModalityDropout(rate)(torch.ones(rows, modalities, dtype=torch.bool))
    for hidden in (~kept).sum(dim=0).tolist():
        low, high = binom.interval(1 - FALSE_ALARM, rows, hidden_share(rate, modalities))
        assert low <= hidden <= high
        wrong_low, wrong_high = binom.interval(1 - FALSE_ALARM, rows, hidden_share(rate / 2, modalities))
        assert not wrong_low <= hidden <= wrong_high, "half the rate must be told apart"


@pytest.mark.statistical
def test_modalities_are_hidden_independently_but_for_the_last() -> None:
    """The number hidden of 4 is binomial with the all-hidden case moved to 3: false-alarm rate 4e-6 over 4 counts."""
    rows, rate = 20_000, 0.4
    kept = ModalityDropout(rate)(torch.ones(rows, 4, dtype=torch.bool))
    counts = torch.bincount((~kept).sum(dim=1), minlength=5).tolist()
    shares = [comb(4, k) * rate**k * (1 - rate) ** (4 - k) for k in range(5)]
    shares[3] += shares.pop(4)
    assert counts.pop(4) == 0
    for count, share in zip(counts, shares, strict=True):
        low, high = binom.interval(1 - FALSE_ALARM, rows, share)
        assert low <= count <= high


def test_always_keeps_a_present_modality_and_brings_back_no_absent_one() -> None:
    present = torch.rand(5000, 3) < 0.5
    kept = ModalityDropout(0.95)(present)
    assert not (kept & ~present).any()
    assert torch.equal(kept.any(dim=1), present.any(dim=1))
    assert (kept.sum(dim=1) < present.sum(dim=1)).any(), "nothing was hidden: the law was not put to the test"


def test_is_the_identity_in_evaluation_and_at_rate_zero() -> None:
    present = torch.rand(100, 3) < 0.5
    assert torch.equal(ModalityDropout(0.9).eval()(present), present)
    assert torch.equal(ModalityDropout(0.0)(present), present)
    assert not torch.equal(ModalityDropout(0.9)(present), present)


def test_one_modality_alone_is_never_hidden() -> None:
    present = torch.ones(500, 1, dtype=torch.bool)
    assert torch.equal(ModalityDropout(0.99)(present), present)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with refused("out_of_range", "modality_dropout", rate):
        ModalityDropout(rate)


def test_presence_follows_the_names_and_not_the_order_of_the_batch() -> None:
    there = ModalitySequence(torch.zeros(2, 2, 1), torch.tensor([[True, False], [True, True]]))
    half = ModalitySequence(torch.zeros(2, 1, 1), torch.tensor([[False], [True]]))
    batch = MultimodalBatch(("a", "b"), {"audio": half, "text": there}, torch.zeros(2))
    assert presence(batch, ["audio", "text"]).tolist() == [[False, True], [True, True]]
    assert presence(batch, ["text", "audio"]).tolist() == [[True, False], [True, True]]


def test_mask_absent_blanks_exactly_the_absent_even_where_it_is_not_finite() -> None:
    values = {"text": torch.randn(3, 2), "audio": torch.randn(3, 4)}
    values["audio"][0] = float("inf")
    present = torch.tensor([[True, False], [False, True], [True, True]])
    text, audio = mask_absent(values, present)
    assert torch.equal(text, torch.stack([values["text"][0], torch.zeros(2), values["text"][2]]))
    assert torch.equal(audio, torch.stack([torch.zeros(4), *values["audio"][1:]]))


def test_a_modality_that_is_absent_from_every_sample_is_no_obstacle() -> None:
    require_modalities(ragged_batch({"text": 2, "audio": 1}, {"text": [3, 1], "audio": [0, 0]}), ["audio", "text"])


def test_the_first_modality_that_a_batch_lacks_is_named() -> None:
    with refused("missing", "'audio'"):
        require_modalities(ragged_batch({"text": 2}, {"text": [3]}), ["text", "audio", "vision"])
