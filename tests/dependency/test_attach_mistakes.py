"""Mistakes in attaching a penalty are answered with what is meant or what is there."""

from __future__ import annotations

import copy

import torch
from tests.support.hidden_representations import LAYERS, Hidden, batch
from tests.support.refusals import refused
from torch import nn

import comodal
from comodal.dependency.layer_paths import outline


def test_data_parallel_replicas_are_refused():
    model = Hidden()
    comodal.attach(model, LAYERS)  # dropped at once: its hooks keep nothing
    model(*batch())
    penalty = comodal.attach(model, LAYERS)
    replica = model.encoders["text"]._replicate_for_data_parallel()
    replica.weight, replica.bias = model.encoders["text"].weight, model.encoders["text"].bias
    with refused("conflict", "text", "DataParallel"):
        replica(batch()[0])
    assert penalty.training


def test_frozen_layers_are_refused_unless_the_penalty_only_measures():
    model = Hidden().requires_grad_(False)
    penalty = comodal.attach(model, LAYERS)
    model(*batch())
    with refused("conflict", "text", "audio", "frozen"):
        penalty()
    model.encoders["text"].requires_grad_(True)  # one tower may be frozen
    model(*batch())
    penalty().backward()
    model.requires_grad_(False)
    penalty.eval()
    model(*batch())
    assert torch.isfinite(penalty())


def test_a_wrong_path_is_answered_with_the_layers_that_are_there():
    model = Hidden()
    with refused("unknown_name", "encoders.txt", "'encoders.text'", "encoders has text, audio"):
        comodal.attach(model, LAYERS | {"text": "encoders.txt"})
    with refused("unknown_name", "zz", "Hidden has encoders(text, audio), head, unused"):
        comodal.attach(model, LAYERS | {"text": "zz"})
    with refused("unknown_name", "encoders.text.weight", "no layers"):
        comodal.attach(model, LAYERS | {"text": "encoders.text.weight"})
    with refused("wrong_type", "Linear", "'encoders.text'"):
        comodal.attach(model, LAYERS | {"text": model.encoders["text"]})
    with refused("wrong_type", "Linear"):
        comodal.attach(model, LAYERS | {"text": nn.Linear(2, 2)})
    with refused("unsupported", "ModuleDict", "'encoders.text'"):
        comodal.attach(model, LAYERS | {"text": "encoders"})


def test_the_outline_of_a_deep_model_is_short():
    block = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(30)))
    deep = nn.ModuleDict({f"tower{i}": copy.deepcopy(block) for i in range(12)})
    assert outline(deep, 200).startswith("tower0(0-29), tower1(0-29), ")
    assert outline(deep, 300).startswith("tower0(0-29(0, 1)), ")
    assert len(outline(deep, 20)) < 30


def test_an_output_object_is_answered_with_what_it_holds():
    class Output(dict):
        pass

    class Tower(nn.Linear):
        def forward(self, given):
            return Output(hidden=given.unsqueeze(1), pooled=super().forward(given))

    model = nn.ModuleDict({"text": Tower(5, 8), "audio": nn.Linear(3, 4)})
    penalty = comodal.attach(model, {"text": "text", "audio": "audio"})
    model["text"](torch.randn(6, 5))
    model["audio"](torch.randn(6, 3))
    with refused("wrong_type", "text", "Output", "hidden", (6, 1, 5), "lambda output: output['pooled']"):
        penalty()
    wrong = comodal.attach(model, {"text": "text", "audio": "audio"}, pool={"text": lambda output: output.keys()})
    model["text"](torch.randn(6, 5))
    model["audio"](torch.randn(6, 3))
    with refused("wrong_type", "pool", "text", "dict_keys"):
        wrong()


def test_mistakes_are_named():
    model = Hidden()
    with refused("unknown_name", "men"):
        comodal.attach(model, LAYERS, pool="men")
    with refused("missing", "text"):
        comodal.attach(model, {"text": "encoders.text"})
    with refused("conflict", "critic_steps"):
        comodal.attach(model, LAYERS, critic_steps=0)
    for name, wrong in (
        ("mutual", {"measure": "mutual"}),
        ("critc", {"critc": "joint"}),
        ("'weight'", {"weigth": 0.1}),
        ("'first'", {"pool": "cls"}),
        ("txt", {"pool": {"txt": "max"}}),
    ):
        with refused("unknown_name", name):
            comodal.attach(model, LAYERS, **wrong)
    with refused("out_of_range", "weight"):
        comodal.attach(model, LAYERS, weight=-1.0)
    with refused("conflict", "dims"):
        comodal.attach(model, LAYERS, dims=[8, 4])
    with refused("wrong_type", "Hidden"):
        comodal.attach(Hidden, LAYERS)
    for wrong in ({"pool": None}, {"measure": None}, {"measure": nn.Linear(2, 2)}):
        with refused("wrong_type", *wrong):
            comodal.attach(model, LAYERS, **wrong)
    with refused("wrong_type", "layers"):
        comodal.attach(model, list(LAYERS.values()))
    never = comodal.attach(model, LAYERS | {"idle": "unused"})
    model(*batch())
    with refused("missing", "idle"):
        never()
    penalty = comodal.attach(model, LAYERS)
    model(*batch())
    with refused("unknown_name", "txt"):
        penalty(mask={"txt": torch.ones(16, 2)})
    penalty()
    with refused("missing", "text"):
        penalty()
    model.encoders["text"](torch.randn(4, 2, 3, 5))
    model.encoders["audio"](torch.randn(4, 3))
    with refused("wrong_shape", "text"):
        penalty()
    with torch.no_grad():
        model(*batch())
    with refused("conflict", "gradients"):
        penalty()


def test_reentrant_checkpoints_would_lose_the_gradient():
    model = Hidden(checkpointed=True, reentrant=True)
    penalty = comodal.attach(model, LAYERS)
    model(*(each.requires_grad_() for each in batch()))
    with refused("conflict", "use_reentrant"):
        penalty()


def test_widths_that_change_are_refused():
    model = nn.ModuleDict({"text": nn.Identity(), "audio": nn.Identity()})
    penalty = comodal.attach(model, {"text": "text", "audio": "audio"})
    for width in (4, 5):
        model["text"](torch.randn(8, width, requires_grad=True))
        model["audio"](torch.randn(8, 3))
        if width == 4:
            penalty()
    with refused("wrong_shape", "text"):
        penalty()
