"""The configurations that the documentation names are ones that a comparison takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from refusals import refused

from comodal.cli import main
from comodal.evaluation.grid import CompareConfig
from comodal.fusion import FUSIONS

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


class _ReadError(Exception):
    """Ends a command when its configuration is known."""


def configs_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The configuration of every model of the comparison that a file makes."""
    found = []

    def compare(data: Any, config: CompareConfig, **options: Any) -> None:
        del data, options
        found.append(config)
        raise _ReadError

    monkeypatch.setattr("comodal.evaluation.comparison.compare", compare)
    with pytest.raises(_ReadError):
        main(["compare", "synthetic", "--config", str(path), "--out", str(path.parent / "never")])
    named = [name for name in FUSIONS if name in found[0].fusion_config]
    return [found[0].base_for(name).build_fusion_config() for name in named or found[0].fusions]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_makes_models(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configs_of(path, monkeypatch)


def test_an_option_that_no_model_has_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = next(path for path in EXAMPLES if path.stem == "mosi_models").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("input_scale", "input_scael", 1), encoding="utf-8")
    with refused("unknown_name", "'input_scael'", "'input_scale'"):
        configs_of(wrong, monkeypatch)
