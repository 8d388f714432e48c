"""Values by key and version: a version sees what was put at it, or at the nearest version before it.

Keys of the file are ``d``, the instance's number (4 bytes), a class (1), the key, the version's number (4), so all
versions of a value lie together, and blocks along x behind each other. An empty value says that the key was deleted.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._geometry import Point
    from ._versions import Node

_DATA, _WRITES = b"d", b"w"
_PREFIX = struct.Struct(">cIB")
_VERSION = struct.Struct(">I")
_COUNT = struct.Struct(">Q")
_BLOCK = struct.Struct(">III")
_SIGN = 1 << 31  # so that coordinates below 0 come before those above
BLOCKS, EXTENTS, SPANS, VALUES = 23, 24, 30, 177


def block_key(at: Point) -> bytes:
    """Return the key of a block: z, y, x, each in order as an unsigned number."""
    return _BLOCK.pack(at[2] + _SIGN, at[1] + _SIGN, at[0] + _SIGN)


def block_at(key: bytes) -> tuple[int, int, int]:
    """Return the (x, y, z) of a block's key."""
    z, y, x = _BLOCK.unpack(key)
    return x - _SIGN, y - _SIGN, z - _SIGN


class VersionedValues:
    """The values of one class of one instance, as one version sees them.

    Parameters
    ----------
    transaction
        Of the database.
    instance
        The instance's number.
    kind
        `BLOCKS`, `EXTENTS`, `SPANS` or `VALUES`.
    ancestry
        The version and those before it, the root last.
    """

    def __init__(self, transaction: Any, instance: int, kind: int, ancestry: Sequence[Node]) -> None:
        self._transaction = transaction
        self._prefix = _PREFIX.pack(_DATA, instance, kind)
        self._ranks = {_VERSION.pack(node.number): rank for rank, node in enumerate(ancestry)}
        self._own = _VERSION.pack(ancestry[0].number)
        self._writes = _WRITES + _PREFIX.pack(_DATA, instance, 0)

    @property
    def writes(self) -> int:
        """How often values of the instance were written, whatever their class."""
        value = self._transaction.get(self._writes)
        return 0 if value is None else int(_COUNT.unpack(value)[0])

    def key(self, key: bytes) -> bytes:
        """Return the whole key under which this version has a value of its own."""
        return self._prefix + key + self._own

    def get(self, key: bytes) -> memoryview | None:
        """Return a value, or None."""
        for _, value in self.range(key, key):
            return value
        return None

    def range(self, first: bytes, last: bytes) -> Iterator[tuple[bytes, memoryview]]:
        """Yield (key, value) from `first` to `last`, both included, which have the same length."""
        ranks, skip = self._ranks, len(self._prefix)
        end = self._prefix + last
        cursor = self._transaction.cursor()
        if not cursor.set_range(self._prefix + first):
            return
        length = len(end)
        found: memoryview | None = None
        best, current = len(ranks), b""
        for whole, value in cursor:
            key = bytes(whole[:-4])
            if key > end:
                break
            if len(key) != length:
                continue
            rank = ranks.get(bytes(whole[-4:]))
            if key != current:
                if found:
                    yield current[skip:], found
                current, found, best = key, None, len(ranks)
            if rank is not None and rank < best:
                found, best = value, rank
        if found:
            yield current[skip:], found

    def all(self) -> Iterator[tuple[bytes, memoryview]]:
        """Yield every (key, value), in the order of the keys."""
        ranks, skip = self._ranks, len(self._prefix)
        cursor = self._transaction.cursor()
        if not cursor.set_range(self._prefix):
            return
        found: memoryview | None = None
        best, current = len(ranks), b""
        for whole, value in cursor:
            if whole[:skip] != self._prefix:
                break
            key = bytes(whole[:-4])
            rank = ranks.get(bytes(whole[-4:]))
            if key != current:
                if found:
                    yield current[skip:], found
                current, found, best = key, None, len(ranks)
            if rank is not None and rank < best:
                found, best = value, rank
        if found:
            yield current[skip:], found

    def put(self, key: bytes, value: bytes | memoryview) -> None:
        """Give this version a value of its own; an empty one says that there is none from here on."""
        self._transaction.put(self.key(key), value)

    def note_write(self) -> None:
        """Count a write, so that answers that were kept are not used any more."""
        self._transaction.put(self._writes, _COUNT.pack(self.writes + 1))


def delete_instance(transaction: Any, instance: int) -> None:
    """Remove all values of an instance, of all versions."""
    prefix = _PREFIX.pack(_DATA, instance, 0)[:-1]
    cursor = transaction.cursor()
    while cursor.set_range(prefix) and bytes(cursor.key()[: len(prefix)]) == prefix:
        cursor.delete()
