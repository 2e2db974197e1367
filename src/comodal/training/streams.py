"""Independent random streams of one run, so that runs can share some of them.

A run with a penalty and one without, at the same seed, must draw the same initial weights, batches and dropout masks
(common random numbers): then the penalty alone makes the difference between them, and pairing them removes noise. That
needs one stream per purpose, independent of how much of another was used.
"""

from __future__ import annotations

import hashlib

__all__ = ["stream_seed"]


def stream_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return the seed of one stream, a pure function of the run's seed, the purpose and any counters."""
    digest = hashlib.blake2b(repr((seed, purpose, *counters)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
