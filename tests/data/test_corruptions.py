"""Corruptions as values: laws that every kind keeps, how they are written, and what happens one after another."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.contracts.errors import Code
from comodal.data.corruption_acts import add_noise, drop_modality, swap_modality
from comodal.data.corruptions import KINDS, Corruption, corrupt, kinds_for, parse_corruption

TOKENS = TokenSpec("toy", 50, pad_id=0, unknown_id=1, max_length=12, special_ids=(2, 3))
ROWS, STEPS = 40, 12


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features(width: int, seed: int) -> ModalitySequence:
    mask = torch.arange(STEPS) < torch.randint(0, STEPS + 1, (ROWS, 1), generator=generator(seed))
    values = torch.randn(ROWS, STEPS, width, generator=generator(seed + 100))
    values[::7] = -0.0  # a bit that an addition of 0 would change
    return ModalitySequence(torch.where(mask.unsqueeze(-1), values, torch.zeros(())), mask)


def pieces() -> ModalitySequence:
    mask = torch.arange(STEPS) < torch.randint(3, STEPS + 1, (ROWS, 1), generator=generator(9))
    ids = torch.randint(2, 50, (ROWS, STEPS), generator=generator(8))
    return ModalitySequence(torch.stack([ids * mask, torch.zeros_like(ids)], dim=-1).int(), mask)


def batch_of(text: ModalitySequence) -> MultimodalBatch:
    modalities = {"text": text, "audio": features(3, 2), "vision": features(2, 3)}
    return MultimodalBatch(
        tuple(f"u{row}" for row in range(ROWS)), modalities, torch.randn(ROWS, generator=generator())
    )


WITH_FEATURES, WITH_PIECES = batch_of(features(4, 1)), batch_of(pieces())
CASES = [
    *((kind, "text", WITH_FEATURES) for kind in KINDS),
    *((kind, "audio", WITH_FEATURES) for kind in KINDS if kind != "words"),
    *((kind, "text", WITH_PIECES) for kind in ("drop", "swap", "words")),
]
IDS = [f"{kind}-{name}-{'pieces' if batch is WITH_PIECES else 'features'}" for kind, name, batch in CASES]
every_kind = pytest.mark.parametrize(("kind", "name", "batch"), CASES, ids=IDS)


def bits(batch: MultimodalBatch) -> list[bytes]:
    tensors = [tensor for sequence in batch.modalities.values() for tensor in sequence]
    return [tensor.contiguous().numpy().tobytes() for tensor in (*tensors, batch.target)]


def run(kind: str, name: str, severity: float, batch: MultimodalBatch, seed: int = 0) -> ModalitySequence:
    return Corruption(kind, name, severity).apply(batch, generator(seed), tokens=TOKENS).modalities[name]


@every_kind
@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_the_batch_given_never_changes_and_chance_is_the_generators(kind, name, batch, severity) -> None:
    before, state = bits(batch), torch.get_rng_state()
    corruption = Corruption(kind, name, severity)
    first = corruption.apply(batch, generator(3), tokens=TOKENS)
    assert bits(batch) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert bits(corruption.apply(batch, generator(3), tokens=TOKENS)) == bits(first)
    assert (bits(first) == before) == (severity == 0.0)
    if severity == 0.5:
        assert bits(corruption.apply(batch, generator(4), tokens=TOKENS)) != bits(first)


@every_kind
def test_shapes_types_padding_and_the_other_modalities_stay(kind, name, batch) -> None:
    after = Corruption(kind, name, 0.6).apply(batch, generator(), tokens=TOKENS)
    assert (after.id, list(after.modalities)) == (batch.id, list(batch.modalities))
    for each, (values, mask) in after.modalities.items():
        was = batch.modalities[each]
        assert (values.shape, values.dtype, mask.shape, mask.dtype) == (
            was.values.shape,
            was.values.dtype,
            was.mask.shape,
            torch.bool,
        )
        assert not values[~mask].any()
        lengths = mask.sum(dim=1, keepdim=True)
        assert torch.equal(mask, torch.arange(STEPS) < lengths), "padding is at the right"
        if each != name:
            assert torch.equal(values, was.values)
            assert torch.equal(mask, was.mask)


@every_kind
def test_what_is_drawn_does_not_depend_on_the_severity(kind, name, batch) -> None:
    """So the corruption after it in a composition is the same, and a curve is one draw at several severities."""
    draws = []
    for severity in (0.0, 0.3, 1.0):
        chance = generator(5)
        Corruption(kind, name, severity).apply(batch, chance, tokens=TOKENS)
        draws.append(torch.rand(3, generator=chance).tolist())
    assert draws[0] == draws[1] == draws[2]


@pytest.mark.parametrize("kind", ["drop", "frames", "swap", "shift", "words"])
def test_a_higher_severity_touches_all_that_a_lower_one_does(kind: str) -> None:
    was = WITH_FEATURES.modalities["text"]

    def touched(severity: float) -> torch.Tensor:
        values, mask = run(kind, "text", severity, WITH_FEATURES)
        return ((values != was.values).any(dim=-1) | (mask != was.mask)).any(dim=1)

    reached = [touched(severity) for severity in (0.1, 0.2, 0.4, 0.7, 1.0)]
    for less, more in itertools.pairwise(reached):
        assert not (less & ~more).any()
    assert reached[0].sum() < reached[-1].sum()


def test_noise_of_one_draw_grows_in_proportion() -> None:
    was = WITH_FEATURES.modalities["audio"].values
    small, large = (run("noise", "audio", severity, WITH_FEATURES).values - was for severity in (0.25, 1.0))
    torch.testing.assert_close(large, 4 * small, atol=2e-6, rtol=1e-5)
    assert large.abs().max() > 1


def test_several_are_applied_in_the_order_given() -> None:
    chance = generator(7)
    expected = drop_modality(WITH_FEATURES, "text", probability=0.5, generator=chance)
    expected = add_noise(expected, "audio", severity=0.3, generator=chance)
    expected = swap_modality(expected, "audio", probability=0.5, generator=chance)
    written = [parse_corruption(text) for text in ("drop:text=0.5", "noise:audio=0.3", "swap:audio=0.5")]
    assert bits(corrupt(WITH_FEATURES, written, generator(7))) == bits(expected)
    assert bits(corrupt(WITH_FEATURES, written[::-1], generator(7))) != bits(expected)
    assert corrupt(WITH_FEATURES, [], generator()) is WITH_FEATURES


@given(st.sampled_from(list(KINDS)), st.floats(0, 1))
def test_names_are_read_back_exactly(kind: str, severity: float) -> None:
    corruption = Corruption(kind, "text", severity)
    assert parse_corruption(corruption.name) == corruption


def test_names_are_short() -> None:
    assert Corruption("drop", "text", 1).name == "drop:text=1"
    assert Corruption("noise", "audio", 0.5).name == "noise:audio=0.5"
    assert parse_corruption(" noise : audio = 0.50 ") == Corruption("noise", "audio", 0.5)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("nose:audio=0.5", "unknown_name", "'noise'"),
        ("noise:audio=1.5", "out_of_range", "noise:audio 1.5"),
        ("noise:audio=-0.1", "out_of_range", -0.1),
        ("noise:audio=nan", "out_of_range", "nan"),
        ("noise:audio=half", "wrong_type", "'half'"),
        ("words:audio=0.5", "unsupported", "words:text"),
        ("noise audio 0.5", "invalid", "KIND:MODALITY=SEVERITY"),
        ("noise:audio", "invalid", "KIND:MODALITY=SEVERITY"),
        ("noise=0.5", "invalid", "KIND:MODALITY=SEVERITY"),
        ("", "invalid", "KIND:MODALITY=SEVERITY"),
    ],
)
def test_another_form_is_refused_in_one_line(text: str, code: Code, named: object) -> None:
    with refused(code, named):
        parse_corruption(text)


def test_an_unknown_modality_is_refused_at_any_severity() -> None:
    for severity in (0.0, 0.5):
        with refused("unknown_name", "'audoi'", "'audio'"):
            Corruption("noise", "audoi", severity).apply(WITH_FEATURES, generator())


VECTORS = DatasetSpec("v", {"text": 4, "audio": 3}, {"text": 1, "audio": 1})
FRAMES = DatasetSpec("f", {"text": 4, "audio": 3}, {"text": 9, "audio": 9})


@pytest.mark.parametrize(
    ("spec", "modality", "kinds"),
    [
        (VECTORS, "text", "drop noise swap words"),
        (VECTORS, "audio", "drop noise swap"),
        (FRAMES, "text", "drop frames noise swap shift words"),
        (FRAMES, "audio", "drop frames noise swap shift"),
        (dataclasses.replace(FRAMES, tokens=TOKENS), "text", "drop swap words"),
        (dataclasses.replace(FRAMES, tokens=TOKENS), "audio", "drop frames noise swap shift"),
    ],
)
def test_the_kinds_that_make_sense(spec: DatasetSpec, modality: str, kinds: str) -> None:
    assert kinds_for(spec, modality) == tuple(kinds.split())
    for kind in KINDS:
        if kind == "words" and modality != "text":
            continue
        corruption = Corruption(kind, modality, 0.5)
        if kind in kinds.split():
            corruption.require(spec)
        else:
            with refused("unsupported", f"{kind}:{modality}=0.5", "drop"):
                corruption.require(spec)


def test_kinds_of_an_unknown_modality() -> None:
    with refused("unknown_name", "v: ", "'txt'", "'text'"):
        kinds_for(VECTORS, "txt")
