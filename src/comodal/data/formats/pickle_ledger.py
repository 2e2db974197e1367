"""What the content of a pickle costs: how much it takes, how much it would take unshared, and how deep it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from comodal.data.formats.pickle_reader import PickleRefused

__all__ = ["Ledger"]

_DEEPEST = 64
_FACTOR = 128
_FREE = 64 << 20
_ENTRY = 256
_POINTER = 8


@dataclass(slots=True, eq=False)
class _Account:
    # The container is held so that its id stays its own.
    container: object
    depth: int
    weight: int
    inside: bool = False


class Ledger:
    """Accounts of all containers of a pickle.

    A container that is inside another is no longer changed: what pickles of data do anyway. It makes cycles
    impossible, and depth and weight known the moment something is put in.

    Args:
        size: bytes of the file; memory may be taken in proportion to it, and 64 MiB.
    """

    def __init__(self, size: int) -> None:
        self._limit = _FACTOR * size + _FREE
        self._spent = 0
        self._accounts: dict[int, _Account] = {}

    def spend(self, count: int) -> None:
        """Note that so many bytes are taken.

        Raises:
            PickleRefused: a file of this size has no good reason for it.
        """
        self._spent += count
        if self._spent > self._limit:
            raise PickleRefused("unpacks to over a hundred times its size")

    def opened(self, container: object, items: Iterable[Any] = (), *, cost: int = _ENTRY) -> None:
        """A new container, with what is in it."""
        self.spend(cost)
        self._accounts[id(container)] = _Account(container, 1, _ENTRY)
        self.put(container, items)

    def put(self, container: object, items: Iterable[Any]) -> None:
        """Items go into a container.

        Raises:
            PickleRefused: it is no container or already inside another, or it gets too deep or too heavy.
        """
        account = self._accounts.get(id(container))
        if account is None:
            raise PickleRefused(f"puts something into a {type(container).__name__}")
        if account.inside:
            raise PickleRefused(f"changes a {type(container).__name__} that is already inside another object")
        depth, weight = account.depth - 1, account.weight
        for item in items:
            weight += _POINTER
            kind = type(item)
            if kind is float or kind is int or kind is bool or item is None:
                continue
            if kind is str or kind is bytes:
                weight += len(item)
                continue
            inner = self._accounts.get(id(item))
            if inner is None:
                weight += int(getattr(item, "nbytes", 0))
                continue
            inner.inside = True
            depth = max(depth, inner.depth)
            weight += inner.weight
        self._checked(account, depth + 1, weight)

    def grow(self, container: object, count: int) -> None:
        """An array or byte array gets so many bytes of its own."""
        self.put(container, ())
        account = self._accounts[id(container)]
        self._checked(account, account.depth, account.weight + count)

    def _checked(self, account: _Account, depth: int, weight: int) -> None:
        if account.inside:
            raise PickleRefused(f"puts a {type(account.container).__name__} into itself")
        if depth > _DEEPEST:
            raise PickleRefused(f"nests objects more than {_DEEPEST} deep")
        if weight > self._limit:
            raise PickleRefused("repeats objects to over a hundred times its size")
        account.depth, account.weight = depth, weight
