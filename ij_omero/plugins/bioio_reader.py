"""bioio's reader for addresses; bioio finds it by the entry point group ``bioio.readers``.

``BioImage("omero://host/image/42", reader=ij_omero.plugins.bioio_reader.Reader)``; older addresses that end in
``.omero`` are recognised without naming the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import xarray
from bioio_base.dimensions import DimensionNames
from bioio_base.exceptions import UnsupportedFileFormatError
from bioio_base.reader import Reader as BaseReader
from bioio_base.reader_metadata import ReaderMetadata as BaseReaderMetadata
from bioio_base.types import PhysicalPixelSizes

from ij_omero.errors import IJOmeroError
from ij_omero.model import parse_address

from ._zarr_opening import open_zarr

if TYPE_CHECKING:
    from ij_omero.model import ImageDescription, Quantity

_AXES = [
    DimensionNames.Time,
    DimensionNames.Channel,
    DimensionNames.SpatialZ,
    DimensionNames.SpatialY,
    DimensionNames.SpatialX,
]


class Reader(BaseReader):
    """One image by its address, (T, C, Z, Y, X), lazily, at all resolution levels (0 is full size).

    Parameters
    ----------
    image
        ``omero://host/image/42``, or the path of an image in a local store.
    fs_kwargs
        Not looked at.
    **login
        As for `ij_omero.connect`.
    """

    NAME = "ij-omero"

    def __init__(self, image: Any, fs_kwargs: dict[str, Any] | None = None, **login: Any) -> None:
        if not self.is_supported_image(image):
            raise UnsupportedFileFormatError(self.__class__.__name__, str(image), "it is no address of an image")
        self._group = open_zarr(image, **login)
        store = self._group.store
        self._description: ImageDescription = (store.mapping if hasattr(store, "mapping") else store).description

    @classmethod
    def is_supported_image(cls, image: Any, fs_kwargs: Any = None, **_: Any) -> bool:
        """Whether it is an address of an image; nothing is opened."""
        try:
            return parse_address(image).image_id is not None
        except IJOmeroError:
            return False

    @staticmethod
    def _is_supported_image(fs: Any, path: str, **kwargs: Any) -> bool:
        return Reader.is_supported_image(path)

    @property
    def scenes(self) -> tuple[str, ...]:
        """The image's name."""
        return (self._description.name,)

    @property
    def resolution_levels(self) -> tuple[int, ...]:
        """0 is full size."""
        return tuple(range(len(self._group.attrs["multiscales"][0]["datasets"])))

    @property
    def physical_pixel_sizes(self) -> PhysicalPixelSizes:
        """In micrometres, of the current resolution level."""
        full = self._group["0"].shape
        now = self._group[str(self.current_resolution_level)].shape
        sizes = (
            self._description.physical_size_z,
            self._description.physical_size_y,
            self._description.physical_size_x,
        )
        return PhysicalPixelSizes(*(_micrometres(size, full[axis] / now[axis]) for axis, size in enumerate(sizes, 2)))

    def _read_delayed(self) -> xarray.DataArray:
        array = self._group[str(self.current_resolution_level)]
        from_array: Any = dask.array.from_array  # dask publishes no types for it
        lazy = from_array(array, chunks=array.chunks, name=False)
        names = [channel.name or f"Channel:{index}" for index, channel in enumerate(self._description.channels)]
        return xarray.DataArray(
            lazy, dims=_AXES, coords={DimensionNames.Channel: names}, attrs={"unprocessed": self._description}
        )

    def _read_immediate(self) -> xarray.DataArray:
        return self._read_delayed().compute()


class ReaderMetadata(BaseReaderMetadata):
    """What bioio asks of a plugin."""

    @staticmethod
    def get_supported_extensions() -> list[str]:
        """Return the ending of the older addresses; paths of files are left to other plugins."""
        return [".omero"]

    @staticmethod
    def get_reader() -> Any:
        """Return the reader's class, as bioio expects."""
        return Reader


def _micrometres(size: Quantity | None, factor: float) -> float | None:
    try:
        return None if size is None else size.to("MICROMETER") * factor
    except IJOmeroError:  # a size in pixels has no length
        return None
