from __future__ import annotations

import pytest
import torch
from refusals import refused

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.data.corruption_acts import add_noise, drop_modality, keep_only, swap_modality


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def many():
    """2000 utterances; values of row i are all i + 1, so that rows can be told apart."""
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
    clean, noisy = (
        many.modalities["text"],
        add_noise(many, "text", severity=0.5, generator=generator()).modalities["text"],
    )
    noise = (noisy.values - clean.values)[clean.mask].flatten()
    assert abs(noise.std() - 0.5) < 5 * 0.5 / (2 * noise.numel()) ** 0.5
    assert torch.equal(noisy.mask, clean.mask)


def test_noise_of_severity_zero_is_none(many):
    same = add_noise(many, "text", severity=0.0, generator=generator())
    assert torch.equal(same.modalities["text"].values, many.modalities["text"].values)


@pytest.mark.parametrize("n", [2, 3, 50])
def test_swap_never_gives_an_utterance_its_own(many, n):
    few = MultimodalBatch(
        many.id[:n],
        {name: ModalitySequence(s.values[:n], s.mask[:n]) for name, s in many.modalities.items()},
        many.target[:n],
    )
    for seed in range(10):
        text = swap_modality(few, "text", probability=1.0, generator=generator(seed)).modalities["text"]
        came_from = text.values[:, 0, 0]
        assert not (came_from == few.modalities["text"].values[:, 0, 0]).any()
        assert sorted(came_from.tolist()) == [float(i + 1) for i in range(n)]  # nobody twice
        rows = came_from.long() - 1
        assert torch.equal(text.mask, few.modalities["text"].mask[rows])  # values travel with their mask


@pytest.mark.parametrize(
    ("call", "code", "named"),
    [
        (lambda b: drop_modality(b, "txt", probability=0.5, generator=generator()), "unknown_name", "'text'"),
        (lambda b: drop_modality(b, "text", probability=1.5, generator=generator()), "out_of_range", 1.5),
        (lambda b: swap_modality(b, "text", probability=float("nan"), generator=generator()), "out_of_range", "nan"),
        (lambda b: add_noise(b, "text", severity=-1, generator=generator()), "out_of_range", -1),
        (lambda b: add_noise(b, "text", severity=float("nan"), generator=generator()), "out_of_range", "nan"),
        (lambda b: keep_only(b, []), "empty", "text"),
        (lambda b: keep_only(b, ["video"]), "unknown_name", "'video'"),
    ],
)
def test_bad_arguments(many, call, code, named):
    with refused(code, named):
        call(many)


def test_a_batch_of_one_cannot_swap(toy):
    from comodal.data.collate import batch

    with refused("empty", 1, 2):
        swap_modality(batch(toy, [0]), "text", probability=1.0, generator=generator())
