"""Memory of cells, used again and again.

Cells of half a megabyte, taken and given back by many threads, leave the C library's heap in pieces: half as much
again as the bound stayed resident. Here a cell that nobody refers to any more, neither the cache nor a view, gives its
pages to the next one, which also saves the system from clearing them.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_SMALLEST = 64 << 10
"""Bytes below which the heap does well."""


class CellMemory:
    """Arrays of up to a cell's size.

    Parameters
    ----------
    cell_bytes
        The size of a cell that is not clipped.
    spare
        How many cells' memory may wait to be used again.
    """

    def __init__(self, cell_bytes: int, spare: int) -> None:
        self._cell_bytes = cell_bytes
        self._free: deque[mmap.mmap] = deque(maxlen=max(spare, 2))
        free = self._free

        class Lease(ctypes.c_char * cell_bytes):  # type: ignore[misc]
            """What an array refers to; with the last reference the memory is free again."""

            def __del__(self) -> None:
                free.append(self.memory)

        self._lease: Any = Lease

    def empty(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return an array of undefined content."""
        if self._cell_bytes < _SMALLEST:
            return np.empty(shape, dtype)
        try:
            memory = self._free.pop()
        except IndexError:
            memory = _anonymous(self._cell_bytes)
        lease = self._lease.from_buffer(memory)
        lease.memory = memory
        return np.frombuffer(lease, dtype, shape[0] * shape[1]).reshape(shape)


def _anonymous(nbytes: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, nbytes)
    # private: a forked child must not write into its parent's image
    return mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
