"""Planes out of layers of blocks: a plane takes unpacking whole blocks, and the next plane lies in the same ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._geometry import HIGHEST, LOWEST, Box, Point
from ._volumes import read_box

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy.typing as npt

    from ._place import Place
    from ._rois import BlockRegion

MOST_OF_LIMIT = 8


class LayerCache:
    """Layers of voxels, a block thick, that planes were cut from; the one used longest ago is left out first.

    Safe from any thread.

    Parameters
    ----------
    limit
        Bytes of all of them; a layer that would take an eighth of it or more is not kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._nbytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()

    def read(self, place: Place, box: Box, region: BlockRegion | None, attenuation: int) -> npt.NDArray[Any]:
        """Return what `read_box` does, of a box that is one voxel thick."""
        instance = place.instance
        layer = _layer_of(box, instance.block)
        nbytes = layer.volume * instance.voxels.nbytes
        if nbytes * MOST_OF_LIMIT > self._limit or min(layer.offset) < LOWEST or max(layer.last) > HIGHEST:
            return read_box(place.blocks, instance, box, region, attenuation)
        key = (place.state, layer)
        with self._lock:
            voxels = self._kept.get(key)
            if voxels is not None:
                self._kept.move_to_end(key)
        if voxels is None:
            voxels = read_box(place.blocks, instance, layer)
            self._keep(key, voxels)
        z, y, x = (
            slice(start - first, start - first + size)
            for start, first, size in zip(reversed(box.offset), reversed(layer.offset), reversed(box.size), strict=True)
        )
        plane = voxels[z, y, x]
        if region is not None:
            plane = plane.copy()
            region.apply(instance.voxels.voxels(plane), box, attenuation)
        return plane

    def _keep(self, key: Hashable, voxels: npt.NDArray[Any]) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = voxels
            self._nbytes += voxels.nbytes
            while self._nbytes > self._limit:
                _, dropped = self._kept.popitem(last=False)
                self._nbytes -= dropped.nbytes


def _layer_of(box: Box, block: Point) -> Box:
    """Return the box with its axes of one voxel grown to whole blocks."""
    offset, size = list(box.offset), list(box.size)
    for axis, side in enumerate(block):
        if size[axis] == 1:
            offset[axis], size[axis] = offset[axis] // side * side, side
    return Box(Point(*offset), Point(*size))
