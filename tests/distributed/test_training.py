"""Training in two real processes finds what one process finds with the global batch."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.two_processes import in_two_processes

from comodal.contracts import PredictionTable
from comodal.training.weights import load_weights

WORKER = Path(__file__).with_name("training_worker.py")
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {"penalty": {}, "training": {}},
    "kl": {"penalty": {"measure": "kl", "critic_steps": 2}, "training": {"augment": ["noise:audio=0.3"]}},
    "simultaneous": {"penalty": {"measure": "f", "critic_steps": 0}, "training": {"accumulate": 3}},
    "fresh": {
        "penalty": {"measure": "wasserstein", "weight": 0.03, "fresh_batches": True, "between": "fusion"},
        "training": {"schedule": "linear", "gradient_clip": 0.05},
    },
    "few labels": {
        "penalty": {"measure": "kl", "critic_steps": 2},
        "training": {"label_budget": 21, "accumulate": 2, "augment": ["noise:audio=0.3"]},
    },
    "few labels, fresh": {
        "penalty": {"measure": "f", "fresh_batches": True, "critic_steps": 2, "between": "fusion"},
        "training": {"label_budget": 21},
    },
    "no task": {"penalty": {"measure": "f", "critic_steps": 2}, "training": {}, "labels": False},
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute as the workers do, bit for bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every variant, trained in two processes."""
    folder = tmp_path_factory.mktemp("together")
    in_two_processes(str(WORKER), str(folder), json.dumps(VARIANTS))
    return folder


def history(folder: Path) -> list[dict[str, float]]:
    (file,) = folder.rglob("history.json")
    epochs: list[dict[str, float]] = json.loads(file.read_text())["epochs"]
    return epochs


def weights(folder: Path) -> torch.Tensor:
    """All weights of the model, in one vector."""
    (file,) = folder.rglob("weights.safetensors")
    return torch.cat([value.flatten() for name, value in load_weights(file).items() if name.startswith("model.")])


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.slow
def test_two_processes_find_what_one_finds(name: str, together: Path, tmp_path: Path) -> None:
    """59 samples in batches of 16: the last batch has 11, so the shares of the processes differ.

    Of 21 labels the last batch has 5, of 38 samples without labels 6.
    """
    alone = runpy.run_path(str(WORKER))["run"](tmp_path, **VARIANTS[name])
    for one, two in zip(history(tmp_path), history(together / name), strict=True):
        assert two == pytest.approx(one, abs=1e-6)
    expected, found = weights(tmp_path), weights(together / name)
    # AdamW makes whole steps even of gradients that are rounding errors: a few weights may differ by more.
    assert (found - expected).norm() <= 1e-5 * expected.norm()
    predictions = PredictionTable.from_parquet(together / name / "predictions.parquet")
    assert predictions.prediction == pytest.approx(alone.prediction, abs=1e-5, nan_ok=True)
    found_scores, scores = (each - each.mean() for each in (predictions.critic_score, alone.critic_score))
    assert found_scores == pytest.approx(scores, abs=1e-4, nan_ok=True)


@pytest.mark.slow
def test_terminated_and_resumed_bit_for_bit(together: Path, tmp_path: Path) -> None:
    """SIGTERM in the middle of the second epoch, to the process that writes nothing."""
    name = "few labels"
    command = (str(WORKER), str(tmp_path), json.dumps({name: VARIANTS[name]}))
    in_two_processes(*command, "5", status=143)
    assert list(tmp_path.rglob("last.ckpt"))
    assert not list(tmp_path.rglob("history.json"))
    in_two_processes(*command)
    assert history(tmp_path) == history(together / name)
    assert torch.equal(weights(tmp_path), weights(together / name))


@pytest.mark.slow
def test_the_command_prints_one_report(tmp_path: Path) -> None:
    command = "import sys; from comodal.cli import main; sys.exit(main(sys.argv[1:]))"
    words = "train synthetic:redundant --training.max_epochs 1 --json --out"
    first, second = in_two_processes("-c", command, *words.split(), str(tmp_path / "run"))
    assert json.loads(first)
    assert not second
