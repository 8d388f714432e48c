"""Whether the server holds what it was sent: a checksum of each tile, taken on the way and again on the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xxhash

if TYPE_CHECKING:
    from ij_omero.model import PlaneIndex, Region
    from ij_omero.pixels import Progress


class TileChecksums:
    """64 bits for each tile that was written (xxh3), in order."""

    def __init__(self) -> None:
        self._tiles: list[tuple[PlaneIndex, Region, int]] = []

    def add(self, plane: PlaneIndex, region: Region, data: memoryview) -> None:
        """Take in a tile as it goes to the server."""
        self._tiles.append((plane, region, xxhash.xxh3_64_intdigest(data)))

    def first_difference(self, store: Any, progress: Progress) -> tuple[PlaneIndex, Region] | None:
        """Read all tiles back through a RawPixelsStore; return the first that differs, None where all agree."""
        total = len(self._tiles)
        for done, (plane, region, expected) in enumerate(self._tiles, 1):
            data = store.getTile(plane.z, plane.c, plane.t, *region)
            if xxhash.xxh3_64_intdigest(data) != expected:
                return plane, region
            progress(done, total, "reading back")
        return None
