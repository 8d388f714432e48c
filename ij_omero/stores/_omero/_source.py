"""An image of the server as a `PixelSource`."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import Progress, ReadHints, check_request, no_progress

from ._failures import FAILURES
from ._pixel_bytes import MAX_CALL, MIN_BAND, decode, received, wire_dtype
from ._raw_stores import RawStores
from ._read_calls import ReadCall, read_calls
from ._waiting import raise_first, results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from ._raw_stores import RawStore
    from ._session import Connection, OmeroSession


class OmeroSource:
    """Reads pixels of one image, from any thread.

    Parameters
    ----------
    session
        The login; a dropped connection is joined again in the middle of reading.
    description
        What the image is.
    context
        The Ice context (group) in which the image is read.
    parallel
        How many calls to keep in flight.
    imported
        Whether the server reads the pixels out of a file that was imported, and not from planes of its own.
    """

    def __init__(
        self,
        session: OmeroSession,
        description: ImageDescription,
        context: dict[str, str],
        *,
        parallel: int = 2,
        imported: bool = True,
    ) -> None:
        if description.pixels_id is None:
            raise ReadError(f"image {description.image_id} has no pixels")
        self._session = session
        self._description = description
        self.context = context
        self._stores = RawStores(session, description.pixels_id, context, parallel)
        self._levels: tuple[ResolutionLevel, ...] | None = None
        self._own_planes = not imported
        self._lock = threading.Lock()
        self._closed = False

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._description

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def hints(self) -> ReadHints:
        """Two megabytes per call at least; one reader more than stores, which takes apart what came before."""
        return ReadHints(request_bytes=MIN_BAND, parallel=self._stores.size + 1)

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Resolution levels, full size first; asked of the server when first needed."""
        self._check_open()
        with self._lock:
            if self._levels is None:
                self._levels = self._session.call(f"opening {self._name}", self._read_levels)
            return self._levels

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        self._check_open()
        plane = PlaneIndex(*plane)
        region = check_request(self._description, self.levels, plane, region, level, out)
        target = np.empty(region.shape, self._description.pixel_type.dtype) if out is None else out
        self._read([(plane, target)], region, level, no_progress)
        return target

    def read_undecoded(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0) -> npt.NDArray[Any]:
        """Read a rectangle in the byte order in which it came; see `UndecodedReads`.

        It is one call, which leaves the other stores to whoever reads beside it.
        """
        self._check_open()
        plane = PlaneIndex(*plane)
        levels = self.levels
        region = check_request(self._description, levels, plane, region, level)
        sent = wire_dtype(self._description.pixel_type)
        if region.width * region.height * sent.itemsize > MAX_CALL or self._description.pixel_type is PixelType.BIT:
            return self.read(plane, region, level=level)
        found: list[npt.NDArray[Any]] = []

        def keep(data: bytes, _: ReadCall) -> None:
            found.append(received(data, self._description.pixel_type, region.shape))

        nowhere = np.broadcast_to(np.zeros((), self._description.pixel_type.dtype), region.shape)
        self._read([(plane, nowhere)], region, level, no_progress, most=1, take=keep)
        return found[-1]

    def read_planes(
        self,
        planes: Sequence[PlaneIndex],
        region: Region | None = None,
        *,
        level: int = 0,
        out: Sequence[npt.NDArray[Any]],
        progress: Progress = no_progress,
    ) -> None:
        """Read the same rectangle of several planes, the next on its way while one arrives; see `PlaneSequence`."""
        self._check_open()
        if len(planes) != len(out):
            raise InvalidInputError(f"{len(planes)} planes need as many arrays to read into; there are {len(out)}")
        wanted = [(PlaneIndex(*plane), target) for plane, target in zip(planes, out, strict=True)]
        whole = region
        for plane, target in wanted:
            whole = check_request(self._description, self.levels, plane, region, level, target)
        if whole is not None and wanted:
            self._read(wanted, whole, level, progress)

    def _read(
        self,
        wanted: list[tuple[PlaneIndex, npt.NDArray[Any]]],
        region: Region,
        level: int,
        progress: Progress,
        *,
        most: int | None = None,
        take: Callable[[bytes, ReadCall], None] | None = None,
    ) -> None:
        """Read rectangles over at most so many stores; what comes is decoded into the arrays, or taken by `take`."""
        levels = self.levels
        size = self._stores.size if most is None else most
        if take is None:
            take = partial(_decoded, self._description.pixel_type)
        wire_size = wire_dtype(self._description.pixel_type).itemsize
        # What the server counts: its level 0 is the smallest.
        server_level = len(levels) - 1 - level if len(levels) > 1 else None

        def calls(stores: int) -> deque[ReadCall]:
            plain = self._own_planes and server_level is None
            found = read_calls(
                wanted,
                region,
                self._description,
                wire_size,
                tile_height=levels[level].tile_height,
                stores=stores,
                plain=plain,
            )
            return deque(found)

        left, done, begun = calls(size), 0, False

        def arrived(call: ReadCall) -> None:
            nonlocal done
            left.popleft()
            done += call.completes
            if call.completes:
                progress(done, len(wanted), "reading pixels")

        def fetch(_: Connection) -> None:
            nonlocal left, begun
            with self._stores.lend(min(len(left), size)) as stores:
                if not begun and len(stores) < size:
                    # with the other stores in use, cutting would only make more calls
                    left = calls(len(stores))
                begun = True
                self._fetch(stores, left, server_level, take, arrived)

        try:
            self._session.call(f"reading {self._name}", fetch)
        except ReadError:
            if not self._own_planes or left[0].method == "getTile":
                raise
            # A server may keep pixels otherwise than it looks: every one gives tiles.
            self._own_planes = False
            left, done, begun = calls(size), 0, False
            self._session.call(f"reading {self._name}", fetch)

    def close(self) -> None:
        """Close the stores on the server; twice is allowed."""
        self._closed = True
        self._stores.close()

    @property
    def _name(self) -> str:
        return f"image {self._description.image_id}"

    def _check_open(self) -> None:
        if self._closed:
            raise ReadError(f"{self._name} is closed; open it again")

    def _fetch(
        self,
        stores: list[RawStore],
        left: deque[ReadCall],
        server_level: int | None,
        take: Callable[[bytes, ReadCall], None],
        arrived: Callable[[ReadCall], None],
    ) -> None:
        """Make the calls that are left, one in flight on each store, taking one in while the next is on its way.

        What has arrived is taken from ``left``, so that a reader that joins again after a lost connection goes on.
        """
        for store in stores:
            if server_level is not None and store.level != server_level:
                store.proxy.setResolutionLevel(server_level)
                store.level = server_level
        if len(left) == 1:
            call = left[0]
            take(getattr(stores[0].proxy, call.method)(*call.arguments), call)
            arrived(call)
            return
        waiting = iter(tuple(left))
        flights: deque[tuple[RawStore, ReadCall, Any]] = deque()

        def begin(store: RawStore) -> None:
            call = next(waiting, None)
            if call is not None:
                flights.append((store, call, getattr(store.proxy, f"begin_{call.method}")(*call.arguments)))

        try:
            for store in stores:
                begin(store)
            while flights:
                store, call, answer = flights.popleft()
                data = getattr(store.proxy, f"end_{call.method}")(answer)
                begin(store)
                take(data, call)
                arrived(call)
        except BaseException:
            for store, call, answer in flights:
                # The store may only be closed once its call is over.
                try:
                    getattr(store.proxy, f"end_{call.method}")(answer)
                except FAILURES:
                    continue
            raise

    def _read_levels(self, _: Connection) -> tuple[ResolutionLevel, ...]:
        # what is read in one call needs one store, and opening another costs the server more than a further call
        with self._stores.lend(1 if self._description.nbytes <= MIN_BAND else 2) as stores:
            first, last = stores[0].proxy, stores[-1].proxy
            # The tile size is that of the full size; for the smaller levels some formats name sizes that are slow.
            if first is last:
                described, tile = first.getResolutionDescriptions(), first.getTileSize()
            else:
                asked = first.begin_getResolutionDescriptions(), last.begin_getTileSize()
                described, tile = found = results_of(
                    partial(first.end_getResolutionDescriptions, asked[0]), partial(last.end_getTileSize, asked[1])
                )
                raise_first(found)
        sizes = [(size.sizeX, size.sizeY) for size in described]
        tile_width, tile_height = tile
        sizes[0] = (self._description.size_x, self._description.size_y)
        return tuple(
            ResolutionLevel(index, width, height, min(tile_width, width), min(tile_height, height))
            for index, (width, height) in enumerate(sizes)
        )


def _decoded(pixel_type: PixelType, data: bytes, call: ReadCall) -> None:
    decode(data, pixel_type, *call.targets)
