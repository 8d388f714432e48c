"""Whether an LMDB file of edits can be opened at all.

LMDB trusts its file: a flipped bit in what leads to the values makes it look beyond the end, and the process ends with
SIGBUS. So what leads there is walked before, in the format of LMDB 0.9 (`lmdb.h` and `mdb.c` of OpenLDAP: `MDB_meta`,
`MDB_db`, `MDB_page`, `MDB_node`). Values are not looked at: cells carry digests.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_META = struct.Struct("<IIQQ")  # magic, version, address, size of the map
_DATABASE = struct.Struct("<IHHQQQQQ")  # page size, flags, depth, branches, leaves, overflow pages, entries, root
_ENDS = struct.Struct("<QQ")  # last page, transaction
_PAGE = struct.Struct("<QHHHH")  # number, -, flags, lower and upper end of the free room
_OVERFLOW = struct.Struct("<QHHI")  # number, -, flags, pages
_NODE = struct.Struct("<HHHH")  # low and high half of the size or the page, flags or the page's rest, size of the key
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_IS_BRANCH, _IS_LEAF, _IS_OVERFLOW, _IS_META = 1, 2, 4, 8
_INTEGER_KEY = 8
_KINDS = 0xFF  # how keys and values are ordered; the bits above tell how the file was opened
_BIG = 1
_EMPTY = 2**64 - 1
_LONGEST_KEY = 511


class DamagedTreeError(Exception):
    """The file leads somewhere where nothing can be."""


def check_tree(file: Path, commit: int = 0) -> None:
    """Walk all that leads to the values of a file that nobody writes to.

    Parameters
    ----------
    file
        LMDB's.
    commit
        The number of a commit that it has, and perhaps later ones.

    Raises
    ------
    DamagedTreeError
        LMDB must not open it.
    OSError
        It cannot be read.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if os.fstat(descriptor).st_size:
            _Walk(descriptor).run(commit)
    finally:
        os.close(descriptor)


class _Walk:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._seen: set[int] = set()

    def run(self, commit: int) -> None:
        self._page_size = _DATABASE.unpack(self._read(_PAGE.size + _META.size, _DATABASE.size))[0]
        if self._page_size not in {1 << n for n in range(8, 17)}:
            raise DamagedTreeError(f"its pages have {self._page_size} bytes")
        free, main, self._last, latest = max((self._meta(n) for n in range(2)), key=lambda meta: meta[-1])
        if latest < commit:
            raise DamagedTreeError("it leads to edits before the last ones")
        kinds = free[1] & _KINDS, main[1] & _KINDS
        if (free[0], main[0]) != (self._page_size, 0) or kinds != (_INTEGER_KEY, 0):
            raise DamagedTreeError("its first pages contradict each other")
        self._database(main, is_free_list=False)
        self._database(free, is_free_list=True)

    def _meta(self, number: int) -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
        """Return the database of free pages, that of values, the last page and the transaction."""
        whole = self._read(number * self._page_size, _PAGE.size + _META.size + 2 * _DATABASE.size + _ENDS.size)
        magic, version = _META.unpack_from(whole, _PAGE.size)[:2]
        if _PAGE.unpack_from(whole)[2] != _IS_META or magic != _MAGIC or version != _VERSION:
            raise DamagedTreeError(f"page {number} does not begin a file of LMDB")
        at = _PAGE.size + _META.size
        free, main = (_DATABASE.unpack_from(whole, at + n * _DATABASE.size) for n in range(2))
        last, transaction = _ENDS.unpack_from(whole, at + 2 * _DATABASE.size)
        return free, main, last, transaction

    def _database(self, database: tuple[int, ...], *, is_free_list: bool) -> None:
        depth, root = database[2], database[-1]
        if (root == _EMPTY) != (depth == 0):
            raise DamagedTreeError("a database has a depth and no pages, or pages and no depth")
        level = [] if root == _EMPTY else [root]
        for below in reversed(range(depth)):
            level = [child for number in level for child in self._page(number, below == 0, is_free_list)]

    def _visit(self, number: int) -> None:
        if number in self._seen or not 2 <= number <= self._last:
            raise DamagedTreeError(f"page {number} is led to wrongly")
        self._seen.add(number)

    def _page(self, number: int, is_leaf: bool, is_free_list: bool) -> list[int]:
        """Return the pages that a branch leads to."""
        self._visit(number)
        page = self._read(number * self._page_size, self._page_size)
        own, _, flags, lower, upper = _PAGE.unpack_from(page)
        if own != number or flags != (_IS_LEAF if is_leaf else _IS_BRANCH):
            raise DamagedTreeError(f"page {number} is not what it should be")
        if lower % 2 or not _PAGE.size <= lower <= upper <= self._page_size:
            raise DamagedTreeError(f"page {number} has no room for what it should hold")
        children = []
        for (at,) in struct.iter_unpack("<H", page[_PAGE.size : lower]):
            if not upper <= at <= self._page_size - _NODE.size:
                raise DamagedTreeError(f"page {number} holds something outside itself")
            low, high, flags, key = _NODE.unpack_from(page, at)
            value = at + _NODE.size + key
            size = low | high << 16
            if not is_leaf:
                children.append(size | flags << 32)
                size = 0
            elif flags == _BIG:
                if value + 8 > self._page_size:
                    raise DamagedTreeError(f"page {number} holds something outside itself")
                self._overflow(int.from_bytes(page[value : value + 8], "little"), size, is_free_list)
                size = 8
            elif flags:
                raise DamagedTreeError(f"page {number} holds something of an unknown kind")
            elif is_free_list:
                self._free_list(page[value : value + size])
            if key > _LONGEST_KEY or value + size > self._page_size:
                raise DamagedTreeError(f"page {number} holds something outside itself")
        return children

    def _overflow(self, number: int, size: int, is_free_list: bool) -> None:
        self._visit(number)
        at = number * self._page_size
        own, _, flags, pages = _OVERFLOW.unpack(self._read(at, _OVERFLOW.size))
        used = _OVERFLOW.size + size
        if own != number or flags != _IS_OVERFLOW or pages * self._page_size < used or at + used > self._size:
            raise DamagedTreeError(f"page {number} is not what it should be")
        if is_free_list:
            self._free_list(self._read(at + _OVERFLOW.size, size))

    def _free_list(self, content: bytes) -> None:
        count = int.from_bytes(content[:8], "little")
        if len(content) < 8 or count > len(content) // 8 - 1:
            raise DamagedTreeError("the list of free pages is longer than itself")
        pages = [page for (page,) in struct.iter_unpack("<Q", content[8 : 8 + 8 * count])]
        if any(not 2 <= page <= self._last for page in pages) or sorted(set(pages), reverse=True) != pages:
            raise DamagedTreeError("the list of free pages names what cannot be free")

    def _read(self, at: int, size: int) -> bytes:
        content = os.pread(self._descriptor, size, at)
        if len(content) != size:
            raise DamagedTreeError(f"byte {at + size} is led to, and it ends at {self._size}")
        return content
