"""Every public name exists, and the front door's three lists of them agree."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import comodal


def all_modules() -> list[str]:
    """Return dotted names of all modules of the package but ``__main__``, whose import runs the command."""
    root = Path(comodal.__file__).parent
    paths = (path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py")))
    return [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]


def missing_names(module: types.ModuleType) -> list[str]:
    """Return names of ``__all__`` that the module lacks."""
    return [name for name in getattr(module, "__all__", []) if not hasattr(module, name)]


def type_checking_imports(source: str) -> dict[str, str]:
    """Map name to module of the imports under ``if TYPE_CHECKING:``, with ``:original`` for a renamed one."""
    branches = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    imports = (node for branch in branches for node in branch.body if isinstance(node, ast.ImportFrom))
    return {
        alias.asname or alias.name: f"{node.module}:{alias.name}" if alias.asname else str(node.module)
        for node in imports
        for alias in node.names
    }


@pytest.mark.parametrize("name", all_modules())
def test_public_names_exist(name: str) -> None:
    assert missing_names(importlib.import_module(name)) == []


def test_a_missing_name_is_seen() -> None:
    module = types.ModuleType("hollow")
    module.__all__ = ["nothing"]  # type: ignore[attr-defined]
    assert missing_names(module) == ["nothing"]


def test_front_door_lists_agree() -> None:
    source = Path(comodal.__file__).read_text(encoding="utf-8")
    assert type_checking_imports(source) == comodal._HOMES
    assert sorted(comodal.__all__) == sorted(comodal._HOMES)
    assert list(comodal._HOMES) == list(comodal.__all__)


def test_front_door_gives_the_object_of_its_home() -> None:
    for name, entry in comodal._HOMES.items():
        home, _, original = entry.partition(":")
        assert getattr(comodal, name) is getattr(importlib.import_module(home), original or name)


ROOMS = [name for name, home in comodal._HOMES.items() if home == "comodal"]
NAMES = {
    "FUSION_NAMES": "comodal.fusion.FUSIONS",
    "ENCODER_NAMES": "comodal.encoders.ENCODERS",
    "MEASURE_NAMES": "comodal.dependency.MEASURES",
    "CRITIC_NAMES": "comodal.dependency.CRITICS",
    "NORMALIZATION_NAMES": "comodal.dependency.NORMALIZATIONS",
    "TASK_LOSS_NAMES": "comodal.objective.TASK_LOSSES",
    "REFERENCE_NAMES": "comodal.evaluation.reference_models.REFERENCE_MODELS",
}


def public_classes(room: str) -> Iterator[tuple[str, type]]:
    """Every class in the ``__all__`` of a module of the room."""
    package = importlib.import_module(f"comodal.{room}")
    for found in pkgutil.iter_modules(getattr(package, "__path__", ())):
        module = importlib.import_module(f"comodal.{room}.{found.name}")
        names = (name for name in getattr(module, "__all__", []) if inspect.isclass(getattr(module, name)))
        yield from ((name, getattr(module, name)) for name in names)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_class_is_documented_and_behind_the_front_door(room: str) -> None:
    package = getattr(comodal, room)
    offered = [getattr(package, name) for name in package.__all__]
    for name, each in public_classes(room):
        assert name in package.__all__, f"comodal.{room}.{name} is not in __all__"
        assert getattr(package, name) is each
    for each in (each for each in offered if inspect.isclass(each) or inspect.isfunction(each)):
        assert each.__doc__, f"{each} has no docstring"
        assert not each.__doc__.startswith(f"{each.__name__}("), (
            f"the docstring of {each} is the one that dataclasses make"
        )


@pytest.mark.parametrize(("names", "registry"), NAMES.items())
def test_names_known_without_torch_are_the_keys_of_their_registry(names: str, registry: str) -> None:
    home, _, attribute = registry.rpartition(".")
    known = getattr(importlib.import_module("comodal.contracts.option_names"), names)
    assert list(known) == list(getattr(importlib.import_module(home), attribute))


def test_front_door_names_are_offered_by_completion() -> None:
    assert set(comodal.__all__) <= set(dir(comodal))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = comodal.nothing
