from __future__ import annotations

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import refused
from small_tokenizers import bert_like
from tiny_language_models import VOCABULARY, TinyBackbones, save_tiny, tiny_config

from comodal.contracts.errors import Code
from comodal.encoders.backbone import LAYOUTS, layout_of, load_backbone, load_tokenizer


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBackbones:
    return TinyBackbones(tmp_path_factory.mktemp("backbones"))


@pytest.fixture
def folder(tiny: TinyBackbones, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(tiny("bert"), tmp_path / "bert"))


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def rewrite(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_weights_are_those_of_the_file(tiny: TinyBackbones, kind: str) -> None:
    stored = weights_of(Path(tiny(kind)))
    model = load_backbone(tiny(kind))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, stored[name]), name
    assert {name for name in stored if name not in dict(model.named_parameters())} <= {
        "pooler.dense.weight",
        "pooler.dense.bias",
    }


def test_it_is_ready_for_training_as_any_new_module(tiny: TinyBackbones) -> None:
    assert all(module.training for module in load_backbone(tiny("bert")).modules())


def test_weights_of_half_precision_become_single(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    rewrite(folder, {name: value.to(torch.bfloat16) for name, value in weights_of(folder).items()})
    assert {p.dtype for p in load_backbone(str(folder)).parameters()} == {torch.float32}


def test_loading_is_quiet_and_leaves_the_settings_alone(tiny: TinyBackbones, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_info()
    logging.enable_progress_bar()
    try:
        capfd.readouterr()
        load_backbone(tiny("bert"))  # leaves its pooler out
        assert capfd.readouterr() == ("", "")
        assert logging.get_verbosity() == logging.INFO
        assert logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity(level)
        if not bars:
            logging.disable_progress_bar()


def test_a_folder_needs_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bert_like().save_pretrained(folder)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load_backbone(str(folder))
    load_tokenizer(str(folder))


def test_no_name_says_how_to_give_one() -> None:
    for load in (load_backbone, load_tokenizer):
        with refused("missing", "fusion_config.backbone"):
            load("")


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "~/no/where", "some/where/else"])
def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(name: str) -> None:
    with refused("missing", name):
        load_backbone(name)


def test_a_name_that_cannot_be_had_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    asked = []

    def fail(name: str, **options: Any) -> Any:
        asked.append((name, options["local_files_only"]))
        raise OSError("We could not connect\nto the hub\n")

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", fail)
    with refused("unavailable", "owner/model", "We could not connect", "config.json"):
        load_backbone("owner/model")
    assert asked == [("owner/model", False)]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    for load in (load_backbone, load_tokenizer):
        with refused("damaged", tmp_path, "config.json"):
            load(str(tmp_path))


@pytest.mark.parametrize("keep", [0, 7, 100, 3000])
def test_cut_off_weights_are_refused(folder: Path, keep: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with refused("damaged", folder):
        load_backbone(str(folder))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "bert", "hidden_size": "many"}', '{"model_type": 3}'])
def test_a_damaged_config_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with refused("damaged", folder):
        load_backbone(str(folder))


def test_missing_weights_are_no_warning_but_an_error(folder: Path) -> None:
    weights = weights_of(folder)
    rewrite(folder, {name: value for name, value in weights.items() if ".1." not in name})
    with refused("damaged", folder, 16, "encoder.layer.1.attention"):
        load_backbone(str(folder))


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"intermediate_size": 48}
    (folder / "config.json").write_text(json.dumps(config))
    with refused("damaged", folder):
        load_backbone(str(folder))


def test_a_pooler_must_have_been_trained(folder: Path, tiny: TinyBackbones) -> None:
    assert load_backbone(str(folder), pooler=True).pooler is not None
    assert load_backbone(str(folder)).pooler is None
    weights = weights_of(folder)
    rewrite(folder, {name: value for name, value in weights.items() if "pooler" not in name})
    load_backbone(str(folder))
    with refused("missing", folder, "pooling=mean"):
        load_backbone(str(folder), pooler=True)
    with refused("unsupported", "'xlnet'", "pooling=mean"):
        load_backbone(tiny("xlnet"), pooler=True)


@pytest.mark.parametrize(
    ("kind", "code", "near"),
    [
        ("albert", "unsupported", "bert, roberta"),
        ("gpt2", "unknown_name", "bert, roberta"),
        ("modernbert-decoder", "unknown_name", "'modernbert'"),
    ],
)
def test_an_unknown_kind_names_the_known_ones(tmp_path: Path, kind: str, code: Code, near: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    for load in (load_backbone, load_tokenizer):
        with refused(code, f"'{kind}'", near):
            load(str(tmp_path))


def test_a_layout_is_looked_up_by_type() -> None:
    assert layout_of("bert", where="x").pooler
    assert layout_of("xlnet", where="x").time_first


def test_the_tokenizer_of_a_backbone(tmp_path: Path) -> None:
    name = save_tiny(tmp_path, tokenizer=bert_like())
    tokenizer = load_tokenizer(name)
    assert tokenizer.is_fast
    assert tokenizer("so good")["input_ids"] == [2, 4, 5, 3]


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(tmp_path: Path) -> None:
    tokenizer = bert_like()
    tokenizer.add_tokens([f"word{number}" for number in range(VOCABULARY)])
    name = save_tiny(tmp_path, tokenizer=tokenizer)
    with refused("mismatch", len(tokenizer), VOCABULARY):
        load_tokenizer(name)


def test_a_folder_without_a_tokenizer_is_refused(tiny: TinyBackbones) -> None:
    with refused("damaged"):
        load_tokenizer(tiny("modernbert"))


def test_a_slow_tokenizer_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    class Slow:
        is_fast = False

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: Slow())
    with refused("unsupported", folder):
        load_tokenizer(str(folder))


def test_without_transformers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    importer = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "transformers":
            raise ImportError("No module named 'transformers'")
        return importer(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with refused("needs_package", "pip install", "transformers"):
        load_backbone("anything")


def test_every_known_kind_is_one_of_transformers() -> None:
    for kind in LAYOUTS:
        assert tiny_config(kind).model_type == kind


def test_the_documentation_names_every_kind() -> None:
    models = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"`model_type`s (.*?)[;.]", models, re.DOTALL)
    assert re.findall(r"`([\w-]+)`", listed) == list(LAYOUTS)
