"""The bound over all caches of this process."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from ._residents import Residents


class ProcessBudget:
    """Bytes of cells that all caches of this process may hold together."""

    def __init__(self) -> None:
        self.bound: int | None = None
        self._lock = threading.Lock()
        self._members: weakref.WeakSet[Residents] = weakref.WeakSet()

    def add(self, member: Residents) -> None:
        """Count a cache."""
        with self._lock:
            self._members.add(member)

    def remove(self, member: Residents) -> None:
        """Do not count a cache any more."""
        with self._lock:
            self._members.discard(member)

    @property
    def nbytes(self) -> int:
        """Bytes that all caches hold."""
        with self._lock:
            return sum(member.nbytes for member in self._members)

    def settle(self) -> None:
        """Let the largest caches shrink until the bound holds, as far as they can."""
        if self.bound is None:
            return
        with self._lock:
            members = sorted(self._members, key=lambda member: member.nbytes, reverse=True)
        for member in members:
            over = self.nbytes - self.bound
            if over <= 0:
                return
            member.shrink(to=max(member.nbytes - over, 0))


process_budget = ProcessBudget()


def set_process_bound(nbytes: int | None) -> None:
    """Bound the bytes of cells that all caches of this process hold together; None lifts the bound.

    Raises
    ------
    InvalidInputError
        The bound is below 1.
    StorageError, DiskFullError
        Edited cells could not be stored to make room; they stay in memory.
    """
    if nbytes is not None and nbytes < 1:
        raise InvalidInputError("the bound must be above 0, or None for none")
    process_budget.bound = nbytes
    process_budget.settle()
