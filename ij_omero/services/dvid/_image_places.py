"""Reading images of a store as if they were volumes in blocks."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ImageNotFoundError, NotFoundError, ReadError
from ij_omero.model import ImageDescription, PlaneIndex, Region
from ij_omero.services._core import OpenSources
from ij_omero.stores.dvid_layout import description_value, key_of

from ._geometry import Point
from ._image_repos import WHOLE, ImageRepo, image_named, uuid_of
from ._place import Place
from ._versioned_values import VALUES, block_at, block_key
from ._versions import MASTER
from ._voxel_types import VOXEL_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    import numpy.typing as npt

    from ij_omero.pixels import ImageStore
    from ij_omero.services._core import OpenedSource

    from ._geometry import Box
    from ._instances import Instance

BOUND = 256 << 20
MOST_TOLD = 20_000


class _Lease:
    """An open image, in the role of a reading transaction."""

    def __init__(self, images: OpenSources, source: OpenedSource) -> None:
        self._images = images
        self._source: OpenedSource | None = source
        self._number = source.number
        self._lock = threading.Lock()

    def id(self) -> int:
        """Return the number of this opening."""
        return self._number

    def abort(self) -> None:
        """Let go of the image; twice is allowed."""
        with self._lock:
            source, self._source = self._source, None
        if source is not None:
            self._images.give_back(source)


class ImageBlocks:
    """Planes of an image as blocks of one plane each; see `VersionedValues`, whose reading part this has.

    Parameters
    ----------
    read
        Returns a region of the plane of a z.
    instance
        What is shown.
    """

    def __init__(self, read: Callable[[int, Region], npt.NDArray[Any]], instance: Instance) -> None:
        self._read = read
        self._instance = instance

    def key(self, key: bytes) -> bytes:
        """Return the key of a block."""
        return f"{self._instance.root}/{self._instance.name}/".encode() + key

    def get(self, key: bytes) -> memoryview | None:
        """Return a block as it would be stored, or None."""
        return next((value for _, value in self.range(key, key)), None)

    def range(self, first: bytes, last: bytes) -> Iterator[tuple[bytes, memoryview]]:
        """Yield (key, value) of the blocks of one row, both ends included; they are read by one request."""
        block, far = self._instance.block, self._instance.max_point
        begin, y, z = block_at(first)
        end = block_at(last)[0]
        if far is None or not (0 <= z <= far.z and 0 <= y <= far.y // block.y):
            return
        begin, end = max(begin, 0), min(end, far.x // block.x)
        if begin > end:
            return
        top, left = y * block.y, begin * block.x
        right, bottom = min((end + 1) * block.x, far.x + 1), min(top + block.y, far.y + 1)
        pixels = self._read(z, Region(left, top, right - left, bottom - top))
        for x in range(begin, end + 1):
            part = pixels[:, (x - begin) * block.x : (x - begin + 1) * block.x]
            voxels = np.zeros((1, block.y, block.x), pixels.dtype)
            voxels[0, : part.shape[0], : part.shape[1]] = part
            yield block_key(Point(x, y, z)), memoryview(self._instance.compression.encode(voxels)[0])


class _OneValue:
    """The values of an image's instance of type keyvalue: its description."""

    def __init__(self, value: bytes) -> None:
        self._key, self._value = key_of(WHOLE).encode() + b"\0", b"\1" + value

    def get(self, key: bytes) -> memoryview | None:
        """Return a value, or None."""
        return memoryview(self._value) if key == self._key else None

    def all(self) -> Iterator[tuple[bytes, memoryview]]:
        """Yield every (key, value)."""
        yield self._key, memoryview(self._value)


