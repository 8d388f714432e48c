"""Images of a store as repositories: one committed version each, and what instances of data it has.

The UUID of image 42 is ``42`` and as many ``f`` as make 32 digits, of which ``42f`` is the shortest beginning that
names no other image. So an address needs no table of images, and stays the same for ever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError, NotFoundError
from ij_omero.model import PixelType
from ij_omero.stores.dvid_layout import PART, TAG, VALUES

from ._block_codecs import Compression
from ._catalogue import Repo
from ._geometry import Box, Point
from ._instances import Instance
from ._versions import Node, Versions
from ._voxel_types import KEYVALUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ij_omero.model import ImageDescription, ResolutionLevel

WHOLE = "image"
LARGEST_SIDE = 512
_UUID_LENGTH = 32
_IMAGE = re.compile(r"(0|[1-9][0-9]{0,18})f+")
_NAME = re.compile(r"c(0|[1-9][0-9]{0,8})t(0|[1-9][0-9]{0,8})(?:_([1-9][0-9]?))?")
_UNKNOWN_TIME = "1970-01-01T00:00:00+00:00"
_EXACT = {
    PixelType.BIT: "uint8blk",
    PixelType.UINT8: "uint8blk",
    PixelType.UINT16: "uint16blk",
    PixelType.UINT32: "uint32blk",
}
_BY_WIDTH = {1: "uint8blk", 2: "uint16blk", 4: "uint32blk", 8: "uint64blk"}


def uuid_of(image_id: int) -> str:
    """Return the UUID of an image's only version."""
    return str(image_id).ljust(_UUID_LENGTH, "f")


def image_named(text: str) -> int | None:
    """Return the image that a UUID or the beginning of one names; None where it is none of an image."""
    found = _IMAGE.fullmatch(text.lower()) if len(text) <= _UUID_LENGTH else None
    return None if found is None else int(found[1])


class ImageRepo(Repo):
    """An image as a repository.

    Its instances are `WHOLE`, all planes behind each other as this package's clients open it, and for each channel
    and timepoint ``c0t0`` and so on, those of smaller resolution levels ``c0t0_1``, ``c0t0_2``.

    Parameters
    ----------
    image_id
        Its number in the store.
    description
        What it is.
    levels
        Its resolution levels; only full size where they are not given.
    """

    def __init__(
        self, image_id: int, description: ImageDescription, levels: Sequence[ResolutionLevel] | None = None
    ) -> None:
        made = _UNKNOWN_TIME if description.acquired is None else description.acquired.isoformat()
        root = Node(0, uuid_of(image_id), locked=True, created=made, updated=made)
        super().__init__(
            root.uuid,
            Versions({0: root}),
            description.name,
            f"image {image_id} of the store; it is only read here",
            created=made,
            updated=made,
        )
        self._image = description
        width, height = description.size_x, description.size_y
        self._sizes = [(width, height)] if levels is None else [(each.width, each.height) for each in levels]
        self._tile = (width, height) if levels is None else (levels[0].tile_width, levels[0].tile_height)

    @property
    def root(self) -> Node:
        """The only version."""
        return self.versions.root

    def instance(self, name: str) -> Instance:
        """Return an instance by its name, or raise NotFoundError."""
        if name == VALUES:
            return self._made(VALUES, KEYVALUE)
        if name == WHOLE:
            width = self._image.pixel_type.bytes_per_pixel
            typename = "float32blk" if self._image.pixel_type is PixelType.FLOAT else _BY_WIDTH.get(width)
            if typename is not None:
                return self._voxels(WHOLE, typename, 0, self._image.plane_count, {TAG: "image"})
        elif self.part(name) is not None and not self._image.pixel_type.is_complex:
            typename = _EXACT.get(self._image.pixel_type, "float32blk")
            tags = {PART: WHOLE, "pixel_type": self._image.pixel_type.value}
            return self._voxels(name, typename, self.level(name), self._image.size_z, tags)
        raise NotFoundError(f'invalid data instance name: there is no "{name[:200]}" in repo {self.uuid}')

    def part(self, name: str) -> tuple[int, int] | None:
        """Return the channel and timepoint that an instance shows; None for another name."""
        found = _NAME.fullmatch(name)
        if found is None or self.level(name) >= len(self._sizes):
            return None
        c, t = int(found[1]), int(found[2])
        return (c, t) if c < self._image.size_c and t < self._image.size_t else None

    def level(self, name: str) -> int:
        """Return the resolution level that an instance shows, 0 for full size."""
        found = _NAME.fullmatch(name)
        return int(found[3] or 0) if found else 0

    def extents(self, instance: Instance) -> Box | None:
        """Return the box that an instance's voxels lie in; None for those without voxels."""
        if instance.max_point is None:
            return None
        return Box(Point(0, 0, 0), Point(*(last + 1 for last in instance.max_point)))

    def names(self) -> Iterator[str]:
        """Yield the names of all instances."""
        yield VALUES
        if self._image.pixel_type.bytes_per_pixel in _BY_WIDTH:
            yield WHOLE
        if self._image.pixel_type.is_complex:
            return
        for t in range(self._image.size_t):
            for c in range(self._image.size_c):
                yield f"c{c}t{t}"
                yield from (f"c{c}t{t}_{level}" for level in range(1, len(self._sizes)))

    def told(self, extents: dict[str, Box | None]) -> dict[str, Any]:
        """Return what ``info`` answers."""
        self.instances = {name: self.instance(name) for name in self.names()}
        return super().told({name: self.extents(each) for name, each in self.instances.items()} | extents)

    def _voxels(self, name: str, typename: str, level: int, depth: int, tags: dict[str, str]) -> Instance:
        width, height = self._sizes[level]
        nanometers = [self._nanometers(axis) for axis in "xyz"]
        scale = (self._image.size_x / width, self._image.size_y / height, 1.0)
        block = [min(side, tile, LARGEST_SIDE) for side, tile in zip((width, height), self._tile, strict=True)]
        return self._made(
            name,
            typename,
            tags=tags,
            block=Point(block[0], block[1], 1),
            voxel_size=_three((1.0 if size is None else size) * by for size, by in zip(nanometers, scale, strict=True)),
            voxel_units=_three("pixels" if size is None else "nanometers" for size in nanometers),
            min_point=Point(0, 0, 0),
            max_point=Point(width - 1, height - 1, depth - 1),
        )

    def _made(self, name: str, typename: str, **facts: Any) -> Instance:
        return Instance(0, name, typename, self.uuid, self.uuid, compression=Compression("none"), **facts)

    def _nanometers(self, axis: str) -> float | None:
        size = getattr(self._image, f"physical_size_{axis}")
        try:
            found = None if size is None else float(f"{size.to('nm'):.12g}")  # 0.25 µm are 250 nm, not 249.99...
        except InvalidInputError:  # a distance in pixels, which has no length
            return None
        return found if found is not None and 0 < found < 1e30 else None


def _three(values: Iterator[Any]) -> tuple[Any, Any, Any]:
    x, y, z = values
    return x, y, z
