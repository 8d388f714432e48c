"""An image as the keys and values of a Zarr hierarchy, made when they are asked for.

The layout is OME-NGFF 0.4 (https://ngff.openmicroscopy.org/0.4/) in Zarr format 2, uncompressed: a group with arrays
``0`` (full size), ``1``, ... of (T, C, Z, Y, X). Nothing is stored; a chunk is read from the image.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import IJOmeroError, ReadError
from ij_omero.loading import CachedSource
from ij_omero.model import ImageAddress, PlaneIndex, Region, parse_address
from ij_omero.pixels import PixelSource
from ij_omero.rendering import image_data
from ij_omero.stores import find_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ij_omero.model import ImageDescription, Quantity, ResolutionLevel

_CHUNK_BYTES = 1 << 20
_UNITS = frozenset(
    "angstrom nanometer micrometer millimeter centimeter meter kilometer inch foot yard picometer femtometer "
    "second millisecond microsecond nanosecond minute hour day".split()
)
_AXES = (("t", "time"), ("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space"))


class ImageMapping(Mapping[str, bytes]):
    """The keys of a Zarr hierarchy over one image; read-only.

    An instance over an address can be pickled: whoever unpickles it opens the image itself.

    Parameters
    ----------
    image
        An address, or a `PixelSource`, which stays its owner's.
    cache_mb
        Megabytes of pixels that are kept in memory.
    **login
        For an address; what is given here is pickled too. Without it, what the environment says.

    Raises
    ------
    ImageNotFoundError, AddressError, ConnectionFailedError, LoginError
        The image cannot be opened.
    """

    def __init__(self, image: str | Path | ImageAddress | PixelSource, *, cache_mb: int = 256, **login: Any) -> None:
        self.address: ImageAddress | None = None if isinstance(image, PixelSource) else parse_address(image)
        self._login = login
        self._cache_mb = cache_mb
        self._lock = threading.Lock()
        self._given = image if isinstance(image, PixelSource) else None
        self._opened: tuple[CachedSource, Any] | None = None
        self._closed = False
        self._source()

    @functools.cached_property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._source().description

    @functools.cached_property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Its resolution levels, full size first."""
        return self._source().levels

    @functools.cached_property
    def metadata(self) -> dict[str, bytes]:
        """The keys that hold no pixels."""
        documents: dict[str, Any] = {
            ".zgroup": {"zarr_format": 2},
            ".zattrs": attributes_of(self.description, self.levels),
        }
        for level in self.levels:
            documents[f"{level.index}/.zarray"] = self._array(level)
            documents[f"{level.index}/.zattrs"] = {"_ARRAY_DIMENSIONS": [name for name, _ in _AXES]}
        documents[".zmetadata"] = {"zarr_consolidated_format": 1, "metadata": dict(documents)}
        return {key: json.dumps(document).encode() for key, document in documents.items()}

    def chunk_shape(self, level: int) -> tuple[int, int, int, int, int]:
        """Whole tiles of one plane, at most a megabyte where a tile is not larger."""
        size = self.levels[level]
        height, width = min(size.tile_height, size.height), min(size.tile_width, size.width)
        item = self.description.pixel_type.bytes_per_pixel
        while 2 * height * width * item <= _CHUNK_BYTES and (height < size.height or width < size.width):
            if height >= size.height or (width <= height and width < size.width):
                width *= 2
            else:
                height *= 2
        return 1, 1, 1, height, width

    def __getitem__(self, key: str) -> bytes:
        """Return a document, or the bytes of a chunk."""
        if (document := self.metadata.get(key)) is not None:
            return document
        place = self._place(key)
        if place is None:
            raise KeyError(key)
        return self._chunk(*place)

    def __contains__(self, key: object) -> bool:
        """Whether there is such a key; reads no pixels."""
        return isinstance(key, str) and (key in self.metadata or self._place(key) is not None)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys, documents first."""
        yield from self.metadata
        for level in self.levels:
            for place in itertools.product(*map(range, self.grid(level.index))):
                yield "/".join(map(str, (level.index, *place)))

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self.metadata) + sum(math.prod(self.grid(level.index)) for level in self.levels)

    def grid(self, level: int) -> tuple[int, ...]:
        """Return how many chunks there are along T, C, Z, Y and X."""
        return tuple(-(-size // part) for size, part in zip(self._shape(level), self.chunk_shape(level), strict=True))

    def close(self) -> None:
        """Close what was opened here; twice is allowed."""
        with self._lock:
            opened, self._opened, self._closed = self._opened, None, True
        if opened is not None:
            source, store = opened
            source.close()
            if store is not None:
                store.close()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connection behind."""
        if self.address is None:
            raise ReadError("a store over a bare source cannot be sent elsewhere; open the image by its address")
        return {"address": self.address, "_login": self._login, "_cache_mb": self._cache_mb}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the image when it is first needed."""
        self.__dict__.update(state, _lock=threading.Lock(), _given=None, _opened=None, _closed=False)

    def _source(self) -> PixelSource:
        with self._lock:
            if self._closed:
                raise ReadError("this Zarr store is closed; open the image again")
            if self._opened is None:
                bound = self._cache_mb << 20
                if self._given is not None:
                    return self._given
                assert self.address is not None  # noqa: S101 - there is one of the two
                store, image_id = find_image(self.address, **self._login)
                try:
                    source = CachedSource(store.open(image_id), bound)
                except BaseException:
                    store.close()
                    raise
                shared = store.address.scheme == "memory"  # one in memory is shared by its name and stays open
                self._opened = (source, None if shared else store)
            return self._opened[0]

    def _shape(self, level: int) -> tuple[int, int, int, int, int]:
        size, image = self.levels[level], self.description
        return image.size_t, image.size_c, image.size_z, size.height, size.width

    def _array(self, level: ResolutionLevel) -> dict[str, Any]:
        return {
            "zarr_format": 2,
            "shape": self._shape(level.index),
            "chunks": self.chunk_shape(level.index),
            "dtype": self._little_endian().str,
            "compressor": None,
            "filters": None,
            "fill_value": False if self._little_endian().kind == "b" else 0,
            "order": "C",
            "dimension_separator": "/",
        }

    def _little_endian(self) -> np.dtype[Any]:
        return self.description.pixel_type.dtype.newbyteorder("<")

    def _place(self, key: str) -> tuple[int, tuple[int, ...]] | None:
        parts = key.split("/")
        if len(parts) != 1 + len(_AXES) or not all(p.isdecimal() and p.isascii() and str(int(p)) == p for p in parts):
            return None
        level, *place = map(int, parts)
        if level >= len(self.levels) or any(at >= count for at, count in zip(place, self.grid(level), strict=True)):
            return None
        return level, tuple(place)

    def _chunk(self, level: int, place: tuple[int, ...]) -> bytes:
        height, width = self.chunk_shape(level)[3:]
        t, c, z, row, column = place
        whole = Region(column * width, row * height, width, height)
        region = whole.intersection(self.levels[level].bounds)
        assert region is not None  # noqa: S101 - the grid ends where the level does
        try:
            pixels = self._source().read(PlaneIndex(z, c, t), region, level=level)
        except IJOmeroError as error:
            raise ReadError(
                f"chunk {'/'.join(map(str, (level, *place)))} of {self.address or self.description.name!r} could not "
                f"be read: {error}"
            ) from error
        if pixels.shape != whole.shape:  # Zarr's chunks at the edges are whole
            padded = np.zeros(whole.shape, pixels.dtype)
            padded[: region.height, : region.width] = pixels
            pixels = padded
        return pixels.astype(self._little_endian(), order="C", copy=False).tobytes()


def attributes_of(description: ImageDescription, levels: tuple[ResolutionLevel, ...]) -> dict[str, Any]:
    """Return the attributes of the group: ``multiscales`` and ``omero`` of OME-NGFF 0.4."""
    steps = {
        "t": description.time_increment,
        "z": description.physical_size_z,
        "y": description.physical_size_y,
        "x": description.physical_size_x,
    }
    axes = []
    for name, kind in _AXES:
        unit = _unit(steps.get(name))
        axes.append({"name": name, "type": kind, **({"unit": unit} if unit else {})})
    datasets = []
    for level in levels:
        larger = {"y": levels[0].height / level.height, "x": levels[0].width / level.width}
        scale = [_length(steps.get(name)) * larger.get(name, 1.0) for name, _ in _AXES]
        datasets.append({"path": str(level.index), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    web = image_data(description, levels)
    return {
        "multiscales": [{"version": "0.4", "name": description.name, "axes": axes, "datasets": datasets}],
        "omero": {
            "id": description.image_id,
            "name": description.name,
            "version": "0.4",
            "channels": web["channels"],
            "rdefs": {key: web["rdefs"][key] for key in ("model", "defaultZ", "defaultT")},
        },
    }


def _unit(step: Quantity | None) -> str | None:
    name = step.unit_name.lower() if step is not None else ""
    return name if name in _UNITS else None


def _length(step: Quantity | None) -> float:
    return step.value if step is not None and _unit(step) and math.isfinite(step.value) and step.value > 0 else 1.0
