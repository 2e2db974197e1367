"""What the page asks: an utterance, and what is done to each of its modalities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from comodal.contracts import InputError

__all__ = ["ACTS", "Act", "Question", "parse_question"]

ACTS = ("on", "off", "swap", "noise")
_LARGEST_SEED = 2**31


@dataclass(frozen=True)
class Act:
    """What is done to one modality.

    Attributes:
        kind: ``"on"`` nothing, ``"off"`` it is hidden, ``"swap"`` it is another utterance's, ``"noise"`` it is noised.
        donor: id of the other utterance, for ``"swap"``.
        severity: from 0 to 1, for ``"noise"``.
    """

    kind: str = "on"
    donor: str = ""
    severity: float = 0.0


@dataclass(frozen=True)
class Question:
    """One utterance and the acts on its modalities.

    Attributes:
        id: of the utterance.
        acts: modality to act; a modality that is not named is on.
        seed: of the noise.
    """

    id: str
    acts: Mapping[str, Act]
    seed: int = 0

    @property
    def donors(self) -> tuple[str, ...]:
        """Ids of the utterances that lend a modality, each once."""
        return tuple(dict.fromkeys(act.donor for act in self.acts.values() if act.kind == "swap"))


def parse_question(body: Any, modalities: Iterable[str]) -> Question:
    """What a request asks.

    Args:
        body: as JSON gave it.
        modalities: those of the model.

    Raises:
        InputError: not an object of that form, an unknown modality or act, a number out of range, or no modality left.

    Example:
        >>> parse_question({"id": "v_1", "modalities": {"audio": {"act": "noise", "severity": 0.5}}}, ["text", "audio"])
        Question(id='v_1', acts={'audio': Act(kind='noise', donor='', severity=0.5)}, seed=0)
    """
    known = tuple(modalities)
    fields = _object(body, "request", ("id", "modalities", "seed"))
    acts = {
        name: _act(name, given) for name, given in _object(fields.get("modalities", {}), "modalities", known).items()
    }
    if all(name in acts and acts[name].kind == "off" for name in known):
        raise InputError("every modality is off: leave one on")
    seed = fields.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < _LARGEST_SEED:
        raise InputError(f"seed: give a whole number from 0 to {_LARGEST_SEED - 1}")
    return Question(_text(fields.get("id"), "id"), acts, seed)


def _act(name: str, given: Any) -> Act:
    fields = _object(given, f"modality {name!r}", ("act", "donor", "severity"))
    kind = _text(fields.get("act", "on"), f"act of {name!r}")
    if kind not in ACTS:
        raise InputError.unknown("act", kind[:40], ACTS)
    donor = _text(fields.get("donor"), f"donor of {name!r}") if kind == "swap" else ""
    return Act(kind, donor, _share(fields.get("severity"), name) if kind == "noise" else 0.0)


def _object(given: Any, what: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise InputError(f"{what}: give a JSON object")
    for key in given:
        if key not in known:
            raise InputError.unknown("key", key[:40], known, where=what)
    return given


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str):
        raise InputError(f"{what}: give a text")
    return given


def _share(given: Any, name: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1 or math.isnan(given):
        raise InputError(f"severity of {name!r}: give a number from 0 to 1")
    return float(given)
