"""Donors: never of one's own video, all others alike; tuples of a batch against plain indexing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused
from scipy.stats import chisquare

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.explain.broken_pairs import draw_donors, rearranged

GROUPS = np.array(list("aabbbbcdaca"))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
def test_donors_are_of_another_video_always(share: float) -> None:
    donor = draw_donors(GROUPS, share=share, rounds=500, seed=3)
    broken = donor != np.arange(len(GROUPS))
    assert (broken.sum(axis=1) == min(max(round(share * 11), 1), 10)).all()
    assert (GROUPS[donor] != GROUPS)[broken].all()


def test_every_sample_is_broken_and_every_donor_drawn_alike() -> None:
    """The false-alarm rate is 2 x 1e-4."""
    donor = draw_donors(GROUPS, share=0.5, rounds=6000, seed=0)
    broken = donor != np.arange(11)
    assert chisquare(broken.sum(axis=0)).pvalue > 1e-4
    of_first = np.bincount(donor[broken[:, 0], 0], minlength=11)
    assert (of_first[GROUPS == "a"] == 0).all()
    assert chisquare(of_first[GROUPS != "a"]).pvalue > 1e-4
    assert chisquare(of_first + 1).pvalue < 1e-4, "the same test sees donors that are not alike"


def test_draws_depend_on_the_seed_alone() -> None:
    first, again, other = (draw_donors(GROUPS, share=0.5, rounds=4, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"share": 0.0}, "out_of_range", "0.0"),
        ({"share": 1.0}, "out_of_range", "1.0"),
        ({"rounds": 0}, "out_of_range", "0"),
        ({"groups": ["a"] * 30}, "empty", "group"),
    ],
)
def test_bad_input_is_refused(changes, code, named) -> None:  # type: ignore[no-untyped-def]
    known = {"groups": GROUPS, "share": 0.5, "rounds": 1, "seed": 0, **changes}
    with refused(code, named):
        draw_donors(known.pop("groups"), **known)


def test_tuples_take_each_modality_from_its_row() -> None:
    text = ModalitySequence(torch.randn(4, 2, 3), torch.rand(4, 2) < 0.5)
    audio = ModalitySequence(torch.randn(4, 1, 2), torch.ones(4, 1).bool())
    batch = MultimodalBatch(tuple("abcd"), {"text": text, "audio": audio}, torch.arange(4.0))
    mixed = rearranged(batch, {"text": torch.tensor([3, 0, 3]), "audio": torch.tensor([1, 1, 2])})
    assert mixed.id == ("d", "a", "d")
    assert mixed.target.tolist() == [3.0, 0.0, 3.0]
    for place, (row, other) in enumerate([(3, 1), (0, 1), (3, 2)]):
        assert torch.equal(mixed.modalities["text"].values[place], text.values[row])
        assert torch.equal(mixed.modalities["text"].mask[place], text.mask[row])
        assert torch.equal(mixed.modalities["audio"].values[place], audio.values[other])
