"""Fixtures for all tests: seeded global generators, a separate cache, and the folder of the real data."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from comodal.contracts import InputError
from comodal.data.formats.mosi_utterances import locate


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Restore SIGINT, which a shell ignores in background processes, for tests that send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries that draw from the global generator
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep conversions out of the user's cache, also in commands that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMODAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def mosi_dir() -> Path:
    """Return the folder of the CMU-MOSI utterance file; without it, fail in CI and skip elsewhere."""
    try:
        return locate()
    except InputError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have the real data: {error}")
        pytest.skip(str(error))
