"""Build config dataclasses from the plain values of a file, with their types checked."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any

from comodal.contracts import InputError

__all__ = ["build_config"]

_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
_UNFIT = object()


def build_config(config_class: Any, values: Mapping[str, Any], *, where: str) -> Any:
    """Return a config dataclass made of plain values, nested dataclasses included.

    Args:
        config_class: a dataclass.
        values: field name to value. A field that is itself a dataclass takes one or a mapping, a tuple takes a list,
            and a number may be text such as ``"1e-3"``, which YAML does not read as a number.
        where: named in error messages.

    Raises:
        InputError: unknown key (the nearest known one is offered) or a value of the wrong type.

    Example:
        >>> from comodal.encoders import EncoderConfig
        >>> build_config(EncoderConfig, {"hidden": {"text": 8}}, where="encoder").hidden
        {'text': 8}
        >>> build_config(EncoderConfig, {"hiden": 8}, where="encoder")
        Traceback (most recent call last):
        comodal.contracts.InputError: encoder: unknown key 'hiden': did you mean 'hidden'? (known: ...
        >>> build_config(EncoderConfig, {"hidden": 0.5}, where="encoder")
        Traceback (most recent call last):
        comodal.contracts.InputError: encoder.hidden is 0.5: give a whole number or a mapping
    """
    kinds = _field_types(config_class)
    for key in values:
        if key not in kinds:
            raise InputError.unknown("key", key, sorted(kinds), where=where)
    return config_class(**{name: _typed(value, kinds[name], f"{where}.{name}") for name, value in values.items()})


@functools.cache
def _field_types(config_class: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(config_class)
    return {field.name: hints[field.name] for field in dataclasses.fields(config_class)}


def _typed(value: Any, kind: Any, where: str) -> Any:
    """Return a value as its annotation wants it."""
    nested = typing.get_origin(kind) is not None or dataclasses.is_dataclass(kind)
    typed = _nested(value, kind, where) if nested else _plain(value, kind)
    if typed is _UNFIT:
        raise InputError(f"{where} is {value!r}: give {_described(kind)}", code="wrong_type")
    return typed


def _plain(value: Any, kind: Any) -> Any:
    if kind is float and type(value) in {int, str}:
        try:
            return float(value)
        except ValueError:
            return _UNFIT
    return value if kind is Any or type(value) is kind else _UNFIT


def _nested(value: Any, kind: Any, where: str) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if isinstance(value, Mapping):
            return build_config(kind, value, where=where)
        return value if isinstance(value, kind) else _UNFIT
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_typed(each, parts[0], where) for each in value)
    if origin is dict and isinstance(value, Mapping):
        return {_typed(key, parts[0], where): _typed(each, parts[1], f"{where}.{key}") for key, each in value.items()}
    if origin is types.UnionType and (fitting := [part for part in parts if _is_like(value, part)]):
        return _typed(value, fitting[0], where)
    return _UNFIT


def _is_like(value: Any, kind: Any) -> bool:
    """Return whether a value has the form of an annotation, whatever it contains."""
    return isinstance(value, Mapping) if typing.get_origin(kind) is dict else type(value) is kind


def _described(kind: Any) -> str:
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        return " or ".join(_described(part) for part in typing.get_args(kind))
    return _NAMES.get(kind) or ("a list" if origin is tuple else "a mapping")
