"""What every test shares: seeded global generators, a cache of its own, and the folder of the real data."""

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
    """Also in the background of a shell, which starts what it runs there deaf to the interrupts that tests send."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries that draw from the global generator
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is converted into the user's own cache, nor by a command that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMODAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def mosi_dir() -> Path:
    """Folder of the CMU-MOSI utterance file; its absence is a failure in CI and a skip elsewhere."""
    try:
        return locate()
    except InputError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have the real data: {error}")
        pytest.skip(str(error))
