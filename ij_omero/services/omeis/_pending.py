"""Pixels that are being written: one raw file, little endian, x fastest, then y, z, c and t."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
from typing import TYPE_CHECKING

import numpy as np

from ij_omero.errors import DiskFullError, InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region

    from ._parameters import Box

CHUNK = 4 << 20


class PendingPixels:
    """Pixels that are being written.

    Parameters
    ----------
    path
        Their file.
    description
        What they are.
    """

    def __init__(self, path: Path, description: ImageDescription) -> None:
        self.description = description
        self.path = path
        self._dtype = description.pixel_type.dtype.newbyteorder("<")

    @classmethod
    def reserve(cls, path: Path, description: ImageDescription) -> None:
        """Make the file, with all the room that it needs, so that no later write lacks it.

        Raises
        ------
        DiskFullError
            There is not that much.
        """
        nbytes = math.prod(description.sizes) * description.pixel_type.bytes_per_pixel
        # what may be there already was left by a server that was killed before anybody was told of its id
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            room = os.fstatvfs(file)
            if nbytes > room.f_bavail * room.f_frsize:
                raise OSError(errno.ENOSPC, "no space left on device")
            os.posix_fallocate(file, 0, nbytes)
            os.fsync(file)
        except (OSError, OverflowError) as error:
            path.unlink(missing_ok=True)
            raise DiskFullError(f"there is no room for {nbytes} bytes of pixels") from error
        finally:
            os.close(file)

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Keep writers out.

        Raises
        ------
        StorageError
            They are being written to, or finished, at this moment.
        """
        with self._locked(fcntl.LOCK_EX):
            yield

    def write(self, box: Box, content: BinaryIO, *, big_endian: bool, mirrored: bool = False) -> int:
        """Write the pixels of a box as they come, and return how many came.

        Parameters
        ----------
        box
            Where to.
        content
            Raw pixels in the order of the box.
        big_endian
            The byte order that they come in.
        mirrored
            Whether each row comes with its last pixel first.
        """
        region = box.region
        row_bytes = region.width * self._dtype.itemsize
        rows_at_once = max(1, CHUNK // row_bytes)
        coming = self._dtype.newbyteorder(">" if big_endian else "<")
        count = 0
        with self._written() as file:
            for plane in box.planes:
                for first in range(0, region.height, rows_at_once):
                    rows = min(rows_at_once, region.height - first)
                    data = _read_fully(content, rows * row_bytes)
                    pixels = np.frombuffer(data[: len(data) // coming.itemsize * coming.itemsize], coming)
                    if mirrored:
                        pixels = pixels[: pixels.size // region.width * region.width]
                        pixels = pixels.reshape(-1, region.width)[:, ::-1].ravel()
                    self._write_rows(file, plane, region, first, pixels.astype(self._dtype, copy=False))
                    count += pixels.size
                    if len(data) < rows * row_bytes:
                        return count
        return count

    def write_plane(self, plane: PlaneIndex, pixels: npt.NDArray[np.generic]) -> None:
        """Write a whole plane, (Y, X)."""
        if pixels.shape != (self.description.size_y, self.description.size_x):
            raise InvalidInputError(f"the plane is {pixels.shape[::-1]}, not {self.description.sizes[:2]} pixels")
        with self._written() as file:
            _write_fully(file, _bytes_of(pixels.astype(self._dtype)), self._offset(plane, 0))

    def read(self, plane: PlaneIndex, region: Region) -> npt.NDArray[np.generic]:
        """Return a rectangle of whole rows, (Y, X)."""
        count = region.height * self.description.size_x
        with self.path.open("rb") as file:
            rows = np.fromfile(file, self._dtype, count, offset=self._offset(plane, region.y))
        return rows.reshape(region.height, -1)[:, region.x : region.x + region.width]

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes of the file."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def _write_rows(
        self, file: int, plane: PlaneIndex, region: Region, first: int, pixels: npt.NDArray[np.generic]
    ) -> None:
        data = _bytes_of(pixels)
        start = self._offset(plane, region.y + first) + region.x * self._dtype.itemsize
        if region.width == self.description.size_x:
            _write_fully(file, data, start)
            return
        row = region.width * self._dtype.itemsize
        step = self.description.size_x * self._dtype.itemsize
        for index in range(0, len(data), row):
            _write_fully(file, data[index : index + row], start + index // row * step)

    def _offset(self, plane: PlaneIndex, row: int) -> int:
        of = self.description
        index = (((plane.t * of.size_c + plane.c) * of.size_z + plane.z) * of.size_y + row) * of.size_x
        return index * self._dtype.itemsize

    @contextlib.contextmanager
    def _written(self) -> Iterator[int]:
        """Give the file to write to beside other writers; what was written is on disk once the block has ended."""
        with self._locked(fcntl.LOCK_SH) as file:
            try:
                yield file
            finally:
                os.fdatasync(file)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[int]:
        try:
            file = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            raise StorageError("the pixels were finished or deleted at this moment") from None
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
            yield file
        except BlockingIOError:
            raise StorageError("the pixels are being written to or finished at this moment") from None
        finally:
            os.close(file)


def _read_fully(content: BinaryIO, count: int) -> bytes:
    data = content.read(count)
    if len(data) == count or not data:
        return data
    parts = [data]
    missing = count - len(data)
    while missing and (data := content.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def _write_fully(file: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _bytes_of(pixels: npt.NDArray[np.generic]) -> memoryview:
    return np.ascontiguousarray(pixels).data.cast("B")
