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
    "lightning",
    "mlflow",
    "onnx",
    "onnxruntime",
    "pandas",
    "peft",
    "plotly",
    "pooch",
    "pytorch_lightning",
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


def command(line: str, blocked: tuple[str, ...] = EXTRAS) -> subprocess.CompletedProcess[str]:
    """The command in a fresh interpreter."""
    return without(blocked, f"from comodal.cli import main\nsys.exit(main({line.split()!r}))")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made without any extra."""
    folder = tmp_path_factory.mktemp("extras") / "run"
    result = command(f"train synthetic:redundant --penalty.measure kl --training.max_epochs 1 --out {folder}")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "evaluate {run} --json",
        "predict {run} synthetic:redundant -o {new}.csv",
        "robustness {run} --scenarios subsets --out {new}",
        "export {run} {new}",
    ],
)
def test_a_subcommand_needs_no_extra(line: str, run: Path, tmp_path: Path) -> None:
    result = command(line.format(run=run, new=tmp_path / "new"))
    assert result.returncode == 0, result.stderr


def test_a_missing_base_dependency_would_be_seen(run: Path) -> None:
    result = command(f"evaluate {run}", (*EXTRAS, "rich"))
    assert "No module named 'rich'" in result.stderr


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("report {run} -o {new}", "plotly"),
        ("serve {run} --port 0", "starlette"),
        ("export {run} {new} --onnx", "onnxruntime"),
        ("explain {run} --out {new}", "captum"),
    ],
)
def test_a_subcommand_names_the_package_that_it_needs(line: str, package: str, run: Path, tmp_path: Path) -> None:
    result = command(line.format(run=run, new=tmp_path / "new"))
    assert result.returncode == 2
    assert package in result.stderr
    assert "pip install" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_callback_names_the_package_that_it_needs() -> None:
    result = without(EXTRAS, "import comodal.integrations.lightning")
    error = result.stderr.splitlines()[-1]
    assert "InputError" in error
    assert "Lightning" in error
    assert "pip install" in error
