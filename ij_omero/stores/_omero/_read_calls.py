"""Which calls bring the pixels that are wanted: as few as pay, each of a few megabytes.

A call costs the server some milliseconds whatever it carries, and copying a tile out of rows costs it more than handing
over bytes that lie together. So whole rows of images that lie plane after plane in one file of the server are read by
``getRegion``, small rectangles over many planes by ``getHypercube``, and all else by ``getTile``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.model import PlaneIndex, Region

from ._pixel_bytes import BAND, MAX_CALL, MIN_BAND, bands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from ij_omero.model import ImageDescription

LARGEST_IN_HYPERCUBE = 1 << 20
"""Bytes of a plane's part above which a call of its own costs the server no more."""

Wanted = tuple[PlaneIndex, "npt.NDArray[Any]"]


class ReadCall(NamedTuple):
    """One call to a RawPixelsStore, and where its bytes go."""

    method: str
    arguments: tuple[Any, ...]
    targets: tuple[npt.NDArray[Any], ...]
    """(Y, X) each, filled one after the other."""
    completes: int
    """How many of the wanted planes are whole when it has arrived, the calls before it included."""


def read_calls(
    wanted: Sequence[Wanted],
    region: Region,
    description: ImageDescription,
    bytes_per_pixel: int,
    *,
    tile_height: int,
    stores: int,
    plain: bool,
) -> list[ReadCall]:
    """Plan the reading of the same rectangle of some planes.

    Parameters
    ----------
    wanted
        Planes, and the array (Y, X) that each is read into.
    region
        The rectangle.
    description
        The image.
    bytes_per_pixel
        As the server stores them.
    tile_height
        Of the server's tiles.
    stores
        How many calls may be in flight at once.
    plain
        Whether the planes lie one after the other in a file of the server, without tiles or smaller levels.
    """
    size = region.width * region.height * bytes_per_pixel
    whole = region == Region(0, 0, description.size_x, description.size_y)
    if plain and whole and len(wanted) > 1 and size <= MAX_CALL:
        return list(_contiguous_planes(wanted, description, bytes_per_pixel, stores))
    if plain and len(wanted) > 1 and size <= LARGEST_IN_HYPERCUBE:
        return list(_hypercubes(wanted, region, bytes_per_pixel, stores))
    # Planes keep the stores busy already; one alone is cut up for them.
    pieces = bands(region, bytes_per_pixel, tile_height, stores if len(wanted) < stores else 1)
    whole_rows = plain and region.width == description.size_x
    calls = []
    for plane, target in wanted:
        for piece in pieces:
            part = (_part(target, region, piece),)
            last = int(piece is pieces[-1])
            if whole_rows and piece.width == region.width:
                row = description.size_x * bytes_per_pixel
                arguments = (piece.height * row, (_number(plane, description) * description.size_y + piece.y) * row)
                calls.append(ReadCall("getRegion", arguments, part, last))
            else:
                calls.append(ReadCall("getTile", (plane.z, plane.c, plane.t, *piece), part, last))
    return calls


def _contiguous_planes(
    wanted: Sequence[Wanted], description: ImageDescription, bytes_per_pixel: int, stores: int
) -> Iterator[ReadCall]:
    size = description.size_x * description.size_y * bytes_per_pixel
    numbers = [_number(plane, description) for plane, _ in wanted]
    start = 0
    for stop in range(1, len(wanted) + 1):
        if stop < len(wanted) and numbers[stop] == numbers[stop - 1] + 1:
            continue
        for first, count in _portions(start, stop, size, stores):
            targets = tuple(target for _, target in wanted[first : first + count])
            yield ReadCall("getRegion", (count * size, numbers[first] * size), targets, count)
        start = stop


def _hypercubes(wanted: Sequence[Wanted], region: Region, bytes_per_pixel: int, stores: int) -> Iterator[ReadCall]:
    size = region.width * region.height * bytes_per_pixel
    start = 0
    for stop in range(1, len(wanted) + 1):
        if stop < len(wanted) and _follows(wanted[start][0], wanted[stop][0], stop - start):
            continue
        for first, count in _portions(start, stop, size, stores):
            plane, last = wanted[first][0], wanted[first + count - 1][0]
            targets = tuple(target for _, target in wanted[first : first + count])
            if count == 1:
                yield ReadCall("getTile", (plane.z, plane.c, plane.t, *region), targets, 1)
                continue
            extent = [1 + end - begin for begin, end in zip(plane, last, strict=True)]
            offset = [region.x, region.y, plane.z, plane.c, plane.t]
            arguments = (offset, [region.width, region.height, *extent], [1] * 5)
            yield ReadCall("getHypercube", arguments, targets, count)
        start = stop


def _follows(first: PlaneIndex, plane: PlaneIndex, steps: int) -> bool:
    """Whether a plane lies so many steps behind another along one axis."""
    return sorted(b - a for a, b in zip(first, plane, strict=True)) == [0, 0, steps]


def _portions(start: int, stop: int, size: int, stores: int) -> Iterator[tuple[int, int]]:
    """Share planes that lie together out into calls: (first, count)."""
    per_store = -(-(stop - start) // stores)
    count = max(1, min(BAND // size, max(per_store, -(-MIN_BAND // size))))
    for first in range(start, stop, count):
        yield first, min(count, stop - first)


def _number(plane: PlaneIndex, description: ImageDescription) -> int:
    """Return the place of a plane in the file: X, Y, Z, C, T, the first fastest."""
    return plane.z + description.size_z * (plane.c + description.size_c * plane.t)


def _part(target: npt.NDArray[Any], region: Region, piece: Region) -> npt.NDArray[Any]:
    rows = slice(piece.y - region.y, piece.y - region.y + piece.height)
    columns = slice(piece.x - region.x, piece.x - region.x + piece.width)
    return target[rows, columns]
