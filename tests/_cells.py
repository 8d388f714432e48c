"""What tests of the cell cache share: a source that counts, waits and fails on request, and a stand-in for Java."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import ReadError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

P0 = PlaneIndex(0, 0, 0)


def describe(
    x: int, y: int, z: int = 1, c: int = 1, t: int = 1, pixel_type: PixelType = PixelType.UINT16, **more: Any
) -> ImageDescription:
    return ImageDescription("cells", pixel_type, x, y, z, c, t, **more)


def random_pixels(description: ImageDescription, seed: int = 0) -> npt.NDArray[Any]:
    """Every bit pattern of whole numbers, ordinary floats."""
    rng = np.random.default_rng(seed)
    dtype = description.pixel_type.dtype
    if dtype.kind == "b":
        return rng.integers(0, 2, description.shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, description.shape, dtype, endpoint=True)
    values = rng.standard_normal(description.shape)
    return (values + 1j * values[::-1] if dtype.kind == "c" else values).astype(dtype)


class ArraySource:
    """A PixelSource over an array; `reads` lists the requests, `before` runs ahead of each."""

    def __init__(
        self,
        description: ImageDescription,
        *,
        tile: tuple[int, int] = (16, 16),
        hints: ReadHints | None = None,
        before: Callable[[PlaneIndex, Region], None] | None = None,
    ) -> None:
        self.description = description
        self.pixels = random_pixels(description)
        self.half = np.ascontiguousarray(self.pixels[..., ::2, ::2])
        self.hints = hints or ReadHints(request_bytes=4096, parallel=2)
        self.before = before
        self.reads: list[tuple[PlaneIndex, Region]] = []
        self.closed = False
        self.levels = tuple(
            ResolutionLevel(index, array.shape[-1], array.shape[-2], *tile)
            for index, array in enumerate((self.pixels, self.half))
        )

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        region = check_request(self.description, self.levels, plane, region, level, out)
        if self.closed:
            raise ReadError("closed")
        self.reads.append((plane, region))
        if self.before is not None:
            self.before(plane, region)
        array = (self.pixels, self.half)[level][plane.t, plane.c, plane.z]
        found = array[region.y : region.y + region.height, region.x : region.x + region.width]
        if out is None:
            return found.copy()
        out[...] = found
        return out

    def close(self) -> None:
        self.closed = True


class Runtime:
    """A stand-in for Java: accessors hold cells, and what they hold is known only after a collection."""

    def __init__(self, dtype: npt.DTypeLike = np.uint16) -> None:
        self.dtype = dtype
        self.handed_out: dict[int, Access] = {}
        self.collections = 0
        self._seen = 0

    def scratch(self, shape: tuple[int, int]) -> npt.NDArray[Any]:
        return np.empty(shape, self.dtype)

    def take(self, index: int, region: Region, pixels: npt.NDArray[Any]) -> Home:
        return Home(self, index, pixels.copy())

    def collected(self) -> bool:
        seen, self._seen = self._seen, self.collections
        return seen != self.collections

    def nudge(self) -> None:
        self.collections += 1

    def leave(self) -> None:
        pass

    def close(self) -> None:
        self.handed_out.clear()


class Access:
    """What an accessor holds: the pixels of one cell."""

    def __init__(self, pixels: npt.NDArray[Any]) -> None:
        self.pixels = pixels
        self.holders = 0


class Home:
    def __init__(self, runtime: Runtime, index: int, pixels: npt.NDArray[Any]) -> None:
        self.runtime, self.index, self.pixels = runtime, index, pixels
        self.access: Access | None = None
        self.retired_at = 0

    def read(self, out: npt.NDArray[Any]) -> None:
        out[...] = self.pixels

    def glance(self) -> npt.NDArray[Any]:
        return self.pixels.copy()

    def write(self, region: Region, pixels: npt.NDArray[Any]) -> None:
        self.pixels[region.y : region.y + region.height, region.x : region.x + region.width] = pixels

    def retire(self) -> None:
        del self.runtime.handed_out[self.index]
        self.retired_at = self.runtime.collections

    def hand_out(self) -> Access:
        if self.access is None or not self.in_use():
            self.access = Access(self.pixels)
        return self.runtime.handed_out.setdefault(self.index, self.access)

    def in_use(self) -> bool:
        assert self.access is not None
        uncollected = self.runtime.collections == self.retired_at
        return self.access.holders > 0 or uncollected


class Gate:
    """Lets a source's reads wait until the test opens it, and tells when somebody waits."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, plane: PlaneIndex, region: Region) -> None:
        self.entered.release()
        assert self.open.wait(30)
