"""One reader per file family, each from a path to a `Source`."""

from __future__ import annotations

from pathlib import Path

from comodal.contracts import InputError
from comodal.data.formats import (
    bclstm,
    csd,
    dialogues,
    h5_families,
    misa,
    mmsa,
    mosi_utterances,
    mult,
    multiview,
    table,
)
from comodal.data.formats.interface import Block, Division, Format, Source
from comodal.data.formats.pickles import refusal

__all__ = ["FORMATS", "Block", "Division", "Format", "Source", "recognise"]

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        mosi_utterances.FORMAT,
        multiview.FORMAT,
        table.FORMAT,
        csd.FORMAT,
        h5_families.MFN_H5,
        h5_families.MODALITY_H5,
        mmsa.FORMAT,
        mult.FORMAT,
        misa.MAG_BERT,
        misa.FORMAT,
        mult.LMF,
        bclstm.FORMAT,
        dialogues.FORMAT,
    )
}


def recognise(path: Path) -> Format:
    """Return the file family of a path, by its content."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path", code="missing")
    for each in FORMATS.values():
        if each.recognises(path):
            return each
    refused = refusal(path)
    if refused is not None:
        raise InputError(str(refused), code=refused.code) from refused
    known = ", ".join(FORMATS)
    raise InputError(
        f"{path}: no reader knows it by its content (known: {known}; docs/formats.md describes them); give one of "
        "these, or use comodal.from_arrays",
        code="unsupported",
    )
