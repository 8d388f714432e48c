"""Whole images as numpy arrays, and as dask arrays that are read on demand."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import IJOmeroError, InvalidInputError, MissingDependencyError, ReadError
from ij_omero.model import PlaneIndex, Region

from ._metadata import metadata_of
from ._opened import ImageLike, OpenedImage, open_like

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageAddress, ResolutionLevel
    from ij_omero.pixels import PixelSource

_CHUNK_BYTES = 2 << 20  # a request below this costs a server as much as one of this size


def load_image_data(image: ImageLike, **login: Any) -> dict[str, Any]:
    """Read a whole image into memory.

    Parameters
    ----------
    image, **login
        See `get_image_metadata`.

    Returns
    -------
    dict
        ``images``: one array per channel, (Z, Y, X), or (T, Z, Y, X) where there is more than one timepoint, in
        native byte order; ``metadata``: see `get_image_metadata`.
    """
    with open_like(image, **login) as opened:
        source = opened.source
        description = source.description
        pixels = [
            np.empty((description.size_t, description.size_z, *source.levels[0].bounds.shape), source_dtype(source))
            for _ in range(description.size_c)
        ]

        def read(plane: PlaneIndex) -> None:
            source.read(plane, out=pixels[plane.c][plane.t, plane.z])

        with ThreadPoolExecutor(max(1, source.hints.parallel)) as pool:
            for _ in pool.map(read, description.plane_indices()):
                pass
        images = [channel if description.size_t > 1 else channel[0] for channel in pixels]
        return {"images": images, "metadata": metadata_of(description)}


def source_dtype(source: PixelSource) -> np.dtype[Any]:
    """Return the numpy type of a source's pixels."""
    return source.description.pixel_type.dtype


def load_image_lazy(image: ImageLike, **login: Any) -> dict[str, Any]:
    """Return an image as dask arrays; no pixel is read yet.

    Parameters
    ----------
    image
        See `get_image_metadata`. The arrays of an image with an address can be sent to workers of dask.distributed,
        which open it themselves.
    **login
        For an address. What is given here travels with the arrays; without it workers log in with what they find in
        their own environment.

    Returns
    -------
    dict
        ``images``: one array (Z, Y, X) per channel, of the first timepoint; for an image with resolution levels a
        list of such arrays per channel, full size first and coarsest last. ``metadata``: see `get_image_metadata`.

    Raises
    ------
    MissingDependencyError
        dask is not installed.
    """
    try:
        import dask.array
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed, which lazy arrays need: pip install 'ij-omero[dask]'"
        ) from error
    opened = open_like(image, **login)
    description, levels = opened.source.description, opened.source.levels
    from_array: Any = dask.array.from_array  # dask publishes no types for it

    def lazy(channel: int, level: ResolutionLevel) -> Any:
        stack = LazyStack(opened, channel, level.index, login)
        meta = np.empty((0, 0, 0), stack.dtype)
        return from_array(stack, chunks=stack.chunks, name=False, asarray=False, inline_array=True, meta=meta)

    images = [[lazy(channel, level) for level in levels] for channel in range(description.size_c)]
    return {
        "images": images if len(levels) > 1 else [channel[0] for channel in images],
        "metadata": metadata_of(description),
    }


