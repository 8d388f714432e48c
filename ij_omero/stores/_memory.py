"""Images held in memory: for tests, for results that need no disk, for trying things."""

from __future__ import annotations

import itertools
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from ij_omero.errors import AttachmentNotFoundError, ImageNotFoundError, ReadError, StorageError, WriteError
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
    parse_address,
)
from ij_omero.pixels import ReadHints, TileOrder, WriteLayout, check_request

from ._pyramid import PyramidBuilder, pyramid_sizes
from ._summaries import numbered, stored_description, summary_of, table_summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    import numpy.typing as npt

_counter = itertools.count(1)
_stores: weakref.WeakValueDictionary[str, MemoryStore] = weakref.WeakValueDictionary()
_stores_lock = threading.Lock()


@dataclass
class _Image:
    description: ImageDescription
    levels: list[npt.NDArray[Any]]
    tables: dict[str, Table] = field(default_factory=dict)
    rois: list[Roi] = field(default_factory=list)
    attachments: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class MemoryStore:
    """An `ImageStore` whose images live as long as it does; all methods may be called from any thread.

    Parameters
    ----------
    name
        Its host in addresses, ``memory://name/image/1``; made up where not given.
    tile_size
        Resolution levels are made until one tile of this size holds the plane.

    Examples
    --------
    >>> MemoryStore("example").address_of(1)
    ImageAddress(scheme='memory', host='example', ..., image_id=1, ...)
    """

    def __init__(self, name: str | None = None, *, tile_size: int = 512) -> None:
        self._name = parse_address(f"memory://{name or f'memory-{next(_counter)}'}").host or ""
        self._tile = tile_size
        self._images: dict[ImageId, _Image] = {}
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._sources: weakref.WeakSet[_MemorySource] = weakref.WeakSet()
        self._closed = False
        with _stores_lock:
            _stores[self._name] = self

    @classmethod
    def named(cls, name: str | None) -> MemoryStore:
        """Return the open store of this name, or a new one."""
        with _stores_lock:
            store = _stores.get(name) if name else None
        return store if store is not None and not store._closed else cls(name)

    @property
    def address(self) -> ImageAddress:
        """``memory://name``."""
        return ImageAddress("memory", self._name)

    def address_of(self, image_id: ImageId) -> ImageAddress:
        """Return the image's address."""
        return ImageAddress("memory", self._name, image_id=image_id)

    def list_images(self, dataset: ImageId | None = None) -> Iterator[ImageSummary]:
        """Yield the images; see `ImageStore.list_images`."""
        with self._lock:
            descriptions = [self._images[image_id].description for image_id in sorted(self._images, key=int)]
        for description in descriptions:
            if dataset is None or description.dataset_id == dataset:
                yield summary_of(description)

    def describe(self, image_id: ImageId) -> ImageDescription:
        """Return what an image is."""
        return self._image(image_id).description

    def open(self, image_id: ImageId) -> _MemorySource:
        """Open an image for reading."""
        source = _MemorySource(self._image(image_id), self._tile)
        self._sources.add(source)
        return source

    def create(
        self, description: ImageDescription, *, dataset: ImageId | None = None, source: ImageId | None = None
    ) -> _MemorySink:
        """Begin a new image."""
        if self._closed:
            raise StorageError("this store is closed; open a new one")
        if source is not None:
            self._image(source)
        return _MemorySink(self, stored_description(description, dataset, source), self._tile)

    def delete(self, image_id: ImageId) -> None:
        """Delete an image."""
        with self._lock:
            self._image(image_id)
            del self._images[image_id]

    def tables(self, image_id: ImageId) -> list[TableSummary]:
        """Return the image's tables."""
        return [table_summary(table_id, table) for table_id, table in self._image(image_id).tables.items()]

    def read_table(self, table_id: int | str) -> Table:
        """Read a table."""
        with self._lock:
            for image in self._images.values():
                if table_id in image.tables:
                    return image.tables[str(table_id)]
        raise AttachmentNotFoundError(f"no table {table_id!r} in {self.address}; tables() lists those of an image")

    def save_table(self, image_id: ImageId, table: Table) -> str:
        """Attach a table."""
        with self._lock:
            image = self._image(image_id)
            table_id = f"{image_id}/{next(image.attachments)}"
            image.tables[table_id] = table
        return table_id

    def rois(self, image_id: ImageId) -> list[Roi]:
        """Return the image's ROIs."""
        return list(self._image(image_id).rois)

    def save_rois(self, image_id: ImageId, rois: Sequence[Roi]) -> list[int | str]:
        """Add ROIs."""
        with self._lock:
            image = self._image(image_id)
            added = numbered(rois, sum(len(roi.shapes) + 1 for roi in image.rois) + 1)
            image.rois.extend(added)
        return [roi.roi_id for roi in added if roi.roi_id is not None]

    def close(self) -> None:
        """Let go of all images."""
        self._closed = True
        for source in list(self._sources):
            source.close()
        with self._lock:
            self._images.clear()

    def _image(self, image_id: ImageId) -> _Image:
        image = self._images.get(image_id)
        if image is None:
            raise ImageNotFoundError(f"no image {image_id!r} in {self.address}; list_images() tells which there are")
        return image

    def _add(self, description: ImageDescription, levels: list[npt.NDArray[Any]]) -> int:
        with self._lock:
            if self._closed:
                raise WriteError("the store was closed before the image was finished; nothing was kept")
            image_id = next(self._ids)
            self._images[image_id] = _Image(description.replace(image_id=image_id), levels)
        return image_id


