"""A picture in memory or in a file, as a `PixelSource`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError, ReadError
from ij_omero.model import Channel, ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

from ._ome_xml import rgb_channels

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt


def describe_array(name: str, axes: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> ImageDescription:
    """Return what an array is as an image.

    Parameters
    ----------
    name
        The image's name.
    axes
        A letter of ``TCZYXS`` per axis; samples (S) become channels, the fastest.
    shape, dtype
        Of the array.

    Raises
    ------
    InvalidInputError
        The axes are not such letters, or Y or X is missing.
    UnsupportedPixelTypeError
        The OME model has no such pixels.
    """
    if not {"Y", "X"} <= set(axes) <= set("TCZYXS") or len(set(axes)) != len(axes) or len(axes) != len(shape):
        raise InvalidInputError(
            f"{name!r} has the axes {axes!r} of {shape}; expected Y and X, and T, C, Z or S once at most"
        )
    sizes = dict(zip(axes, shape, strict=True))
    channels: tuple[Channel, ...] = ()
    if sizes.get("S", 1) in (3, 4) and sizes.get("C", 1) == 1:
        channels = rgb_channels(sizes["S"])
    return ImageDescription(
        name=name,
        pixel_type=PixelType.of(dtype),
        size_x=sizes["X"],
        size_y=sizes["Y"],
        size_z=sizes.get("Z", 1),
        size_c=sizes.get("C", 1) * sizes.get("S", 1),
        size_t=sizes.get("T", 1),
        channels=channels,
    )


class PictureSource:
    """A `PixelSource` over anything that is indexed like an array.

    Parameters
    ----------
    description
        What the image is, from `describe_array`.
    data
        An array, a memory map or a Zarr array; read by one thread at a time unless it is a numpy array.
    axes
        A letter of ``TCZYXS`` per axis of ``data``.
    on_close
        Called once, by `close`.
    """

    def __init__(
        self, description: ImageDescription, data: Any, axes: str, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self._description = description
        self._data = data
        self._axes = axes
        self._on_close = on_close
        self._samples = data.shape[axes.index("S")] if "S" in axes else 1
        self._lock = threading.Lock()
        self._band: tuple[tuple[int, ...], npt.NDArray[Any]] | None = None
        # Files are read in bands of whole rows: what a row costs to decode it costs for any part of it
        rows = max(1, min(512, (1 << 26) // max(1, description.size_x * description.pixel_type.bytes_per_pixel)))
        self._rows = rows
        self._levels = (
            ResolutionLevel(0, description.size_x, description.size_y, min(512, description.size_x),
                            min(rows, description.size_y)),
        )  # fmt: skip

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Full size alone."""
        return self._levels

    @property
    def hints(self) -> ReadHints:
        """One request at a time."""
        return ReadHints()

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        x, y, width, height = check_request(self._description, self._levels, plane, region, level, out)
        data = self._data
        if data is None:
            raise ReadError(f"the picture {self._description.name!r} is closed; open it again")
        if out is None:
            out = np.empty((height, width), self._description.pixel_type.dtype)
        if isinstance(data, np.ndarray):
            out[...] = self._cut(data, plane, slice(y, y + height), slice(x, x + width))
            return out
        with self._lock:
            for start in range(y - y % self._rows, y + height, self._rows):
                band = self._band_at(data, plane, start)
                top, bottom = max(y, start), min(y + height, start + self._rows)
                out[top - y : bottom - y] = band[top - start : bottom - start, x : x + width]
        return out

    def _band_at(self, data: Any, plane: PlaneIndex, start: int) -> npt.NDArray[Any]:
        key = (*plane, start)
        if self._band is None or self._band[0] != key:
            stop = min(start + self._rows, self._description.size_y)
            try:
                band = np.asarray(self._cut(data, plane, slice(start, stop), slice(0, self._description.size_x)))
            except Exception as error:  # decoders of foreign files raise anything
                raise CorruptedDataError(
                    f"cannot read rows {start} to {stop - 1} of {self._description.name!r}: {error}"
                ) from error
            self._band = (key, band)
        return self._band[1]

    def _cut(self, data: Any, plane: PlaneIndex, rows: slice, columns: slice) -> Any:
        channel, sample = divmod(plane[1], self._samples)
        index: dict[str, int | slice] = {
            "T": plane[2], "C": channel, "Z": plane[0], "S": sample, "Y": rows, "X": columns,
        }  # fmt: skip
        found = data[tuple(index[axis] for axis in self._axes)]
        return found.T if self._axes.index("X") < self._axes.index("Y") else found

    def close(self) -> None:
        """Close the file."""
        if self._data is not None:
            self._data = None
            self._band = None
            self._on_close()
