"""The contracts of .importlinter hold on the package, and each of them can fail."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# Contract, the module that gets one more line, and the line.
OFFENCES = [
    ("layers", "contracts/errors.py", "import comodal.metrics"),
    ("layers", "metrics/metric.py", "from comodal import resampling"),
    ("layers", "resampling.py", "from comodal.distributions import __doc__ as above"),
    ("layers", "data/__init__.py", "import comodal.encoders"),
    ("layers", "encoders/__init__.py", "import comodal.fusion"),
    ("layers", "dependency/__init__.py", "import comodal.fusion"),
    ("layers", "fusion/__init__.py", "import comodal.dependency"),
    ("layers", "objective.py", "import comodal.training"),
    ("layers", "training/__init__.py", "import comodal.evaluation"),
    ("layers", "evaluation/__init__.py", "def later():\n    import comodal.reports"),
    ("layers", "reports/__init__.py", "import comodal.cli"),
    ("layers", "serve/__init__.py", "import comodal.cli"),
    ("layers", "reports/__init__.py", "import comodal.serve"),
    ("layers", "attic.py", '"""A module with no place in the layers."""'),
    ("front-door", "metrics/metric.py", "import comodal"),
    ("front-door", "dependency/__init__.py", "from comodal import InputError"),
    ("no-data-in-models", "fusion/__init__.py", "import comodal.data"),
    ("no-data-in-models", "dependency/__init__.py", "from comodal.data import formats"),
    ("no-data-in-models", "encoders/__init__.py", "import comodal.data.formats"),
    ("no-data-in-models", "objective.py", "import comodal.data"),
    ("reports-read-tables", "reports/__init__.py", "import comodal.evaluation"),
    ("reports-read-tables", "reports/__init__.py", "import comodal.data"),
    ("layers", "cli/__init__.py", "def later():\n    import comodal.integrations"),
    ("integrations", "integrations/__init__.py", "import comodal.training"),
    ("integrations", "integrations/lightning.py", "from comodal.data import formats"),
    ("lightning", "training/__init__.py", "def later():\n    import lightning.pytorch"),
    ("lightning", "dependency/__init__.py", "import pytorch_lightning"),
    ("accelerate", "evaluation/__init__.py", "import accelerate"),
    ("accelerate", "dependency/__init__.py", "def later():\n    from accelerate import Accelerator"),
    ("plotting", "evaluation/__init__.py", "import matplotlib.pyplot as plt"),
    ("plotting", "metrics/metric.py", "import plotly.express as px"),
    ("web", "reports/__init__.py", "import starlette"),
    ("web", "cli/__init__.py", "def later():\n    import uvicorn"),
    ("transformers", "data/__init__.py", "from transformers import AutoTokenizer"),
    ("transformers", "training/__init__.py", "def later():\n    import peft"),
    ("pickle", "data/__init__.py", "import pickle"),
    ("pickle", "training/__init__.py", "from pickle import loads"),
]

# What a contract allows although it looks like an offence.
ALLOWED = [
    ("front-door", "cli/__init__.py", "import comodal"),
    ("reports-read-tables", "reports/__init__.py", "import comodal.metrics\nimport comodal.contracts"),
    ("integrations", "integrations/extra.py", "import comodal.dependency"),
    ("lightning", "integrations/extra.py", "import pytorch_lightning"),
    ("accelerate", "training/extra.py", "import accelerate"),
    ("plotting", "reports/figures.py", "import plotly.express as px"),
    ("web", "serve/extra.py", "import starlette"),
    ("transformers", "encoders/language.py", "import transformers"),
    ("transformers", "integrations/extra.py", "import transformers"),
    ("pickle", "data/formats/legacy.py", "import pickle"),
]


def contracts() -> dict[str, str]:
    """Identifier to printed name of every contract."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    sections = (name for name in parser.sections() if name.startswith("importlinter:contract:"))
    return {name.rpartition(":")[2]: parser[name]["name"] for name in sections}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that a test may change."""
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "src" / "comodal", tmp_path / "comodal", ignore=ignore))


def lint(folder: Path, *contract: str) -> subprocess.CompletedProcess[str]:
    """Run lint-imports on the package in ``folder``."""
    chosen = [word for name in contract for word in ("--contract", name)]
    command = [str(LINT_IMPORTS), "--no-logo", "--no-cache", "--config", str(ROOT / ".importlinter"), *chosen]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def add_line(package: Path, module: str, line: str) -> None:
    """Append a line to a module, new or existing."""
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


def test_contracts_hold_on_the_package() -> None:
    result = lint(ROOT / "src")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(contracts())} kept, 0 broken" in result.stdout


def test_every_contract_has_an_offence() -> None:
    assert {contract for contract, _, _ in OFFENCES} == set(contracts())


@pytest.mark.parametrize(("contract", "module", "line"), OFFENCES)
def test_an_offence_breaks_its_contract(package: Path, contract: str, module: str, line: str) -> None:
    add_line(package, module, line)
    result = lint(package.parent, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contracts()[contract]} BROKEN" in result.stdout


@pytest.mark.parametrize(("contract", "module", "line"), ALLOWED)
def test_an_exception_keeps_its_contract(package: Path, contract: str, module: str, line: str) -> None:
    add_line(package, module, line)
    result = lint(package.parent, contract)
    assert result.returncode == 0, result.stdout + result.stderr