class _MemorySource:
    """Reads an image of a `MemoryStore`."""

    def __init__(self, image: _Image, tile: int) -> None:
        self._description = image.description
        self._pixels: list[npt.NDArray[Any]] | None = image.levels
        self._levels = tuple(
            ResolutionLevel(index, pixels.shape[-1], pixels.shape[-2], tile, tile)
            for index, pixels in enumerate(image.levels)
        )

    @property
    def description(self) -> ImageDescription:
        return self._description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        return self._levels

    @property
    def hints(self) -> ReadHints:
        return ReadHints(request_bytes=1 << 16, parallel=2)

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        region = check_request(self._description, self._levels, plane, region, level, out)
        pixels = self._pixels
        if pixels is None:
            raise ReadError(f"image {self._description.image_id} is closed; open it again")
        x, y, width, height = region
        found = pixels[level][plane[2], plane[1], plane[0], y : y + height, x : x + width]
        if out is None:
            return found.copy()
        out[...] = found
        return out

    def close(self) -> None:
        self._pixels = None


class _MemorySink:
    """Writes an image of a `MemoryStore`."""

    def __init__(self, store: MemoryStore, description: ImageDescription, tile: int) -> None:
        self._store = store
        self._description = description
        sizes = pyramid_sizes(description.size_x, description.size_y, tile)
        dtype = description.pixel_type.dtype
        try:
            self._levels: list[npt.NDArray[Any]] | None = [
                np.empty((*description.shape[:3], height, width), dtype) for width, height in sizes
            ]
        except (MemoryError, ValueError) as error:
            raise WriteError(
                f"image {description.name!r} needs {description.nbytes} bytes of memory; write it to a local store"
            ) from error
        self._layout = WriteLayout(min(tile, description.size_x), min(tile, description.size_y))
        self._order = TileOrder(description, self._layout)
        self._builder = PyramidBuilder(sizes, tile, dtype, self._keep)
        self._plane = PlaneIndex(0, 0, 0)

    @property
    def description(self) -> ImageDescription:
        return self._description

    @property
    def layout(self) -> WriteLayout:
        return self._layout

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        if self._levels is None:
            raise WriteError("this image is finished or abandoned; create() a new one")
        self._order.check(plane, region, pixels)
        self._plane = plane
        self._builder.add(region, pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
        self._order.advance()

    def finish(self) -> ImageId:
        levels = self._levels
        if levels is None:
            raise WriteError("this image is finished or abandoned already; create() a new one")
        self._levels = None
        self._order.require_complete()
        return self._store._add(self._description, levels)

    def abandon(self) -> None:
        self._levels = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def _keep(self, level: int, region: Region, pixels: npt.NDArray[Any]) -> None:
        assert self._levels is not None  # noqa: S101 - write() checked
        z, c, t = self._plane
        x, y, width, height = region
        self._levels[level][t, c, z, y : y + height, x : x + width] = pixels
