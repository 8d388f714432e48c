"""How much of an image is loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadStates:
    """How much of an image is loaded.

    Attributes
    ----------
    total
        Cells of the image.
    loaded
        Cells in memory.
    edited
        Cells whose pixels differ from the source's, as far as is known: in memory or on disk.
    spilled
        Cells whose edits are on disk.
    retired
        Cells that were evicted while Java might still hold them.
    reads
        Cells read from the source so far.
    nbytes, bound
        Bytes in memory, and how many there may be.
    """

    total: int
    loaded: int
    edited: int
    spilled: int
    retired: int
    reads: int
    nbytes: int
    bound: int
