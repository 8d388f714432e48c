"""An open image: numpy's indexing, ImageJ's Dataset and xarray over one cache of cells."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.pixels import Progress, no_progress, read_array

from ._indexing import read_selection, select, write_selection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

    from ij_omero.cells import CellCache, LoadStates
    from ij_omero.model import ImageAddress, ImageDescription, ImageId, ResolutionLevel, Roi, TableSummary

    from ._connection import Connection
    from ._image_cells import ImageCells


class Image:
    """An image of a store, loaded cell by cell where it is touched, and editable.

    Made by `Connection.open_image`; opening reads no pixels. Indexing, ImageJ's Dataset and xarray arrays all go
    through the same cells, so what one writes the others see. Edits stay in the cache and its spill folder until the
    image is saved as a new one (`Connection.save_image`) or they are discarded.

    Parameters
    ----------
    connection
        The open store that holds the image.
    cells
        The cells over the stored pixels, which are made when the first is touched.

    Examples
    --------
    >>> import numpy as np, ij_omero
    >>> with ij_omero.open_store("memory://example") as store:
    ...     image = store.save_image(np.zeros((64, 64), np.uint8), name="zeros")
    ...     image[0, 0, 0, :2, :2] = 7
    ...     int(image[..., :4, :4].sum()), image.dirty
    (28, 1)
    """

    def __init__(self, connection: Connection, cells: ImageCells) -> None:
        self._connection = connection
        self._source = cells.source
        self._cells = cells
        self._dataset: Any = None
        self._closed = False

    @property
    def store(self) -> Connection:
        """The connection that the image was opened through."""
        return self._connection

    @property
    def cache(self) -> CellCache:
        """The cells."""
        self._check_open()
        return self._cells.get()

    @property
    def description(self) -> ImageDescription:
        """Everything that belongs to the image but is not a pixel."""
        return self._source.description

    @property
    def image_id(self) -> ImageId:
        """The image's id in its store."""
        image_id = self.description.image_id
        if image_id is None:
            raise InvalidInputError(f"image {self.name!r} is not stored")
        return image_id

    @functools.cached_property
    def address(self) -> ImageAddress:
        """The address under which the image is opened again."""
        return self._connection._address_of(self.image_id, self._cells.pixels_id)

    @property
    def name(self) -> str:
        """The image's name."""
        return self.description.name

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(T, C, Z, Y, X)."""
        return self.description.shape

    @property
    def ndim(self) -> int:
        """5, whatever the lengths of the axes."""
        return 5

    @property
    def size(self) -> int:
        """How many pixels there are."""
        t, c, z, y, x = self.shape
        return t * c * z * y * x

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return self.description.nbytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' dtype, in native byte order."""
        return self.description.pixel_type.dtype

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Resolution levels, full size first."""
        return self._source.levels

    @functools.cached_property
    def lookup_tables(self) -> dict[str, npt.NDArray[np.uint8]]:
        """The lookup tables that channels are shown in, (256, 3) of red, green and blue by name, as far as known."""
        names = {channel.lookup_table for channel in self.description.channels if channel.lookup_table}
        if not names:
            return {}
        from ij_omero.rendering import PRIMARY_LOOKUP_TABLES

        known = self._connection.lookup_tables
        found = {name: known.get(name, PRIMARY_LOOKUP_TABLES.get(name)) for name in names}
        return {name: table for name, table in found.items() if table is not None}

    def __len__(self) -> int:
        """Return how many timepoints there are, as for an array."""
        return self.shape[0]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the timepoints, each (C, Z, Y, X)."""
        return (self[t] for t in range(len(self)))

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read pixels with numpy's basic indexing, axes (T, C, Z, Y, X); only touched cells are loaded.

        Raises
        ------
        ImageIndexError
            An index lies outside the image, or is an index array or a mask (an IndexError).
        ReadError, ConnectionFailedError
            A cell could not be read.
        """
        return read_selection(self.cache, select(key, self.shape), self.dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write pixels into the cells; the stored image does not change.

        Raises
        ------
        InvalidInputError
            The value does not fit the selection or the pixel type.
        """
        write_selection(self.cache, select(key, self.shape), value, self.dtype)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return all pixels, (T, C, Z, Y, X)."""
        if copy is False:
            raise ValueError("an image that is loaded on demand cannot become an array without a copy")
        pixels = self.to_numpy()
        return pixels if dtype is None else pixels.astype(dtype, copy=False)

    def to_numpy(self, level: int = 0, *, progress: Progress = no_progress) -> npt.NDArray[Any]:
        """Return all pixels of a resolution level as an array (T, C, Z, Y, X).

        Parameters
        ----------
        level
            0 is full size, with edits; smaller levels are as they are stored, without edits.
        progress
            Told of planes read.
        """
        if level:
            self._check_open()
            return read_array(self._source, level=level, progress=progress)
        pixels = np.empty(self.shape, self.dtype)
        planes = self.description.plane_indices()
        for done, plane in enumerate(planes, 1):
            one = select((plane.t, plane.c, plane.z), self.shape)
            pixels[plane.t, plane.c, plane.z] = read_selection(self.cache, one, self.dtype)
            progress(done, len(planes), "reading pixels")
        return pixels

    def to_dataset(self) -> Any:
        """Return the image as a ``net.imagej.Dataset`` whose pixels are this image's cells; reads none of them.

        The axes are X, Y, Channel, Z and Time, with calibration, units and channel names; channels are shown in the
        windows, colours and lookup tables that the store shows them in. ImageJ is started where it does not run yet.
        """
        self._check_open()
        if self._dataset is None:
            from ij_omero.imagej import to_dataset

            self._dataset = to_dataset(self.cache, lookup_tables=self.lookup_tables)
        return self._dataset

    def to_xarray(self) -> Any:
        """Return an ``xarray.DataArray`` with dims T, C, Z, Y, X that reads through the cells when computed.

        Coordinates are in physical units (their attribute ``units``), in pixels where the image has none; C holds
        channel names.

        Raises
        ------
        MissingDependencyError
            dask or xarray is not installed.
        """
        from ._lazy import to_xarray

        return to_xarray(self)

    def rois(self) -> list[Roi]:
        """Return the image's ROIs."""
        return self._connection.store.rois(self.image_id)

    def tables(self) -> list[TableSummary]:
        """Return the tables that are attached to the image; `Connection.read_table` reads one."""
        return self._connection.store.tables(self.image_id)

    @property
    def cells(self) -> int:
        """How many cells the image has."""
        return len(self.cache.grid)

    @property
    def loaded(self) -> int:
        """How many cells are in memory."""
        return self._states.loaded if self._states else 0

    @property
    def dirty(self) -> int:
        """How many cells differ from what is stored."""
        return self._states.edited if self._states else 0

    @property
    def _states(self) -> LoadStates | None:
        self._check_open()
        made = self._cells.made
        return made.load_states if made is not None else None

    def export(self, path: Path | str, *, overwrite: bool = False, progress: Progress = no_progress) -> Path:
        """Write the image with its edits to a file.

        Parameters
        ----------
        path
            Its ending tells the kind: OME-TIFF (``.ome.tif``, ``.tif``), OME-Zarr (``.zarr``), ``.png``, ``.npy``.
        overwrite
            Whether a file that is there may be replaced.
        progress
            Told of tiles written.

        Raises
        ------
        InvalidInputError
            The kind of file is unknown, or cannot hold the image.
        StorageError
            The file is there already, or cannot be written.
        """
        from ij_omero.stores import export_picture

        return export_picture(self.cache.saved_view, path, overwrite=overwrite, progress=progress)

    def flush(self) -> None:
        """Write edited cells to the spill folder, where they outlive this process."""
        self._check_open()
        if self._cells.made is not None:
            self._cells.made.flush()

    def discard_edits(self) -> None:
        """Forget all edits; the image is again what is stored."""
        self._check_open()
        if self._cells.made is not None:
            self._cells.made.discard()

    def close(self) -> None:
        """Let the image go; twice is allowed. Its cells are freed when nobody else has it open."""
        if not self._closed:
            self._closed = True
            self._dataset = None
            self._connection._release(self, self._cells)

    def _check_open(self) -> None:
        if self._closed:
            raise ReadError(f"image {self.name!r} was closed; open it again")

    def __enter__(self) -> Self:
        """Return the image."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the image."""
        self.close()

    def __reduce__(self) -> Any:
        """Travel to another process as an address, which opens the image there through a connection of its own."""
        from ._opening import open_image

        if self.dirty:
            raise InvalidInputError(
                f"image {self.name!r} has edits that another process would not see; save it and send the new image"
            )
        return open_image, (str(self.address),)

    def __repr__(self) -> str:
        """Tell name, sizes, pixel type and how much is loaded and edited."""
        x, y, z, c, t = self.description.sizes
        state = "closed"
        if not self._closed:
            states = self._states
            state = "no cell loaded, 0 dirty"
            if states is not None:
                state = f"{states.loaded} of {states.total} cells loaded, {states.edited} dirty"
        return f"<Image {self.address} {self.name!r}: X {x}, Y {y}, Z {z}, C {c}, T {t}, {self.dtype.name}; {state}>"

    def thumbnail(self, size: int = 192) -> npt.NDArray[np.uint8] | None:
        """Render the middle z-section of the first timepoint small; loads no cells.

        Edits show where the plane has up to 16 million pixels; of larger ones a stored smaller level is taken.

        Parameters
        ----------
        size
            The longer side in pixels; smaller images are not enlarged.

        Returns
        -------
        ndarray or None
            (Y, X, 3) uint8; None where too many pixels would have to be read.
        """
        from ._thumbnail import MOST_PIXELS, thumbnail

        edited = self.shape[-1] * self.shape[-2] <= MOST_PIXELS and self.dirty
        return thumbnail(self.cache.saved_view if edited else self._source, size)

    def _repr_html_(self) -> str:
        """Show a thumbnail and a table in a notebook."""
        from ._thumbnail import image_rows, to_html

        if self._closed:
            return to_html(self.name, image_rows(self, None), None)
        return to_html(self.name, image_rows(self, self.cache.load_states), self.thumbnail())
