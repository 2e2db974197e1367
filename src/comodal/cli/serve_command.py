"""`comodal serve`: from parsed options to a page that answers."""

from __future__ import annotations

from typing import Any

import torch

from comodal.cli.parser import words
from comodal.serve.start import serve

__all__ = ["serve_command"]


def serve_command(options: Any) -> None:
    """Answer until Ctrl-C."""
    torch.set_num_threads(1)  # small models are slower on more
    serve(
        options.folder,
        arm=options.arm,
        seed=options.seed,
        fit_critic=options.fit_critic,
        host=options.host,
        port=options.port,
        allowed=words(options.allow),
        source=options.data,
        announce=_announce,
    )


def _announce(address: str) -> None:
    print(f"{address}  (Ctrl-C ends)", flush=True)
