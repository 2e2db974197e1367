"""Pickles for tests."""

from __future__ import annotations

import pickle


def write_pickle(path, content, protocol=2):
    """What a file is written as; the path is handed back."""
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path
