"""Neuroglancer's precomputed volumes behind instances of data: read by blocks, never written."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, MissingDependencyError, ReadError

from ._geometry import Box, Point, block_of
from ._place import Place
from ._versioned_values import block_at, block_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._instances import Instance

NANOMETERS = "nm"


class PrecomputedVolume:
    """One scale of a precomputed volume.

    Parameters
    ----------
    address
        A folder, or an address that tensorstore opens, such as ``gs://bucket/path/``.
    scale
        Which of its scales, 0 the finest.

    Raises
    ------
    InvalidInputError
        There is no such volume, or it has several channels.
    MissingDependencyError
        tensorstore is not installed.
    """

    def __init__(self, address: str, scale: int) -> None:
        try:
            import tensorstore
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "precomputed volumes need tensorstore, which is not installed; pip install 'ij-omero[precomputed]'"
            ) from error
        where = address if "://" in address else f"file://{Path(address).expanduser().resolve()}"
        spec = {"driver": "neuroglancer_precomputed", "kvstore": where.rstrip("/") + "/", "scale_index": scale}
        try:
            self._volume = tensorstore.open(spec, read=True, open=True).result()
        except (ValueError, OSError, KeyError, IndexError) as error:
            raise InvalidInputError(f"scale {scale} of the precomputed volume cannot be opened") from error
        if self._volume.shape[3] != 1:
            raise InvalidInputError("a precomputed volume of several channels is no data of one value per voxel")
        first, end = self._volume.domain.inclusive_min[:3], self._volume.domain.exclusive_max[:3]
        self.box = Box(Point(*first), Point(*(b - a for a, b in zip(first, end, strict=True))))
        self.block = Point(*(int(side or 1) for side in (self._volume.chunk_layout.read_chunk.shape or (1, 1, 1))[:3]))
        self.dtype: np.dtype[Any] = self._volume.dtype.numpy_dtype

    @property
    def settings(self) -> dict[str, Any]:
        """What an instance over it is made of, as a client would say it."""
        units = self._volume.dimension_units[:3]
        sizes = [1.0 if unit is None else float(unit.multiplier) for unit in units]
        return {
            "blocksize": list(self.block),
            "voxelsize": sizes,
            "voxelunits": "nanometers",
            "minpoint": list(self.box.offset),
            "maxpoint": list(self.box.last),
            "compression": "none",
            "versioned": "false",
        }

    def read(self, box: Box) -> np.ndarray[Any, Any]:
        """Return a box that lies within the volume, (Z, Y, X)."""
        x, y, z = (slice(start, start + size) for start, size in zip(*box, strict=True))
        try:
            found: np.ndarray[Any, Any] = self._volume[x, y, z, 0].read().result()
        except (ValueError, OSError) as error:
            raise ReadError(f"the precomputed volume cannot be read: {error}") from error
        return found.transpose(2, 1, 0)


class GridBlocks:
    """Blocks of a precomputed volume; see `VersionedValues`, whose reading part this has."""

    def __init__(self, volume: PrecomputedVolume, instance: Instance) -> None:
        self._volume = volume
        self._instance = instance

    @property
    def writes(self) -> int:
        """How often it was written: never by this server."""
        return 0

    def key(self, key: bytes) -> bytes:
        """Return the key of a block."""
        return f"{self._instance.grid_store}/{self._instance.scale_level}/".encode() + key

    def get(self, key: bytes) -> memoryview | None:
        """Return a block as it would be stored, or None."""
        return next((value for _, value in self.range(key, key)), None)

    def range(self, first: bytes, last: bytes) -> Iterator[tuple[bytes, memoryview]]:
        """Yield (key, value) of the blocks of one row, both ends included."""
        box, block, kind = self._volume.box, self._instance.block, self._instance.voxels
        begin, y, z = block_at(first)
        low, high = block_of(box.offset, block), block_of(box.last, block)
        if not (low.y <= y <= high.y and low.z <= z <= high.z):
            return
        for x in range(max(begin, low.x), min(block_at(last)[0], high.x) + 1):
            corner = Point(x * block.x, y * block.y, z * block.z)
            start = Point(*map(max, corner, box.offset))
            end = Point(*(min(a + side, b + 1) for a, side, b in zip(corner, block, box.last, strict=True)))
            part = self._volume.read(Box(start, Point(*(b - a for a, b in zip(start, end, strict=True)))))
            voxels = np.full((block.z, block.y, block.x), kind.background(self._instance.background), kind.stored)
            at_x, at_y, at_z = (slice(a - c, b - c) for a, b, c in zip(start, end, corner, strict=True))
            voxels[at_z, at_y, at_x] = part
            yield block_key(Point(x, y, z)), memoryview(self._instance.compression.encode(voxels)[0])


@dataclass(frozen=True)
class GridPlace(Place):
    """An instance over a precomputed volume."""

    volume: PrecomputedVolume

    @property
    def blocks(self) -> Any:
        """The blocks of voxels."""
        return GridBlocks(self.volume, self.instance)

    @property
    def extents(self) -> Box:
        """The box that the voxels lie in."""
        return self.volume.box


class GridStores:
    """The precomputed volumes that instances may be made over, by the names that clients say.

    Parameters
    ----------
    addresses
        By name; clients never name an address.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)
        self._lock = threading.Lock()
        self._open: dict[tuple[str, int], PrecomputedVolume] = {}

    def volume(self, name: str, scale: int) -> PrecomputedVolume:
        """Return a scale of a volume, opened once; InvalidInputError where there is none of this name."""
        address = self._addresses.get(name)
        if address is None:
            raise InvalidInputError(f"bad store ({name[:80]}) designated for GridStore: this server has no such store")
        with self._lock:
            known = self._open.get((name, scale))
            if known is None:
                known = self._open[name, scale] = PrecomputedVolume(address, scale)
        return known
