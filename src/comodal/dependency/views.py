"""Representations as callers give them: selected, checked, put in order, computed with in full precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, cast

import torch
from torch import Tensor

from comodal.contracts import FusionOutput, InputError, MultimodalBatch
from comodal.contracts.option_names import BETWEEN

__all__ = [
    "Batches",
    "MaskedViews",
    "ViewLayout",
    "Views",
    "full_precision",
    "mapping_of_masks",
    "masked",
    "views_of",
    "views_with_gaps",
]

Views = Mapping[str, Tensor] | Sequence[Tensor]
"""Representations of a batch: name to ``(n, D_m)``, or the same tensors in the order of the layout."""


class MaskedViews(NamedTuple):
    """Representations of a batch of which some samples lack a view, or with sequences.

    Attributes:
        views: as they are, ``(n, D_m)`` or ``(n, T, D_m)``.
        mask: view to ``(n,)`` bool, true for samples that have it; or, of a sequence, to ``(n, T)``, true on real
            frames. Views that are not named have no gaps.
    """

    views: Views
    mask: Mapping[str, Tensor]


Batch = Views | MaskedViews
Batches = Batch | Sequence[Mapping[str, Tensor] | MaskedViews]
"""One batch, or several by name that are taken as one, such as samples with labels and samples without."""


class ViewLayout:
    """Names and widths of the views, in order.

    Args:
        dims: name to width, or widths alone, then named ``"0"``, ``"1"`` and so on.

    Raises:
        InputError: fewer than 2 views, or a width that is not a whole number above 0.

    Example:
        >>> layout = ViewLayout({"text": 3, "audio": 2})
        >>> [tuple(view.shape) for view in layout.match({"audio": torch.zeros(5, 2), "text": torch.zeros(5, 3)})]
        [(5, 3), (5, 2)]
    """

    def __init__(self, dims: Mapping[str, int] | Sequence[int]) -> None:
        named = dims if isinstance(dims, Mapping) else {str(place): dim for place, dim in enumerate(dims)}
        if len(named) < 2:
            raise InputError(
                f"dims={dict(named)}: a dependency is between 2 or more views, name at least 2", code="missing"
            )
        for name, dim in named.items():
            if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
                raise InputError(
                    f"dims: the width of {name!r} is {dim!r}, give a whole number above 0", code="out_of_range"
                )
        self.names = tuple(named)
        self.dims = tuple(named.values())

    @property
    def widths(self) -> dict[str, int]:
        """Name to width, in order."""
        return dict(zip(self.names, self.dims, strict=True))

    def match(self, views: Views) -> list[Tensor]:
        """Return the views as a list in the order of the layout.

        Args:
            views: name to ``(n, D_m)``, or a sequence of such tensors in order.

        Returns:
            One ``(n, D_m)`` tensor per view, untouched.

        Raises:
            InputError: names, number, widths or lengths of the views are not those expected.
        """
        ordered = self.ordered(views)
        for name, dim, view in zip(self.names, self.dims, ordered, strict=True):
            if view.ndim != 2 or view.shape[1] != dim or not view.is_floating_point():
                raise InputError(
                    f"representation {name!r} is {tuple(view.shape)} {view.dtype}, expected floats of shape (n, {dim})",
                    code="wrong_shape",
                )
            if len(view) != len(ordered[0]):
                raise InputError(
                    f"representation {name!r} has {len(view)} rows and {self.names[0]!r} has {len(ordered[0])}: "
                    "give the same samples for every view",
                    code="mismatch",
                )
        return ordered

    def ordered(self, views: Views) -> list[Tensor]:
        """Return the views as a list in the order of the layout, of any shape.

        Raises:
            InputError: names or number of the views are not those expected, or one is no tensor.
        """
        if isinstance(views, Mapping):
            given, fits = f"are named {list(views)}", views.keys() == set(self.names)
            ordered = [views[name] for name in self.names] if fits else []
        else:
            ordered = list(views)
            given, fits = f"are {len(ordered)} without names", len(ordered) == len(self.names)
        if not fits:
            raise InputError(
                f"representations {given}, expected {len(self.names)}: give one tensor for each of {list(self.names)}",
                code="mismatch",
            )
        for name, view in zip(self.names, ordered, strict=True):
            if not isinstance(view, Tensor):
                raise InputError(
                    f"representation {name!r} is a {type(view).__name__}: give a torch.Tensor", code="wrong_type"
                )
        return ordered


def mapping_of_masks(mask: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
    """Return the masks of views, none for ``None``; refuses what does not say of which views it is, or no tensors."""
    if not isinstance(mask, Mapping | None):
        raise InputError(f"mask is a {type(mask).__name__}: give a mapping from view to tensor", code="wrong_type")
    for name, each in (mask or {}).items():
        if not isinstance(each, Tensor | None):
            raise InputError(f"mask of {name!r} is a {type(each).__name__}: give a torch.Tensor", code="wrong_type")
    return mask or {}


def masked(representations: object, mask: Mapping[str, Tensor]) -> MaskedViews:
    """Return one batch with its mask.

    Raises:
        InputError: several batches, or a source of them; or a mask that names no views.
    """
    tensors = representations.values() if isinstance(representations, Mapping) else representations
    if not isinstance(tensors, Iterable) or not all(isinstance(each, Tensor) for each in tensors):
        raise InputError(
            "mask is of one batch: give each batch of several as MaskedViews(views, mask)", code="conflict"
        )
    return MaskedViews(cast("Views", representations), mapping_of_masks(mask))


def full_precision(view: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast on the device of a tensor, for forward and backward passes."""
    device = view.device.type
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def views_of(output: FusionOutput, *, between: str = "modalities") -> dict[str, Tensor]:
    """Return the variables of a fusion output between which the dependency is measured.

    Args:
        output: what a fusion model returned.
        between: ``"modalities"``, the M representations; or ``"fusion"``, two variables: the fused representation and
            the concatenated modalities.

    Returns:
        Name to ``(n, D)``.

    Raises:
        InputError: an unknown ``between``.

    Source: the paper measures between modalities; ``"fusion"`` is ours.

    Example:
        >>> import torch
        >>> views = {"text": torch.zeros(5, 4), "audio": torch.zeros(5, 2)}
        >>> output = FusionOutput(logits=torch.zeros(5, 1), fused=torch.zeros(5, 3), representations=views)
        >>> {name: tuple(view.shape) for name, view in views_of(output, between="fusion").items()}
        {'fused': (5, 3), 'modalities': (5, 6)}
    """
    if between == "modalities":
        return dict(output.representations)
    if between == "fusion":
        return {"fused": output.fused, "modalities": torch.cat(tuple(output.representations.values()), dim=1)}
    raise InputError.unknown("between", between, BETWEEN)


def views_with_gaps(output: FusionOutput, batch: MultimodalBatch, *, between: str = "modalities") -> MaskedViews:
    """Return the same with the samples that have them; both variables of ``"fusion"`` need all modalities.

    Args:
        output: what a fusion model returned.
        batch: what it was given, on any device.
        between: as in :func:`views_of`.

    Example:
        >>> import torch
        >>> from comodal.contracts import ModalitySequence
        >>> there, absent = (ModalitySequence(torch.zeros(1, 1, 2), torch.tensor([[known]])) for known in (True, False))
        >>> batch = MultimodalBatch(("a",), {"text": there, "audio": absent}, torch.zeros(1))
        >>> views = {"text": torch.zeros(1, 4), "audio": torch.zeros(1, 4)}
        >>> views_with_gaps(FusionOutput(torch.zeros(1, 1), torch.zeros(1, 3), views), batch).mask
        {'text': tensor([True]), 'audio': tensor([False])}
    """
    present = {name: batch.modalities[name].present for name in output.representations}
    views = views_of(output, between=between)
    if between == "fusion":
        present = dict.fromkeys(views, torch.stack(tuple(present.values())).all(dim=0))
    return MaskedViews(views, present)
