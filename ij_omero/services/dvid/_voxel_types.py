"""The kinds of voxels that an instance may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_URL = "github.com/janelia-flyem/dvid/datatype"


@dataclass(frozen=True)
class VoxelType:
    """What one voxel is.

    Attributes
    ----------
    name
        Of the data type, such as ``uint8blk``.
    dtype
        Of one value, little endian as it is sent and stored.
    labels
        One per value of a voxel; rgba8blk has four.
    """

    name: str
    dtype: np.dtype[Any]
    labels: tuple[str, ...]

    @property
    def values(self) -> int:
        """Values per voxel."""
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes per voxel."""
        return self.dtype.itemsize * self.values

    @property
    def stored(self) -> np.dtype[Any]:
        """A voxel as one element of an array, so that voxels of several values are copied as one."""
        return self.dtype if self.values == 1 else np.dtype(np.uint32).newbyteorder("<")

    @property
    def url(self) -> str:
        """Where the type is described."""
        return f"{_URL}/imageblk/{self.name.removesuffix('blk')}.go"

    def voxels(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array of `stored` with the values as they are; a last axis for those of rgba8blk."""
        return array if self.values == 1 else array[..., None].view(self.dtype)

    def background(self, value: int) -> Any:
        """Return one element of `stored` whose values are all this one."""
        return np.full(self.values, value, self.dtype).view(self.stored)[0]


def _scalar(name: str) -> VoxelType:
    return VoxelType(f"{name}blk", np.dtype(name).newbyteorder("<"), (name,))


VOXEL_TYPES = {
    kind.name: kind
    for kind in (
        *map(_scalar, ("uint8", "uint16", "uint32", "uint64", "float32")),
        VoxelType("rgba8blk", np.dtype(np.uint8), ("red", "green", "blue", "alpha")),
    )
}
ROI, KEYVALUE = "roi", "keyvalue"
OTHER_TYPES = {ROI: f"{_URL}/roi", KEYVALUE: f"{_URL}/keyvalue"}
"""Types of instances without voxels: regions of blocks, and small values by name."""
