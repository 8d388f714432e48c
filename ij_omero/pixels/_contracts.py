"""PixelSource, PixelSink and ImageStore: what a backend must do, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    import numpy.typing as npt

    from ij_omero.model import (
        ImageAddress,
        ImageDescription,
        ImageId,
        ImageSummary,
        PlaneIndex,
        Region,
        ResolutionLevel,
        Roi,
        Table,
        TableSummary,
    )


@dataclass(frozen=True)
class ReadHints:
    """How a source is read best.

    Parameters
    ----------
    request_bytes
        Below this size a request costs about as much as one of this size; readers join what lies together.
    parallel
        How many requests at once pay.
    """

    request_bytes: int = 1 << 20
    parallel: int = 1


@dataclass(frozen=True)
class WriteLayout:
    """In which pieces a sink wants its pixels.

    A sink is written tile by tile in raster order: x fastest, then y, z, c and t (see `write_order`). A layout whose
    tile is the whole plane asks for planes.
    """

    tile_width: int
    tile_height: int


@runtime_checkable
class PixelSource(Protocol):
    """Pixels that can be read by region, from any thread, several at once."""

    @property
    def description(self) -> ImageDescription:
        """What the image is."""

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Resolution levels, full size first."""

    @property
    def hints(self) -> ReadHints:
        """How this source is read best."""

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane.

        Parameters
        ----------
        plane
            Which plane.
        region
            In pixels of the level; None is the whole plane.
        level
            Resolution level, 0 is full size.
        out
            A (Y, X) array of the region's shape and the image's dtype to read into; it may be a strided view.

        Returns
        -------
        ndarray
            (Y, X), the image's dtype in native byte order; ``out`` where it was given, else an array that is the
            caller's own.

        Raises
        ------
        InvalidInputError
            The plane, level or region lies outside the image, or ``out`` does not fit.
        ReadError, ConnectionFailedError, CorruptedDataError
            The pixels could not be read; asking again is allowed.
        """

    def close(self) -> None:
        """Release what the source holds; twice is allowed. Reading afterwards raises ReadError."""


@runtime_checkable
class PixelSink(Protocol):
    """A new image that is being written; it exists for others only after `finish`.

    As a context manager it abandons the image unless `finish` was called.
    """

    @property
    def description(self) -> ImageDescription:
        """What the image will be."""

    @property
    def layout(self) -> WriteLayout:
        """The pieces to write, in which `write_order` runs through the image."""

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write one tile of the layout, full size, in `write_order`.

        Parameters
        ----------
        plane, region
            Where the tile lies.
        pixels
            (Y, X) of the region's shape and the image's dtype, any byte order; not kept.

        Raises
        ------
        InvalidInputError
            The tile is not the next of the order, or shape or dtype do not fit.
        WriteError, DiskFullError, ConnectionFailedError
            The tile could not be written; the caller abandons the image.
        """

    def finish(self) -> ImageId:
        """Make the image whole and visible, with its metadata, and return its id.

        Raises
        ------
        WriteError
            Tiles are missing, or the store refused; nothing half-made is left.
        """

    def abandon(self) -> None:
        """Undo: nothing of the image stays in the store; twice, or after `finish`, does nothing."""

    def __enter__(self) -> Self:
        """Return the sink."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon the image unless it was finished."""


@runtime_checkable
class ImageStore(Protocol):
    """A place that holds images, their tables and their ROIs."""

    @property
    def address(self) -> ImageAddress:
        """The store's own address, without an image."""

    def address_of(self, image_id: ImageId) -> ImageAddress:
        """Return the address under which the image is opened again."""

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images, in the order of their ids; of one dataset where it is given."""

    def describe(self, image_id: ImageId) -> ImageDescription:
        """Return what an image is, without opening its pixels.

        Raises
        ------
        ImageNotFoundError
            No such image is visible.
        """

    def open(self, image_id: ImageId) -> PixelSource:
        """Open an image's pixels for reading; no pixel is read yet.

        Raises
        ------
        ImageNotFoundError
            No such image is visible.
        """

    def create(
        self, description: ImageDescription, *, dataset: ImageId | None = None, source: ImageId | None = None
    ) -> PixelSink:
        """Begin a new image.

        Parameters
        ----------
        description
            What the image will be; ids in it are ignored.
        dataset
            The dataset to link it to, where the store has datasets.
        source
            The image that it was made from, recorded as its provenance.

        Raises
        ------
        UnsupportedPixelTypeError
            The store cannot hold such pixels.
        NotFoundError
            The dataset or the source does not exist.
        """

    def delete(self, image_id: ImageId) -> None:
        """Delete an image with what is attached to it; an unknown id raises ImageNotFoundError."""

    def tables(self, image_id: ImageId) -> list[TableSummary]:
        """Return the tables that are attached to an image."""

    def read_table(self, table_id: int | str) -> Table:
        """Read a whole table; an unknown id raises AttachmentNotFoundError."""

    def save_table(self, image_id: ImageId, table: Table) -> int | str:
        """Attach a new table to an image and return the table's id."""

    def rois(self, image_id: ImageId) -> list[Roi]:
        """Return the image's ROIs, with their ids."""

    def save_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs to an image and return their new ids, in order."""

    def close(self) -> None:
        """Release everything, sources that are still open included; twice is allowed."""
