"""The registry of dependency measures."""

from __future__ import annotations

from dataclasses import dataclass

from comodal.contracts import InputError
from comodal.dependency.bounds import BOUNDS, Bound

__all__ = ["MEASURES", "MeasureSpec", "measure_spec"]


@dataclass(frozen=True)
class MeasureSpec:
    """A measure by name.

    Attributes:
        name: its key in :data:`MEASURES`.
        paper_name: its name in the source paper and elsewhere.
        bound: the bound whose value it reports, with the facts about it.
        moving_average: whether its gradient is MINE's, whose state is a buffer.
    """

    name: str
    paper_name: str
    bound: Bound
    moving_average: bool = False


MEASURES: dict[str, MeasureSpec] = {
    spec.name: spec
    for spec in (
        MeasureSpec("kl", "L_kl, Donsker-Varadhan", BOUNDS["donsker_varadhan"]),
        MeasureSpec("mine", "L_kl with MINE's gradient", BOUNDS["donsker_varadhan"], moving_average=True),
        MeasureSpec("f", "L_f for KL, NWJ, MINE-f", BOUNDS["nwj"]),
        MeasureSpec("reverse_kl", "L_f for reverse KL", BOUNDS["reverse_kl"]),
        MeasureSpec("pearson", "L_f for Pearson chi-squared", BOUNDS["pearson"]),
        MeasureSpec("squared_hellinger", "L_f for squared Hellinger", BOUNDS["squared_hellinger"]),
        MeasureSpec("jensen_shannon", "L_f for Jensen-Shannon", BOUNDS["jensen_shannon"]),
        MeasureSpec("wasserstein", "L_W, Kantorovich-Rubinstein", BOUNDS["kantorovich_rubinstein"]),
    )
}

_ALIASES = {"nwj": "f"}


def measure_spec(name: str) -> MeasureSpec:
    """Return the spec of a measure by name.

    Args:
        name: a key of :data:`MEASURES`, or ``"nwj"``, another name of ``"f"``.

    Raises:
        InputError: unknown name; the message offers the nearest one.

    Example:
        >>> measure_spec("nwj").name
        'f'
    """
    known = [*MEASURES, *_ALIASES]
    if name not in known:
        raise InputError.unknown("measure", name, known)
    return MEASURES[_ALIASES.get(name, name)]
