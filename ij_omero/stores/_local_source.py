"""Reading an OME-Zarr image by planes and regions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, ReadError
from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

from ._ngff_arrays import ZarrArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._ngff_metadata import StoredImage


class LocalSource:
    """A `PixelSource` over an OME-Zarr image; a missing axis has length 1."""

    def __init__(self, image: StoredImage) -> None:
        self._description = image.description
        self._axes = image.axes
        arrays = [ZarrArray(folder) for folder in image.array_folders]
        self._arrays: list[ZarrArray] | None = arrays
        self._check(arrays)
        levels = []
        for index, array in enumerate(arrays):
            sizes = dict(zip(image.axes, array.shape, strict=True))
            chunks = dict(zip(image.axes, array.layout.chunks, strict=True))
            tile = (min(chunks["x"], sizes["x"]), min(chunks["y"], sizes["y"]))
            levels.append(ResolutionLevel(index, sizes["x"], sizes["y"], *tile))
        self._levels = tuple(levels)
        self._swapped = image.axes.index("x") < image.axes.index("y")

    def _check(self, arrays: list[ZarrArray]) -> None:
        """Raise CorruptedDataError where the arrays do not fit the description."""
        description = self._description
        expected = dict(zip("tczyx", description.shape, strict=True))
        for array in arrays:
            if len(array.shape) != len(self._axes):
                raise CorruptedDataError(f"{array.folder} has {len(array.shape)} axes; expected {self._axes}")
            found = {**dict.fromkeys("tczyx", 1), **dict(zip(self._axes, array.shape, strict=True))}
            checked = "tczyx" if array is arrays[0] else "tc"
            if any(found[axis] != expected[axis] for axis in checked):
                raise CorruptedDataError(
                    f"{array.folder} has the sizes {found}; the image's description says {expected}"
                )

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Resolution levels, full size first."""
        return self._levels

    @property
    def hints(self) -> ReadHints:
        """Chunks are files: a request costs little, and the processors decompress at once."""
        return ReadHints(request_bytes=1 << 18, parallel=min(8, (os.cpu_count() or 1) + 1))

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        x, y, width, height = check_request(self._description, self._levels, plane, region, level, out)
        if self._arrays is None:
            raise ReadError(f"image {self._description.image_id} is closed; open it again")
        array = self._arrays[level]
        if out is None:
            out = np.empty((height, width), self._description.pixel_type.dtype)
        position: dict[str, int | slice] = {
            "z": self._z_at(plane[0], array),
            "c": plane[1],
            "t": plane[2],
            "y": slice(y, y + height),
            "x": slice(x, x + width),
        }
        target = out if array.dtype == out.dtype else np.empty(out.shape, array.dtype)
        array.read(tuple(position[axis] for axis in self._axes), target.T if self._swapped else target)
        if target is not out:
            out[...] = target  # bits are stored as bytes
        return out

    def _z_at(self, z: int, array: ZarrArray) -> int:
        """Return the section of a level; other programs' pyramids may be smaller along z too."""
        if "z" not in self._axes:
            return 0
        sections = array.shape[self._axes.index("z")]
        return z * sections // self._description.size_z

    def close(self) -> None:
        """Let go of the arrays."""
        self._arrays = None
