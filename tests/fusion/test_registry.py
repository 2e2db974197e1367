from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from fusion_batches import spec_of
from refusals import refused

from comodal.contracts import InputSpec
from comodal.fusion import FUSIONS, fusion_family


@pytest.mark.parametrize("name", FUSIONS)
def test_every_family_is_a_model_and_a_config_with_defaults(name: str) -> None:
    family = fusion_family(name)
    assert isinstance(family.model.input_spec, InputSpec)
    assert dataclasses.is_dataclass(family.config)
    assert family.config() == family.config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.config().hidden = 3


@pytest.mark.parametrize(("wrong", "near"), [("erly", "early"), ("lnf", "lfn")])
def test_an_unknown_name_offers_the_nearest(wrong: str, near: str) -> None:
    with refused("unknown_name", wrong, near):
        fusion_family(wrong)


IMPOSSIBLE: dict[str, list[dict[str, Any]]] = {
    "lfn": [{"rank": 0}, {"rank": -1}],
    "ef_lstm": [{"layers": 0}, {"hidden": -2}, *({"input_scale": x} for x in (0.0, -1.0, math.inf, math.nan))],
    "late": [{"hidden": 0}, {"hidden": -1}],
    "tfn": [{"hidden": 0}, {"hidden": -1}],
    "mfn": [
        {"memory": 0},
        {"update": -1},
        {"retain_dropout": 1.0},
        {"dropout": -0.1},
        {"input_dropout": 2.0},
        *({"input_scale": x} for x in (0.0, -1.0, math.inf, math.nan)),
    ],
    "graph_mfn": [{"vertex": 0}, {"efficacy": -1}, {"graph_dropout": 1.0}, {"memory": 0}, {"input_scale": 0.0}],
    "misa": [
        *({size: 0} for size in ("width", "heads", "hidden", "moments")),
        {"feedforward": -1},
        {"similarity_weight": -0.1},
        {"difference_weight": math.nan},
        {"reconstruction_weight": -1.0},
    ],
    "mult": [
        {"width": 0},
        {"heads": -1},
        {"layers": 0},
        {"self_layers": 0},
        {"dropout": 1.0},
        {"attention_dropout": -0.1},
    ],
    "mag": [
        {"beta": -1.0},
        {"gate_layer": -1},
        {"freeze_layers": -2},
        {"lora_rank": -3},
        {"dropout": 1.0},
        {"head_dropout": -0.1},
    ],
}


@pytest.mark.parametrize(("name", "options"), [(name, each) for name, table in IMPOSSIBLE.items() for each in table])
def test_an_option_out_of_its_range_is_refused(name: str, options: dict[str, Any]) -> None:
    (option, value), *_ = options.items()
    with refused("out_of_range", option, value):
        fusion_family(name).config(**options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("misa", {"width": 64, "heads": 3}),
        ("mult", {"width": 10, "heads": 4}),
        ("mag", {"lora_rank": 4, "freeze_layers": 0}),
    ],
)
def test_options_that_contradict_each_other_are_refused(name: str, options: dict[str, Any]) -> None:
    with refused("conflict", *options):
        fusion_family(name).config(**options)


def test_an_unknown_pooling_offers_the_nearest() -> None:
    with refused("unknown_name", "max", "mean"):
        fusion_family("mag").config(pooling="max")


@pytest.mark.parametrize("name", ["mfn", "graph_mfn"])
def test_widths_that_do_not_fit_the_modalities_are_refused(name: str) -> None:
    family = fusion_family(name)
    with refused("out_of_range", "hidden", "'text'", 0):
        family.build(spec_of(name, 2), family.config(hidden=0))
    with refused("missing", "hidden", "'audio'", "audoi"):
        family.build(spec_of(name, 2), family.config(hidden={"text": 3, "audoi": 2}))


@pytest.mark.parametrize("name", ["ef_lstm", "mfn", "graph_mfn", "mag"])
def test_frames_that_are_not_aligned_are_refused(name: str) -> None:
    spec = dataclasses.replace(spec_of(name, 2, 4), aligned=False)
    with refused("unsupported", name):
        fusion_family(name).model.input_spec.require(spec, fusion=name)
