"""Writing an image to a DVID server: boxes of whole blocks while pixels come, the description last."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import Self

from ij_omero.errors import ConnectionFailedError, DiskFullError, IJOmeroError, WriteError
from ij_omero.pixels import TileOrder, WriteLayout
from ij_omero.stores.dvid_layout import TAG, VALUES, description_value, key_of

from ._stored_image import TYPES, voxel_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from types import TracebackType

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, ImageId, PlaneIndex, Region

    from ._client import DvidClient

TILE = 512
BLOCK = 256
BOX_BYTES = 4 << 20
AT_ONCE = 2


class DvidSink:
    """A `PixelSink` that makes one instance of voxels, its planes behind each other along z.

    It holds a few boxes of up to 4 MB, or of one row of tiles, in memory. Readers see the image when its description is
    stored, which is the last that is written.
    """

    def __init__(
        self,
        client: DvidClient,
        uuid: str,
        name: str,
        description: ImageDescription,
        threads: Executor,
        remove: Callable[[], None],
    ) -> None:
        self._client = client
        self._uuid = uuid
        self._name = name
        self._description = description
        self._threads = threads
        self._remove = remove
        self._open = True
        self._pending: deque[Future[None]] = deque()
        width, height = description.size_x, description.size_y
        self._layout = WriteLayout(min(TILE, width), min(TILE, height))
        self._order = TileOrder(description, self._layout)
        self._block = (_side(width), _side(height), 1)
        self._dtype = description.pixel_type.dtype.newbyteorder("<")
        across, down = (-(-size // side) * side for size, side in zip((width, height), self._block, strict=False))
        plane_bytes = across * down * self._dtype.itemsize
        self._planes_at_once = max(1, BOX_BYTES // plane_bytes)
        self._rows_at_once = down if self._planes_at_once > 1 or down <= TILE else TILE
        self._size = (across, down)
        self._box = np.zeros((0, 0, 0), self._dtype)
        self._plane_number = 0
        self._first = 0
        # refused here rather than after all pixels: what cannot be described, a version that is committed
        self._value = description_value(description)
        client.new_instance(
            uuid,
            name,
            TYPES[description.pixel_type],
            BlockSize=",".join(map(str, self._block)),
            Tags=f"{TAG}=image",
            **voxel_settings(description),
        )

    @property
    def description(self) -> ImageDescription:
        """What the image will be."""
        return self._description

    @property
    def layout(self) -> WriteLayout:
        """Square tiles."""
        return self._layout

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write the next tile; see `PixelSink.write`."""
        if not self._open:
            raise WriteError("this image is finished or abandoned; create() a new one")
        self._order.check(plane, region, pixels)
        x, y, width, height = region
        bands = self._planes_at_once == 1
        top = y % self._rows_at_once if bands else y
        if not self._box.size:
            self._box = np.zeros(self._box_shape(y), self._dtype)
            self._first = self._plane_number
        self._box[self._plane_number - self._first, top : top + height, x : x + width] = pixels
        self._order.advance()
        if x + width < self._description.size_x:
            return
        is_last_row = y + height == self._description.size_y
        if bands and (top + height == self._rows_at_once or is_last_row):
            self._send(y + height - (top + height))
        if is_last_row:
            self._plane_number += 1
            if not bands and self._plane_number - self._first == self._planes_at_once:
                self._send(0)

    def finish(self) -> ImageId:
        """Store what is left and the description, and return the image's id."""
        if not self._open:
            raise WriteError("this image is finished or abandoned already; create() a new one")
        try:
            self._order.require_complete()
            if self._box.size:
                self._send(0)
            self._wait(0)
            description = self._description
            last = (description.size_x - 1, description.size_y - 1, description.plane_count - 1)
            self._told(self._client.set_extents, self._uuid, self._name, (0, 0, 0), last)
            self._told(self._client.set_value, self._uuid, VALUES, key_of(self._name), self._value)
        except BaseException:
            self.abandon()
            raise
        self._open = False
        return f"{self._uuid}/{self._name}"

    def abandon(self) -> None:
        """Delete the instance."""
        if not self._open:
            return
        self._open = False
        self._box = self._box[:0]
        for work in self._pending:
            work.cancel()
        for work in self._pending:
            with contextlib.suppress(IJOmeroError, OSError):
                if not work.cancelled():
                    work.result()
        self._pending.clear()
        self._remove()

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon the image unless it was finished."""
        self.abandon()

    def _box_shape(self, y: int) -> tuple[int, int, int]:
        across, down = self._size
        if self._planes_at_once == 1:
            top = y - y % self._rows_at_once
            return 1, min(self._rows_at_once, down - top), across
        left = self._description.plane_count - self._plane_number
        return min(self._planes_at_once, left), down, across

    def _send(self, y: int) -> None:
        """Store the box in another thread; wait while too many are on their way."""
        box, self._box = self._box, self._box[:0]
        depth = self._plane_number - self._first if self._planes_at_once > 1 else 1
        size = (box.shape[2], box.shape[1], depth)
        body = box[:depth].data.cast("B")
        self._wait(AT_ONCE - 1)
        offset = (0, y, self._first)
        try:
            work = self._threads.submit(self._told, self._client.write, self._uuid, self._name, offset, size, body)
        except RuntimeError as error:
            raise WriteError("the store was closed before the image was finished; nothing was kept") from error
        self._pending.append(work)

    def _wait(self, most: int) -> None:
        while len(self._pending) > most:
            self._pending.popleft().result()

    def _told(self, ask: Callable[..., None], *given: Any) -> None:
        try:
            ask(*given)
        except (WriteError, DiskFullError, ConnectionFailedError):
            raise
        except IJOmeroError as error:
            raise WriteError(f"image {self._description.name!r} cannot be written: {error}") from error


def _side(size: int) -> int:
    """Return a block's side: the whole image where it is small."""
    return size if size <= TILE else BLOCK
