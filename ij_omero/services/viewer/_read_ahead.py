"""The surroundings of the tiles that are looked at, read while nobody waits for anything."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from ij_omero.model import PlaneIndex, Region

if TYPE_CHECKING:
    from ij_omero.cells import Prefetch
    from ij_omero.loading import CachedSource

MOST_BYTES = 64 << 20
_REMEMBERED = 64


class View(NamedTuple):
    """What tiles are of: a plane at a resolution level, in some channels."""

    level: int
    z: int
    t: int
    channels: tuple[int, ...]


class ReadAhead:
    """Reads what lies one tile around those of the last moments, so that moving there finds it in memory.

    It begins when no request for the image is at work and ends with the first that comes: the calls that a source can
    do at once are for those who wait. Safe from any thread.

    Parameters
    ----------
    source
        The image.
    """

    def __init__(self, source: CachedSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._view: View | None = None
        self._tiles: list[Region] = []
        self._known: OrderedDict[tuple[View, Region], None] = OrderedDict()
        self._running: list[Prefetch] = []

    def note(self, view: View, tile: Region) -> None:
        """Take down a tile that was shown."""
        with self._lock:
            if view != self._view:
                self._view, self._tiles = view, []
            self._tiles.append(tile)

    def begin(self) -> None:
        """Read around the tiles noted since this was last called, unless that is too much or was read already."""
        with self._lock:
            view, tiles, self._tiles = self._view, self._tiles, []
            if view is None or not tiles:
                return
            inner = _around(tiles)
            if (view, inner) in self._known:
                self._known.move_to_end((view, inner))
                return
            sides = self._sides(view, inner, tiles[-1])
            pixels = sum(side.width * side.height for side in sides) * len(view.channels)
            if pixels * self._source.description.pixel_type.bytes_per_pixel > MOST_BYTES:
                return
            self._known[view, inner] = None
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            self._running = [
                self._source.prefetch(PlaneIndex(view.z, channel, view.t), side, level=view.level)
                for side in sides
                for channel in view.channels
            ]

    def end(self) -> None:
        """Begin no further call; what was left of it is read ahead again when it is shown again."""
        with self._lock:
            running, self._running = self._running, []
            if any(not one.done for one in running) and self._known:
                self._known.popitem()
        for one in running:
            one.cancel()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until what was begun is read; OperationTimeoutError where that takes longer."""
        with self._lock:
            running = list(self._running)
        for one in running:
            one.wait(timeout)

    def _sides(self, view: View, inner: Region, tile: Region) -> list[Region]:
        """Return what lies around a region, within the level: above, below, left and right of it."""
        bounds = self._source.levels[view.level].bounds
        left, top = max(0, inner.x - tile.width), max(0, inner.y - tile.height)
        right = min(bounds.width, inner.x + inner.width + tile.width)
        bottom = min(bounds.height, inner.y + inner.height + tile.height)
        under, beside = inner.y + inner.height, inner.x + inner.width
        sides = [
            Region(left, top, right - left, inner.y - top),
            Region(left, under, right - left, bottom - under),
            Region(left, inner.y, inner.x - left, inner.height),
            Region(beside, inner.y, right - beside, inner.height),
        ]
        return [side for side in sides if side.width > 0 and side.height > 0]


def _around(tiles: list[Region]) -> Region:
    left, top = min(tile.x for tile in tiles), min(tile.y for tile in tiles)
    right, bottom = max(tile.x + tile.width for tile in tiles), max(tile.y + tile.height for tile in tiles)
    return Region(left, top, right - left, bottom - top)
