"""Find layers of a model by their paths, and describe a model in one line where a path is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import groupby

from torch import nn

from comodal.contracts import InputError

__all__ = ["find_layers", "outline"]

_LONGEST = 500
"""Characters that an outline may have."""


def find_layers(model: nn.Module, paths: Mapping[str, str]) -> dict[str, nn.Module]:
    """Return view to layer; refuses a path that leads to none, or to a list of layers that is never called.

    A model that is compiled or wrapped for distribution is taken for the one inside.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model is {model!r}: give an nn.Module, built", code="wrong_type")
    model = _unwrapped(model)
    known = dict(model.named_modules())
    return {view: _found(model, known, path, view) for view, path in paths.items()}


def _found(model: nn.Module, known: Mapping[str, nn.Module], path: object, view: str) -> nn.Module:
    where = f"layers[{view!r}]"
    if isinstance(path, nn.Module):
        own = next((f", {name!r}" for name, layer in known.items() if layer is path), " in the model")
        raise InputError(f"{where} is a {type(path).__name__}: give its path{own}", code="wrong_type")
    if path not in known:
        raise _unknown(model, known, str(path), where)
    layer = known[str(path)]
    if type(layer).forward is nn.Module.forward:  # ModuleList, ModuleDict
        inside = next((f"{path}.{name}" for name, _ in layer.named_children()), None)
        raise InputError(
            f"{where}: {path!r} is a {type(layer).__name__}, which is never called: name a layer in it"
            + (f", such as {inside!r}" if inside else ""),
            code="unsupported",
        )
    return layer


def _unknown(model: nn.Module, known: Mapping[str, nn.Module], path: str, where: str) -> InputError:
    """Return the error for a path that leads nowhere: the nearest one, and what is there."""
    parts = path.split(".")
    reached = next((".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1) if ".".join(parts[:n]) in known), "")
    near = difflib.get_close_matches(path, [name for name in known if name], n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return InputError(
        f"{where}: unknown layer {path!r}: {meant}{reached or type(model).__name__} has {outline(known[reached])}",
        code="unknown_name",
    )


def outline(module: nn.Module, longest: int = _LONGEST) -> str:
    """Return the tree of a module's layers in one line, as deep as it fits; like ones of a list are ``0-11``.

    Example:
        >>> block = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> outline(nn.ModuleDict({"text": block, "layers": nn.ModuleList(nn.Linear(2, 2) for _ in range(12))}))
        'text(0, 1), layers(0-11)'
    """
    found = ""
    for depth in range(1, 20):
        deeper = _tree(module, depth)
        if deeper == found or (found and len(deeper) > longest):
            break
        found = deeper
    return (found if len(found) <= longest else f"{found[:longest]}...") or "no layers"


def _tree(module: nn.Module, depth: int) -> str:
    if depth == 0:
        return ""
    parts = []
    for name, child in _merged(module):
        inside = _tree(child, depth - 1)
        parts.append(f"{name}({inside})" if inside else name)
    return ", ".join(parts)


def _merged(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the children, those numbered in a row and of one class as one."""
    for _, alike in groupby(module.named_children(), lambda each: type(each[1]) if each[0].isdigit() else each[0]):
        (first, child), *rest = alike
        yield (f"{first}-{rest[-1][0]}" if rest else first), child


def _unwrapped(model: nn.Module) -> nn.Module:
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner
