"""Cells in memory, within a bound."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ij_omero.errors import StorageError

from ._budget import process_budget

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from ._entry import Entry, ForeignCells
    from ._memory import CellMemory

    Edited = tuple[int, npt.NDArray[Any], int]

_log = logging.getLogger(__name__)
_BATCH = 8
"""The bound over this is let go of at once, so that edited cells share a commit."""
LARGEST_BATCH = 4 << 20
"""Bytes of that, since a commit takes as much memory again."""
_STORED_AHEAD = 0.5
"""With more than this of the bound in use, edited cells are stored in the background before they have to leave."""
_LOOKED_AT = 4
"""So many of the next cells to leave tell whether edits are among them."""
_RETIRED = 0.75
"""This much of the bound may wait for the other runtime to find out that nobody holds it."""
RETIRED_FLOOR = 4 << 20
"""Bytes that may wait for that however small the bound is: finding out takes milliseconds, too many for one cell."""


class Residents:
    """The cells in memory and their bytes.

    A cell at home here leaves at once. A cell at home in another runtime is first retired: it still counts, and it
    stays the one home of its pixels, until that runtime knows that nobody holds it any more; only then can no write to
    it be missed. The other runtime is nudged to find out when the bound asks for it.

    Parameters
    ----------
    bound
        Bytes that may be held; cells that are being loaded, or that somebody works on, may exceed it.
    dtype
        The pixels' type.
    memory
        For copies of cells that are about to be stored.
    spill
        Stores edited cells: a list of (number, pixels, digest).
    """

    def __init__(
        self, bound: int, dtype: np.dtype[Any], memory: CellMemory, spill: Callable[[list[Edited]], None]
    ) -> None:
        self.bound = bound
        self.nbytes = 0
        self.entries: dict[int, Entry] = {}
        self.face: ForeignCells | None = None
        self.store_soon: Callable[[], None] | None = None
        """Begins `store_oldest` in the background."""
        self._storing = False
        self._dtype = dtype
        self._memory = memory
        self._spill = spill
        self._lock = threading.Lock()
        self._ring: OrderedDict[int, Entry] = OrderedDict()
        self._retired: OrderedDict[int, Entry] = OrderedDict()
        self._retired_bytes = 0
        self._nudging = threading.Lock()
        self._next_nudge = 0.0

    def reserve(self, nbytes: int) -> None:
        """Count bytes that are about to be loaded, and make room for them.

        Raises
        ------
        StorageError, DiskFullError
            There is no room because edited cells cannot be spilled; nothing was counted, and no edit was lost.
        """
        with self._lock:
            self.nbytes += nbytes
            fits = self.nbytes <= self.bound
            soon = not self._storing and self.nbytes > self.bound * _STORED_AHEAD and self._edits_leave_soon()
            self._storing = self._storing or soon
        try:
            if soon and self.store_soon is not None:
                self.store_soon()
            if not fits:
                self.shrink()
            if process_budget.bound is not None:
                process_budget.settle()
        except BaseException:
            self.release(nbytes)
            raise

    def release(self, nbytes: int) -> None:
        """Take back what was reserved and not used."""
        if nbytes:
            with self._lock:
                self.nbytes -= nbytes

    def add(self, entries: list[Entry]) -> None:
        """Take cells in whose bytes were reserved."""
        with self._lock:
            for entry in entries:
                self.entries[entry.index] = entry
                self._ring[entry.index] = entry

    def revive(self, entry: Entry) -> None:
        """Count a retired cell among the used ones again; the caller holds its lock."""
        with self._lock:
            if self._retired.pop(entry.index, None) is not None:
                self._retired_bytes -= entry.nbytes
                self._ring[entry.index] = entry
        entry.retired = False

    def drop(self, entry: Entry) -> None:
        """Forget a cell without storing its edits; the caller holds its lock."""
        with self._lock:
            self._forget(entry)

    def everything(self) -> list[Entry]:
        """Return all cells of this moment."""
        with self._lock:
            return list(self.entries.values())

    @property
    def retired_count(self) -> int:
        """Cells that left the other runtime's hands but may still be written to there."""
        return len(self._retired)

    def shrink(self, to: int | None = None) -> None:
        """Let cells go until the bound holds (or `to` bytes are left), or nothing is left that nobody works on.

        Raises
        ------
        StorageError, DiskFullError
            Edited cells are in the way and cannot be stored; they stay.
        """
        bound = self.bound if to is None else min(to, self.bound)
        failure: StorageError | None = None
        skipped: list[Entry] = []
        try:
            while self.nbytes > bound:
                if self._drop_unedited(bound):
                    break
                if self._retired and self.face is not None and self.face.collected():
                    failure = self._reap() or failure
                    continue
                leaving, retiring, busy = self._pick(bound)
                skipped += busy
                failure = self._let_go(leaving, skipped) or failure
                if retiring:
                    self._retire(retiring)
                exhausted = not leaving and not retiring
                before = self.nbytes
                enough = max(_RETIRED * bound, RETIRED_FLOOR)
                if self._retired_bytes >= enough:
                    failure = self._nudge(enough) or failure
                if exhausted and self.nbytes >= before:
                    break
        finally:
            with self._lock:
                for entry in skipped:
                    if not entry.gone and entry.index not in self._retired:
                        self._ring[entry.index] = entry
        if failure is not None:
            if self.nbytes > bound:
                raise failure
            _log.warning("edited cells were stored after a failure: %s", failure)

    def _edits_leave_soon(self) -> bool:
        # a plain loop: this is asked for every cell that is loaded
        for entry in itertools.islice(self._ring.values(), _LOOKED_AT):
            if entry.written and entry.foreign is None:
                return True
        return False

    def store_oldest(self) -> None:
        """Store edits of those cells that are the next to leave, so that nobody waits for it when they do.

        A cell that cannot be stored now is met again by whoever needs its room, and gets the error.
        """
        try:
            while stored := self._store_batch():
                _log.debug("stored %d edited cells before they leave", stored)
        except StorageError as error:
            _log.info("edited cells are not stored ahead: %s", error)
        finally:
            with self._lock:
                self._storing = False

    def _store_batch(self) -> int:
        """Store a batch of the oldest edited cells that are at home here; they stay."""
        with self._lock:
            near = itertools.islice(self._ring.values(), max(len(self._ring) // 2, 1))
            oldest = [entry for entry in near if entry.written and entry.foreign is None]
        most = max(min(self.bound // _BATCH, LARGEST_BATCH), 1)
        held: list[Entry] = []
        edited: list[Edited] = []
        try:
            for entry in oldest:
                if sum(one.nbytes for one in held) >= most:
                    break
                if entry.lock.acquire(blocking=False):
                    held.append(entry)
                    found = None if entry.gone or entry.foreign is not None else entry.edited(self._dtype)
                    if found is not None:
                        edited.append((entry.index, *found))
            if edited:
                self._spill(edited)
            digests = {index: digest for index, _, digest in edited}
            for entry in held:
                if entry.foreign is None:
                    entry.digest = digests.get(entry.index, entry.digest)
                    entry.written = False
        finally:
            for entry in held:
                entry.lock.release()
        return len(held)

    def _drop_unedited(self, bound: int) -> bool:
        """Forget the oldest cells that nobody used since and nobody wrote to; tells whether the bound holds then.

        The way of most misses: nothing of what the other cells need is done.
        """
        with self._lock:
            while self.nbytes > bound and self._ring:
                entry = next(iter(self._ring.values()))
                if not entry.lock.acquire(blocking=False):
                    return False
                try:
                    if entry.used or entry.written or entry.gone or entry.foreign is not None:
                        return False
                    self._forget(entry)
                finally:
                    entry.lock.release()
            return self.nbytes <= bound

    def _pick(self, bound: int) -> tuple[list[Entry], list[Entry], list[Entry]]:
        """Take the oldest unused cells out of the ring, locked: those that can go, those to retire, those in use."""
        leaving: list[Entry] = []
        retiring: list[Entry] = []
        busy: list[Entry] = []
        with self._lock:
            wanted = max(self.nbytes - bound, min(bound // _BATCH, LARGEST_BATCH))
            second_chances = len(self._ring)
            while wanted > 0 and self._ring:
                index, entry = self._ring.popitem(last=False)
                if entry.used and second_chances > 0:
                    entry.used = False
                    second_chances -= 1
                    self._ring[index] = entry
                elif not entry.lock.acquire(blocking=False):
                    busy.append(entry)
                else:
                    (leaving if entry.foreign is None else retiring).append(entry)
                    wanted -= entry.nbytes
        return leaving, retiring, busy

    def _retire(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.foreign is not None:
                entry.foreign.retire()
            entry.retired = True
        with self._lock:
            for entry in entries:
                self._retired[entry.index] = entry
                self._retired_bytes += entry.nbytes
        for entry in entries:
            entry.lock.release()

    def _reap(self) -> StorageError | None:
        """Let go of retired cells that nobody holds."""
        with self._lock:
            candidates = list(self._retired.values())
        failure: StorageError | None = None
        free: list[Entry] = []
        for entry in candidates:
            if not entry.lock.acquire(blocking=False):
                continue
            foreign = entry.foreign
            if entry.retired and not entry.gone and foreign is not None and not foreign.in_use():
                free.append(entry)
                if sum(one.nbytes for one in free) >= LARGEST_BATCH:
                    failure = self._let_go(free, []) or failure
                    free = []
            else:
                entry.lock.release()
        return self._let_go(free, []) or failure

    def _nudge(self, enough: float) -> StorageError | None:
        with self._nudging:
            # another thread may have done it meanwhile; and where accessors hold more than the bound, asking again and
            # again would only cost time
            if self.face is None or self._retired_bytes < enough or time.monotonic() < self._next_nudge:
                return None
            before = self._retired_bytes
            began = time.monotonic()
            self.face.nudge()
            failure = self._reap()
            now = time.monotonic()
            freed = before - self._retired_bytes
            self._next_nudge = now + (0 if freed * 2 >= before else 4 * (now - began))
            return failure

    def _let_go(self, entries: list[Entry], back: list[Entry]) -> StorageError | None:
        """Drop locked cells, storing those that were edited; those that cannot be stored go `back`."""
        if not entries:
            return None
        edited: list[Edited] = []
        scratch: npt.NDArray[Any] | None = None
        failure: StorageError | None = None
        try:
            for entry in entries:
                if entry.foreign is not None and (scratch is None or scratch.shape != entry.region.shape):
                    scratch = self._memory.empty(entry.region.shape, self._dtype)
                found = entry.edited(self._dtype, scratch)
                if found is not None:
                    edited.append((entry.index, *found))
                    scratch = None
            kept: set[int] = set()
            if edited:
                try:
                    self._spill(edited)
                except StorageError as error:
                    failure = error
                    kept = {index for index, _, _ in edited}
            with self._lock:
                for entry in entries:
                    if entry.index in kept:
                        back.append(entry)
                    else:
                        self._forget(entry)
        except BaseException:
            back.extend(entries)
            raise
        finally:
            for entry in entries:
                entry.lock.release()
        return failure

    def _forget(self, entry: Entry) -> None:
        if not entry.gone:
            entry.gone = True
            del self.entries[entry.index]
            self._ring.pop(entry.index, None)
            if self._retired.pop(entry.index, None) is not None:
                self._retired_bytes -= entry.nbytes
            self.nbytes -= entry.nbytes
