"""``import comodal`` costs as much as ``import torch``: heavy packages are loaded where they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import comodal

pytestmark = pytest.mark.slow

HEAVY = (
    "accelerate",
    "h5py",
    "jinja2",
    "jsonargparse",
    "lightning",
    "matplotlib",
    "optuna",
    "pandas",
    "peft",
    "plotly",
    "pyarrow",
    "pytorch_lightning",
    "rich",
    "scipy",
    "sklearn",
    "statsmodels",
    "transformers",
)
# Rooms whose names a user's own training loop needs: loading them must stay light too.
LIGHT_ROOMS = ("comodal.contracts", "comodal.data", "comodal.dependency", "comodal.encoders", "comodal.fusion")


def loaded_by(code: str, *, beyond: str = "import torch") -> set[str]:
    """Return the heavy packages that a fresh interpreter loads for ``code`` in addition to those of ``beyond``."""
    report = f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    script = f"import sys\n{beyond}\nbefore = set(sys.modules)\n{code}\n{report}\nprint(*before)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded, before = result.stdout.splitlines()
    return set(loaded.split()) - set(before.split())


def test_import_is_light() -> None:
    assert loaded_by("import comodal") == set()


def test_light_rooms_stay_light() -> None:
    light = [name for name, home in comodal._HOMES.items() if home.startswith(LIGHT_ROOMS)]
    assert "FusionOutput" in light
    assert loaded_by("import comodal\n" + "\n".join(f"comodal.{name}" for name in light)) == set()


@pytest.mark.parametrize("name", ["scipy", "rich", "jsonargparse"])
def test_the_check_can_fail(name: str) -> None:
    assert name in loaded_by(f"import comodal\nimport {name}")
