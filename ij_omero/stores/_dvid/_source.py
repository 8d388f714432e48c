"""Reading an image of a DVID server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ConnectionFailedError, IJOmeroError, ReadError, StorageError
from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import Progress, ReadHints, check_request, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future

    import numpy.typing as npt

    from ._client import DvidClient
    from ._stored_image import StoredImage

REQUEST_BYTES = 4 << 20
PARALLEL = 4
TILE = 512


class DvidSource:
    """A `PixelSource` whose requests are boxes of voxels; large ones are several at once.

    Parameters
    ----------
    client
        Of the server.
    image
        Which is read.
    threads
        Where requests are made side by side.
    """

    def __init__(self, client: DvidClient, image: StoredImage, threads: Executor) -> None:
        self._client: DvidClient | None = client
        self._image = image
        self._threads = threads
        width, height = image.description.size_x, image.description.size_y
        tile = (_tile(image.block[0], width), _tile(image.block[1], height))
        self._levels = (ResolutionLevel(0, width, height, *tile),)

    @property
    def description(self) -> ImageDescription:
        """What the image is."""
        return self._image.description

    @property
    def levels(self) -> tuple[ResolutionLevel, ...]:
        """Full size alone."""
        return self._levels

    @property
    def hints(self) -> ReadHints:
        """A request costs about a millisecond whatever it carries."""
        return ReadHints(request_bytes=1 << 20, parallel=PARALLEL)

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a rectangle of one plane; see `PixelSource.read`."""
        region = check_request(self.description, self._levels, plane, region, level, out)
        self._require_open()
        if out is None:
            out = np.empty(region.shape, self.description.pixel_type.dtype)
        self._read_bands([plane], region, [out])
        return out

    def read_planes(
        self,
        planes: Sequence[PlaneIndex],
        region: Region | None = None,
        *,
        level: int = 0,
        out: Sequence[npt.NDArray[Any]],
        progress: Progress = no_progress,
    ) -> None:
        """Read the same rectangle of several planes; those that follow each other along z in one request."""
        self._require_open()
        whole = self._levels[0].bounds
        for plane, target in zip(planes, out, strict=True):
            whole = check_request(self.description, self._levels, plane, region, level, target)
        nbytes = whole.width * whole.height * self._image.dtype.itemsize * self._image.interleaved
        most = max(1, REQUEST_BYTES // nbytes)
        runs: list[tuple[list[PlaneIndex], list[npt.NDArray[Any]]]] = []
        for plane, target in zip(planes, out, strict=True):
            if runs and len(runs[-1][0]) < most and self._follows(runs[-1][0][-1], plane):
                runs[-1][0].append(plane)
                runs[-1][1].append(target)
            else:
                runs.append(([plane], [target]))
        if most == 1:
            for done, (members, targets) in enumerate(runs, 1):
                self._read_bands(members, whole, targets)
                progress(done, len(planes), "reading pixels")
            return
        done = 0
        pending = [self._submit(members, whole, targets) for members, targets in runs]
        try:
            for (members, _), work in zip(runs, pending, strict=True):
                work.result()
                done += len(members)
                progress(done, len(planes), "reading pixels")
        finally:
            for work in pending:
                work.cancel()

    def close(self) -> None:
        """Let go of the server."""
        self._client = None

    def _follows(self, before: PlaneIndex, plane: PlaneIndex) -> bool:
        same = self._image.interleaved == 1 or before.c == plane.c
        return same and self._image.section(plane) == self._image.section(before) + 1

    def _read_bands(self, planes: Sequence[PlaneIndex], region: Region, out: Sequence[npt.NDArray[Any]]) -> None:
        """Read a rectangle, cut into bands of whole blocks where it is large."""
        row_bytes = region.width * self._image.dtype.itemsize * self._image.interleaved
        if row_bytes * region.height <= REQUEST_BYTES + (REQUEST_BYTES >> 1):
            self._read_box(planes, region, out)
            return
        side = self._image.block[1]
        rows = max(1, REQUEST_BYTES // (row_bytes * side)) * side
        edges = [
            region.y,
            *range((region.y // rows + 1) * rows, region.y + region.height, rows),
            region.y + region.height,
        ]
        pending = []
        for top, bottom in itertools.pairwise(edges):
            band = Region(region.x, top, region.width, bottom - top)
            parts = [target[top - region.y : bottom - region.y] for target in out]
            pending.append(self._submit(planes, band, parts))
        try:
            for work in pending:
                work.result()
        finally:
            for work in pending:
                work.cancel()

    def _read_box(self, planes: Sequence[PlaneIndex], region: Region, out: Sequence[npt.NDArray[Any]]) -> None:
        """Read planes that lie behind each other, in one request."""
        client, image = self._require_open(), self._image
        x, y, width, height = region
        offset = (image.offset[0] + x, image.offset[1] + y, image.section(planes[0]))
        try:
            body = client.read(image.uuid, image.name, offset, (width, height, len(planes)))
        except (ReadError, ConnectionFailedError):
            raise
        except (IJOmeroError, StorageError) as error:
            raise ReadError(f"image {self.description.image_id} cannot be read: {error}") from error
        voxels = image.plane_of(body, (len(planes), height, width), planes[0].c)
        for target, found in zip(out, voxels, strict=True):
            target[...] = found

    def _submit(self, *request: Any) -> Future[None]:
        try:
            return self._threads.submit(self._read_box, *request)
        except RuntimeError as error:
            raise ReadError(f"image {self.description.image_id} is closed; open it again") from error

    def _require_open(self) -> DvidClient:
        client = self._client
        if client is None:
            raise ReadError(f"image {self.description.image_id} is closed; open it again")
        return client


def _tile(block: int, size: int) -> int:
    """Return a tile's side: blocks that make up about 512 pixels."""
    return min(size, max(1, -(-TILE // block)) * block if block < TILE else block)