class LazyStack:
    """One channel of one level at the first timepoint, (Z, Y, X); reads what is sliced out of it.

    Pickles as an address; whoever unpickles it opens the image once per process.
    """

    ndim = 3

    def __init__(self, opened: OpenedImage, channel: int, level: int, login: dict[str, Any]) -> None:
        self._opened: OpenedImage | None = opened
        self._address = opened.address
        self._login = login
        self._channel = channel
        self._level = level
        description, size = opened.source.description, opened.source.levels[level]
        self.dtype = description.pixel_type.dtype
        self.shape = (description.size_z, size.height, size.width)
        self.chunks = self._chunks(size)

    def _chunks(self, level: ResolutionLevel) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """One z-section, and as many whole tiles of it as make a request worth its while."""
        depth, height, width = self.shape
        tile = level.tile_width * level.tile_height * self.dtype.itemsize
        tiles = max(1, _CHUNK_BYTES // tile)
        across = min(tiles, -(-width // level.tile_width))
        down = max(1, min(math.isqrt(tiles) if across < tiles else tiles, tiles // across))
        return (1,) * depth, _parts(height, level.tile_height * down), _parts(width, level.tile_width * across)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connection behind."""
        if self._address is None:
            raise InvalidInputError(
                "an array over a bare source cannot be sent elsewhere; open the image by its address"
            )
        return {**self.__dict__, "_opened": None}

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """Read (Z, Y, X) of three slices with steps of 1, or integers."""
        spans = [_span(part, size) for part, size in zip(_complete(index), self.shape, strict=True)]
        sections, rows, columns = (range(*span.indices(size)) for span, size in zip(spans, self.shape, strict=True))
        out = np.empty((len(sections), len(rows), len(columns)), self.dtype)
        if out.size:
            region = Region(columns.start, rows.start, len(columns), len(rows))
            for position, z in enumerate(sections):
                self._read(PlaneIndex(z, self._channel, 0), region, out[position])
        squeezed: npt.NDArray[Any] = out[tuple(0 if isinstance(i, int) else slice(None) for i in _complete(index))]
        return squeezed

    def _read(self, plane: PlaneIndex, region: Region, out: npt.NDArray[Any]) -> None:
        try:
            self._source().read(plane, region, level=self._level, out=out)
        except IJOmeroError as error:
            where = self._address or "the image"
            raise ReadError(
                f"tile x={region.x}, y={region.y}, {region.width} x {region.height} of z={plane.z}, c={plane.c}, "
                f"t={plane.t}, level {self._level} of {where} could not be read: {error}"
            ) from error

    def _source(self) -> PixelSource:
        if self._opened is None:
            assert self._address is not None  # noqa: S101 - __getstate__ saw to it
            self._opened = _shared(self._address, self._login)
        return self._opened.source


def _parts(size: int, part: int) -> tuple[int, ...]:
    whole, rest = divmod(size, part)
    return (part,) * whole + ((rest,) if rest else ())


def _complete(index: Any) -> tuple[Any, ...]:
    parts = index if isinstance(index, tuple) else (index,)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts = parts[:at] + (slice(None),) * (LazyStack.ndim - len(parts) + 1) + parts[at + 1 :]
    return tuple(int(p) if isinstance(p, np.integer) else p for p in parts) + (slice(None),) * (
        LazyStack.ndim - len(parts)
    )


def _span(part: Any, size: int) -> slice:
    if isinstance(part, int):
        if not -size <= part < size:
            raise IndexError(f"index {part} lies outside an axis of {size}")
        return slice(part % size, part % size + 1)
    if not isinstance(part, slice) or part.step not in (None, 1):
        raise IndexError(f"{part!r} cannot be read; expected an integer or a slice with a step of 1")
    return part


_MOST_KEPT = 8
_open: OrderedDict[tuple[Any, ...], OpenedImage] = OrderedDict()
_open_lock = threading.Lock()


def _shared(address: ImageAddress, login: dict[str, Any]) -> OpenedImage:
    """Return the image of this process that all unpickled arrays of an address share.

    The images used last stay open: a worker unpickles an array for every task, and logging in costs more than a tile.
    One that is dropped is closed when the last array lets go of it.
    """
    key = (str(address), tuple(sorted((name, repr(value)) for name, value in login.items())))
    with _open_lock:
        opened = _open.get(key)
        if opened is None:
            opened = _open[key] = open_like(address, **login)
        _open.move_to_end(key)
        while len(_open) > _MOST_KEPT:
            _open.popitem(last=False)
        return opened
