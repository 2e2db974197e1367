"""The registry of dependency measures: every name, with what makes it.

Larger values mean more dependent. Names differ between papers: ``kl`` is the ``L_kl`` of the paper, ``f`` its ``L_f``
(NWJ, the f-GAN bound for KL), ``wasserstein`` its ``L_W``; ``mine`` is ``kl`` with MINE's moving-average gradient.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from comodal.contracts import InputError
from comodal.contracts.option_names import MEASURE_HABITS
from comodal.dependency.bound import BOUNDS, Bound
from comodal.dependency.conditional import OF_CONDITIONAL, Conditional, DiagonalGaussian
from comodal.dependency.contrastive import SIMILARITIES, Contrastive, Similarity, facts_of_similarity
from comodal.dependency.covariance_statistics import barlow, gaussian, vicreg
from comodal.dependency.kernel_statistics import dhsic, distance_correlation
from comodal.dependency.measure import Measure, MeasureFacts
from comodal.dependency.spectral_statistics import pmrl
from comodal.dependency.statistic import Statistic
from comodal.dependency.variational import Variational, facts_of
from comodal.dependency.views import ViewLayout

__all__ = ["MEASURES", "MeasureSpec", "build_measure", "measure_of", "measure_spec"]

_OF_EVERY_FAMILY = ("facts", "name", "dims", "seed")


@dataclass(frozen=True)
class MeasureSpec:
    """A measure by name.

    Attributes:
        name: its key in :data:`MEASURES`.
        paper_name: its name in the source paper and elsewhere.
        family: class of the measure.
        core: what the family builds it from: a bound, a similarity, a function of the views, or a density.
        facts: what is true of it.
    """

    name: str
    paper_name: str
    family: Callable[..., Measure]
    core: Bound | Similarity | Callable[..., Any]
    facts: MeasureFacts

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the family takes beside ``dims`` and ``seed``."""
        given = inspect.signature(self.family).parameters.values()
        return tuple(
            each.name for each in given if each.kind is each.KEYWORD_ONLY and each.name not in _OF_EVERY_FAMILY
        )

    @property
    def bound(self) -> Bound:
        """The bound that a critic raises.

        Raises:
            InputError: a measure without a critic.
        """
        if isinstance(self.core, Bound):
            return self.core
        critics = ", ".join(name for name, spec in MEASURES.items() if isinstance(spec.core, Bound))
        raise InputError(f"{self.name} has no critic that could be fitted: give one of {critics}", code="unsupported")


def _with_critic(name: str, paper_name: str, bound: Bound) -> MeasureSpec:
    return MeasureSpec(name, paper_name, Variational, bound, facts_of(bound))


def _of_partners(name: str, paper_name: str) -> MeasureSpec:
    similarity = SIMILARITIES[name]
    return MeasureSpec(name, paper_name, Contrastive, similarity, facts_of_similarity(similarity))


def _of_batch(function: Callable[..., Tensor], paper_name: str, unit: str, **facts_of_it: Any) -> MeasureSpec:
    facts = MeasureFacts(unit=unit, estimates="neither", **facts_of_it)
    return MeasureSpec(function.__name__, paper_name, partial(Statistic, facts=facts), function, facts)


