"""The example programs run against the real libraries."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_trains_with_the_penalty(path: Path) -> None:
    logged = runpy.run_path(str(path))["main"]()
    assert logged["penalty/kl"] == pytest.approx(-0.1 * logged["dependency/kl"])