@dataclass(frozen=True)
class ImagePlace(Place):
    """An instance of an image's repository, in one use of the open image."""

    source: OpenedSource
    failed: Callable[[], None]

    @property
    def state(self) -> Hashable:
        """What everything that is kept of the instance depends on: images of a store do not change."""
        return self.node.uuid, self.instance.name, self.source.number

    @property
    def extents(self) -> Box | None:
        """The box that the voxels lie in."""
        return self._image.extents(self.instance)

    @property
    def blocks(self) -> Any:
        """The blocks of voxels."""
        return ImageBlocks(self._pixels, self.instance)

    def values(self, kind: int) -> Any:
        """Return the instance's values of a class."""
        return _OneValue(description_value(self.source.description)) if kind == VALUES else self.blocks

    def beside(self, name: str) -> Place:
        """Return another instance of the same image; NotFoundError where there is none."""
        instance = self.repo.instance(name)
        return ImagePlace(self.transaction, self.repo, self.node, instance, self.ancestry, 0, self.source, self.failed)

    @property
    def _image(self) -> ImageRepo:
        assert isinstance(self.repo, ImageRepo)  # noqa: S101 - for the type checker
        return self.repo

    def _pixels(self, z: int, region: Region) -> npt.NDArray[Any]:
        of, name = self.source.description, self.instance.name
        part = self._image.part(name)
        if part is None:
            rest, z = divmod(z, of.size_z)
            t, c = divmod(rest, of.size_c)
        else:
            c, t = part
        try:
            pixels = self.source.read(PlaneIndex(z, c, t), region, level=self._image.level(name))
        except (ConnectionError, ReadError):
            self.failed()
            raise
        stored = VOXEL_TYPES[self.instance.typename].stored
        return pixels.view(stored) if part is None else pixels.astype(stored, copy=False)


class StoreImages:
    """A store's images as repositories that are only read.

    Parameters
    ----------
    store
        The store; it stays its owner's.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._open = OpenSources(store, BOUND)

    def close(self) -> None:
        """Close the images; the store stays open."""
        self._open.close()

    def image_of(self, uuid: str) -> int | None:
        """Return the image that a UUID, the beginning of one, or ``UUID:master`` names.

        Raises
        ------
        NotFoundError
            It names an image and a branch that images do not have.
        """
        prefix, colon, branch = uuid.partition(":")
        image_id = image_named(prefix)
        if image_id is not None and colon and branch not in ("", MASTER):
            raise NotFoundError(f'branch "{branch[:200]}" not found in repo "{uuid_of(image_id)}"')
        return image_id

    def number_of(self, image_id: int) -> int:
        """Return what changes when an image is opened again; -1 while it is not open."""
        return self._open.number_of(image_id) or -1

    def repo(self, image_id: int) -> ImageRepo:
        """Return an image as a repository; NotFoundError where there is none."""
        with self._missing(image_id), self._open.lease(image_id) as source:
            return ImageRepo(image_id, source.description, source.levels)

    def all_repos(self) -> Iterator[ImageRepo]:
        """Yield images as repositories, without what opening each would tell; `MOST_TOLD` instances at most."""
        told = 0
        for summary in self._store.list_images():
            if not isinstance(summary.image_id, int):
                continue
            told += summary.sizes[3] * summary.sizes[4]
            if told > MOST_TOLD:
                return
            yield ImageRepo(summary.image_id, ImageDescription(summary.name, summary.pixel_type, *summary.sizes))

    def begin(self, image_id: int, name: str) -> ImagePlace:
        """Open an instance of an image; the caller ends it by ``place.transaction.abort()``."""
        with self._missing(image_id):
            source = self._open.take(image_id)
        lease = _Lease(self._open, source)
        try:
            repo = ImageRepo(image_id, source.description, source.levels)
            node, instance = repo.root, repo.instance(name)
            return ImagePlace(lease, repo, node, instance, [node], 0, source, lambda: self._open.forget(image_id))
        except BaseException:
            lease.abort()
            raise

    @contextmanager
    def _missing(self, image_id: int) -> Iterator[None]:
        """Tell of an image that is not there as of a version that is not there."""
        try:
            yield
        except ImageNotFoundError:  # whose message may tell where the store lies
            raise NotFoundError(f"could not find UUID with partial match to {uuid_of(image_id)}") from None
