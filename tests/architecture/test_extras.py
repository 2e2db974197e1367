"""The command runs with the base dependencies alone, and a subcommand names the packages it lacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Packages of the extras of pyproject.toml that are not base dependencies.
EXTRAS = (
    "captum",
    "h5py",
    "kaleido",
    "mlflow",
    "onnx",
    "onnxruntime",
    "pandas",
    "peft",
    "plotly",
    "pooch",
    "starlette",
    "tensorboard",
    "transformers",
    "umap",
    "uvicorn",
    "wandb",
)
BLOCK = """
import sys
from importlib.machinery import PathFinder
class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {blocked!r} else PathFinder.find_spec(name, path, target)
    @classmethod
    def find_distributions(cls, *context):
        return (each for each in PathFinder.find_distributions(*context) if each.name not in {blocked!r})
sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
"""


def without(blocked: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh interpreter as if these packages were not installed."""
    script = BLOCK.format(blocked=set(blocked)) + code
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_every_command_loads_without_the_extras() -> None:
    result = without(EXTRAS, "from comodal.cli.commands import COMMANDS\nprint(*COMMANDS)")
    assert result.returncode == 0, result.stderr
    assert {"train", "compare", "report", "serve", "explain", "export"} <= set(result.stdout.split())


def test_a_missing_base_dependency_would_be_seen() -> None:
    result = without((*EXTRAS, "scipy"), "import scipy")
    assert "No module named 'scipy'" in result.stderr
    result = without((*EXTRAS, "rich"), "import comodal.cli.commands")
    assert "No module named 'rich'" in result.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made without any extra."""
    folder = tmp_path_factory.mktemp("extras") / "run"
    options = ["synthetic:redundant", "--penalty.measure", "kl", "--training.max_epochs", "1", "--out", str(folder)]
    result = without(EXTRAS, f"from comodal.cli import main\nsys.exit(main({['train', *options]!r}))")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("report {run} -o {new}", "comodal[report]"),
        ("serve {run} --port 0", "comodal[serve]"),
        ("export {run} {new} --onnx", "comodal[onnx]"),
        ("explain {run} --out {new}", "comodal[explain]"),
    ],
)
def test_a_subcommand_names_its_extra(command: str, extra: str, run: Path, tmp_path: Path) -> None:
    words = command.format(run=run, new=tmp_path / "new").split()
    result = without(EXTRAS, f"from comodal.cli import main\nsys.exit(main({words!r}))")
    assert result.returncode == 2
    assert extra in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
