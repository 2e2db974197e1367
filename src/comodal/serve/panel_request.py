"""A request of the live page: a sample, and an edit of each of its modalities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from comodal.contracts import InputError

__all__ = ["EDITS", "Edit", "PanelRequest", "parse_request"]

EDITS = ("on", "off", "swap", "noise")
_LARGEST_SEED = 2**31
_LONGEST = 200


@dataclass(frozen=True)
class Edit:
    """An edit of one modality."""

    kind: str = "on"  # unchanged; or off (hidden), swap or noise
    donor: str = ""  # id of the other sample, for swap
    severity: float = 0.0  # from 0 to 1, for noise


@dataclass(frozen=True)
class PanelRequest:
    """One sample, the edits of its modalities (others are on), and the output to explain."""

    id: str
    edits: Mapping[str, Edit]
    seed: int = 0  # of the noise
    output: str = ""  # name of a class, label or output; empty for the task's own choice

    @property
    def donors(self) -> tuple[str, ...]:
        """Ids of the samples that lend a modality, each once."""
        return tuple(dict.fromkeys(edit.donor for edit in self.edits.values() if edit.kind == "swap"))


def parse_request(body: Any, modalities: Iterable[str]) -> PanelRequest:
    """Return a request from its JSON body."""
    known = tuple(modalities)
    fields = _object(body, "request", ("id", "modalities", "seed", "output"))
    edits = {
        name: _edit(name, given) for name, given in _object(fields.get("modalities", {}), "modalities", known).items()
    }
    if all(name in edits and edits[name].kind == "off" for name in known):
        raise InputError("every modality is off: leave one on", code="empty")
    seed = fields.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < _LARGEST_SEED:
        raise InputError(f"seed: give a whole number from 0 to {_LARGEST_SEED - 1}", code="out_of_range")
    return PanelRequest(
        _text(fields.get("id"), "id"), edits, seed, _text(fields.get("output", ""), "output")[:_LONGEST]
    )


def _edit(name: str, given: Any) -> Edit:
    fields = _object(given, f"modality {name!r}", ("act", "donor", "severity"))
    kind = _text(fields.get("act", "on"), f"act of {name!r}")
    if kind not in EDITS:
        raise InputError.unknown("act", kind[:40], EDITS)
    donor = _text(fields.get("donor"), f"donor of {name!r}") if kind == "swap" else ""
    return Edit(kind, donor, _share(fields.get("severity"), name) if kind == "noise" else 0.0)


def _object(given: Any, what: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise InputError(f"{what}: give a JSON object", code="wrong_type")
    for key in given:
        if key not in known:
            raise InputError.unknown("key", key[:40], known, where=what)
    return given


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str):
        raise InputError(f"{what}: give a text", code="wrong_type")
    return given


def _share(given: Any, name: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1 or math.isnan(given):
        raise InputError(f"severity of {name!r}: give a number from 0 to 1", code="out_of_range")
    return float(given)