MEASURES: dict[str, MeasureSpec] = {
    spec.name: spec
    for spec in (
        _with_critic("kl", "L_kl, Donsker-Varadhan", BOUNDS["donsker_varadhan"]),
        _with_critic("mine", "L_kl with MINE's gradient", replace(BOUNDS["donsker_varadhan"], moving_average=True)),
        _with_critic("f", "L_f for KL, NWJ, MINE-f", BOUNDS["nwj"]),
        _with_critic("reverse_kl", "L_f for reverse KL", BOUNDS["reverse_kl"]),
        _with_critic("pearson", "L_f for Pearson chi-squared", BOUNDS["pearson"]),
        _with_critic("squared_hellinger", "L_f for squared Hellinger", BOUNDS["squared_hellinger"]),
        _with_critic("jensen_shannon", "L_f for Jensen-Shannon", BOUNDS["jensen_shannon"]),
        _with_critic("wasserstein", "L_W, Kantorovich-Rubinstein", BOUNDS["kantorovich_rubinstein"]),
        _with_critic("smile", "SMILE, Donsker-Varadhan with a clipped partition", BOUNDS["smile"]),
        _of_partners("infonce", "InfoNCE over pairs, the loss of CLIP"),
        _of_partners("symile", "Symile, a multilinear inner product"),
        _of_partners("gram", "GRAM, the volume that a tuple spans"),
        _of_batch(dhsic, "dHSIC normalised; for two views centred kernel alignment", "correlation", gradient_scale=0.1),
        _of_batch(
            distance_correlation,
            "total multicorrelation, for two views distance correlation",
            "correlation",
            gradient_scale=0.05,
        ),
        _of_batch(gaussian, "Gaussian total correlation, -1/2 log det", "nats", gradient_scale=7.0),
        _of_batch(pmrl, "PMRL, the largest singular value of a tuple", "loss", equal_widths=True, gradient_scale=0.6),
        _of_batch(vicreg, "VICReg", "loss", pairwise=True, equal_widths=True, gradient_scale=0.4),
        _of_batch(barlow, "Barlow Twins", "loss", pairwise=True, equal_widths=True, gradient_scale=0.2),
        MeasureSpec("club", "CLUB, from above", Conditional, DiagonalGaussian, OF_CONDITIONAL),
    )
}

_ALIASES = {"nwj": "f"}


def measure_spec(name: str) -> MeasureSpec:
    """Return the spec of a measure by name.

    Args:
        name: a key of :data:`MEASURES`, or ``"nwj"``, another name of ``"f"``.

    Raises:
        InputError: unknown name; the message offers the nearest one, or the one that is meant by a customary name.

    Example:
        >>> measure_spec("nwj").name
        'f'
    """
    known = [*MEASURES, *_ALIASES]
    if name not in known:
        raise InputError.unknown("measure", name, known, habits=MEASURE_HABITS)
    return MEASURES[_ALIASES.get(name, name)]


def build_measure(name: str, *, dims: Mapping[str, int] | Sequence[int], seed: int = 0, **options: Any) -> Measure:
    """Return a measure by name.

    Args:
        name: a key of :data:`MEASURES`.
        dims: name to width of each representation, or widths in order.
        seed: of all that is random in it; PyTorch's global generator is not touched.
        options: of its family, such as ``critic`` of :class:`~comodal.dependency.variational.Variational`.

    Raises:
        InputError: an unknown name, an option that the family does not have, or options that contradict each other.

    Example:
        >>> import torch
        >>> measure = build_measure("kl", dims={"text": 8, "audio": 4}, critic="separable")
        >>> measure.value([torch.randn(16, 8), torch.randn(16, 4)]).shape, measure.facts.unit
        (torch.Size([]), 'nats')
    """
    spec = measure_spec(name)
    _require_options(spec, options)
    return spec.family(spec.core, name=spec.name, dims=dims, seed=seed, **options)


def _require_options(spec: MeasureSpec, options: Iterable[str], beside: Iterable[str] = ()) -> None:
    """Refuse an option that the measure does not have, nor who uses it (``beside``)."""
    known = [*spec.options, *beside]
    for option in options:
        if not known:
            raise InputError(f"{spec.name} has no options, got {option}: leave it out", code="unknown_name")
        if option not in spec.options:
            raise InputError.unknown("option", option, known, where=spec.name)


def measure_of(
    measure: str | Measure,
    dims: Mapping[str, int] | Sequence[int] | None,
    *,
    seed: int,
    options: Mapping[str, Any],
    beside: Iterable[str] = (),
) -> Measure:
    """Return the measure that is given, or the one of that name; refuses what contradicts it.

    ``beside`` are the caller's own options, which are offered for a misspelt one.
    """
    if isinstance(measure, str):
        _require_options(measure_spec(measure), options, beside)
        if dims is None:
            raise InputError(f"dims: give the widths of the representations, which {measure!r} needs", code="missing")
        return build_measure(measure, dims=dims, seed=seed, **options)
    if not isinstance(measure, Measure):
        raise InputError(f"measure is a {type(measure).__name__}: give a name or a Measure", code="wrong_type")
    if dims is not None and ViewLayout(dims).widths != measure.layout.widths:
        raise InputError(
            f"dims are {ViewLayout(dims).widths} and those of the measure {measure.layout.widths}: leave dims out",
            code="mismatch",
        )
    if options:
        raise InputError(f"{next(iter(options))}: the measure is built, give it there instead", code="conflict")
    return measure
