"""Read LMF's pickle ``mosi.pkl``: covarep and facet averaged over time, glove by words, and label, by split.

Its keys are bytes when Python 3 reads them as such; it has no ids.
"""

from __future__ import annotations

from pathlib import Path

from comodal.data.formats.interface import Format, Source
from comodal.data.formats.mmsa import OWN_KEYS as MMSA_KEYS
from comodal.data.formats.mult import OWN_KEYS as MULT_KEYS
from comodal.data.formats.parts import source_of
from comodal.data.formats.pickled import peek
from comodal.data.formats.split_tables import identified, not_read, part_of, split_tables, table_keys

__all__ = ["FORMAT"]

_LABELS = "label"
_KEYS = {"text": "glove", "audio": "covarep", "vision": "facet"}


def recognises(path: Path) -> bool:
    """Whether a pickle has tables of splits with glove, covarep or facet, and no other family's keys."""
    keys = table_keys(peek(path))
    return bool(keys & set(_KEYS.values())) and not keys & (MMSA_KEYS | MULT_KEYS)


def open_source(path: Path) -> Source:
    """Unpickle and check everything; padding is cut when blocks are asked for."""
    found = split_tables(path, labels=_LABELS)
    names = identified(path, found)
    parts = [part_of(table, names, _KEYS) for table in found]
    facts = not_read(found, {_LABELS, "id", *_KEYS.values()})
    return source_of(path, parts, family=FORMAT.name, aligned=False, facts=facts)


FORMAT = Format("lmf", recognises, open_source)
