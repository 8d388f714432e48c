"""Regions of any image, rendered: read from the level that suits, band by band, never more than the answer needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import PlaneIndex, Region, RenderingSettings
from ij_omero.pixels import check_region

from ._compositing import composite_minerva, render_planes, shown_channels
from ._projection import Projection, project
from ._region_requests import DEFAULT_MAX_SIZE, check_float_region
from ._settings import settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from ij_omero.model import ResolutionLevel
    from ij_omero.pixels import PixelSource

FIGURE_BACKGROUND = (221, 221, 221)
MOST_PIXELS = 1 << 28
_BAND_BYTES = 32 << 20


@dataclass(frozen=True)
class Look:
    """How regions are shown.

    Parameters
    ----------
    settings
        None is what the image says of itself.
    projection
        Along z; None shows one z-section.
    composite
        ``"omero"`` (see `render_planes`) or ``"minerva"`` (see `composite_minerva`).
    lookup_tables
        By name, (256, 3) uint8.
    kernel
        ``"auto"``, ``"numba"`` or ``"numpy"``.
    """

    settings: RenderingSettings | None = None
    projection: Projection | None = None
    composite: str = "omero"
    lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None
    kernel: str = "auto"

    def __post_init__(self) -> None:
        """Check the composite's name."""
        if self.composite not in ("omero", "minerva"):
            raise InvalidInputError(f"unknown composite {self.composite!r}; expected omero or minerva")


_PLAIN_LOOK = Look()


class ScaledFrame(NamedTuple):
    """Where a scaled region lies: ``x``, ``y``, ``width``, ``height`` in pixels of ``level``, and the answer's size.

    The frame may lie partly or wholly outside the level.
    """

    level: int
    x: int
    y: int
    width: int
    height: int
    out_width: int
    out_height: int


def figure_level(levels: Sequence[ResolutionLevel], longest: float, max_size: int) -> int:
    """Choose a level as OMERO.figure does: the finest at which the longest side is below ``max_size``.

    Where no level is small enough, the coarsest.
    """
    level = len(levels) - 1
    while level > 0 and levels[level - 1].width / levels[0].width * longest < max_size:
        level -= 1
    return level


def minerva_level(count: int, longest: float, max_size: int) -> int:
    """Choose a level as Minerva's crop does: ``ceil(log2(longest / max_size))``, clipped to the levels there are."""
    if longest <= max_size:
        return 0
    return min(max(math.ceil(math.log2(longest / max_size)), 0), count - 1)


def scaled_frame(
    levels: Sequence[ResolutionLevel],
    region: Sequence[float],
    max_size: int = DEFAULT_MAX_SIZE,
    convention: str = "figure",
) -> ScaledFrame:
    """Place a region of full size on the level that suits.

    Parameters
    ----------
    levels
        Of the image, full size first.
    region
        (x, y, width, height) in pixels of full size; floats, may exceed the image.
    max_size
        The longest side of the answer. It is kept whatever the region and the levels are: where the chosen level is
        still larger, the answer is made smaller.
    convention
        ``"figure"``: level by `figure_level`, scale by the levels' real widths, coordinates cut towards 0.
        ``"minerva"``: level by `minerva_level`, scale by powers of 2, coordinates floored.

    Raises
    ------
    InvalidInputError
        The region is empty or not finite, or another argument is out of its range.
    """
    x, y, width, height = check_float_region(region)
    if max_size < 1:
        raise InvalidInputError(f"max_size is {max_size}; it must be at least 1")
    longest = max(width, height)
    if convention == "figure":
        level = figure_level(levels, longest, max_size)
        scale = levels[level].width / levels[0].width
        placed = [int(value * scale) for value in (x, y, width, height)]
    elif convention == "minerva":
        level = minerva_level(len(levels), longest, max_size)
        placed = [math.floor(value / 2**level) for value in (x, y, width, height)]
    else:
        raise InvalidInputError(f"unknown convention {convention!r}; expected figure or minerva")
    left, top, across, down = placed[0], placed[1], max(1, placed[2]), max(1, placed[3])
    longest_here = max(across, down)
    if longest_here <= max_size:
        return ScaledFrame(level, left, top, across, down, across, down)
    out_width = max(1, across * max_size // longest_here)
    out_height = max(1, down * max_size // longest_here)
    return ScaledFrame(level, left, top, across, down, out_width, out_height)


def render_scaled_region(
    source: PixelSource,
    z: int,
    t: int,
    region: Sequence[float],
    *,
    max_size: int = DEFAULT_MAX_SIZE,
    look: Look = _PLAIN_LOOK,
    convention: str = "figure",
    background: tuple[int, int, int] | None = None,
    max_pixels: int = MOST_PIXELS,
) -> npt.NDArray[np.uint8]:
    """Render a region of full size, scaled down until its longest side is at most ``max_size``.

    Parameters
    ----------
    source
        The image.
    z, t
        The plane; ``z`` is not looked at when projecting.
    region, max_size, convention
        See `scaled_frame`.
    look
        How it is shown.
    background
        The colour outside the image; None is light grey for ``figure``, black for ``minerva``.
    max_pixels
        Answers with more pixels are refused before anything is read.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8.

    Raises
    ------
    InvalidInputError
        The plane does not exist, or an argument is out of its range.
    ReadError
        The pixels could not be read.
    """
    frame = scaled_frame(source.levels, region, max_size, convention)
    _check_pixels(frame.out_width, frame.out_height, max_pixels)
    if background is None:
        background = FIGURE_BACKGROUND if convention == "figure" else (0, 0, 0)
    level = source.levels[frame.level]
    columns, rows = _sampled(frame.x, frame.width, frame.out_width), _sampled(frame.y, frame.height, frame.out_height)
    inside_x, inside_y = _inside(columns, level.width), _inside(rows, level.height)
    out = np.empty((frame.out_height, frame.out_width, 3), np.uint8)
    if inside_x != slice(0, len(columns)) or inside_y != slice(0, len(rows)):
        out[:] = background
    if inside_x.stop > inside_x.start and inside_y.stop > inside_y.start:
        _render(source, frame.level, z, t, rows[inside_y], columns[inside_x], look, out[inside_y, inside_x])
    return out


def render_region(
    source: PixelSource,
    z: int,
    t: int,
    region: Region | None = None,
    *,
    level: int = 0,
    look: Look = _PLAIN_LOOK,
    max_pixels: int = MOST_PIXELS,
) -> npt.NDArray[np.uint8]:
    """Render a rectangle of one resolution level, pixel for pixel.

    Parameters
    ----------
    source
        The image.
    z, t
        The plane; ``z`` is not looked at when projecting.
    region
        In pixels of the level, within it; None is the whole level.
    level
        Resolution level, 0 is full size.
    look
        How it is shown. A projection is made here for regions too, which an OMERO.server leaves out.
    max_pixels
        Regions with more pixels are refused before anything is read.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8.

    Raises
    ------
    InvalidInputError
        The plane, level or region does not lie in the image.
    ReadError
        The pixels could not be read.
    """
    region = check_region(source.levels, level, region)
    _check_pixels(region.width, region.height, max_pixels)
    out = np.empty((region.height, region.width, 3), np.uint8)
    rows = np.arange(region.y, region.y + region.height)
    columns = np.arange(region.x, region.x + region.width)
    _render(source, level, z, t, rows, columns, look, out)
    return out


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise InvalidInputError(
            f"a picture of {width} x {height} has more than {max_pixels} pixels; ask for a smaller region or max_size"
        )


def _sampled(start: int, length: int, count: int) -> npt.NDArray[np.int64]:
    """Return the pixel in the middle of each of ``count`` equal parts; exact whole numbers."""
    if count == length:
        return np.arange(start, start + count, dtype=np.int64)
    step, left = divmod(length, count)
    index = np.arange(count, dtype=np.int64)
    # (2 * index + 1) * length // (2 * count), in parts that stay within 64 bits
    return start + index * step + (2 * index * left + length) // (2 * count)


def _inside(positions: npt.NDArray[np.int64], size: int) -> slice:
    first, last = np.searchsorted(positions, [0, size])
    return slice(int(first), int(last))


def _render(
    source: PixelSource,
    level: int,
    z: int,
    t: int,
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    look: Look,
    out: npt.NDArray[np.uint8],
) -> None:
    """Render the pixels at rows x columns of a level into ``out`` (Y, X, 3)."""
    description = source.description
    settings = look.settings or settings_for(description)
    if len(settings.channels) != description.size_c:
        raise InvalidInputError(
            f"the settings describe {len(settings.channels)} channels; the image has {description.size_c}"
        )
    sections = range(z, z + 1) if look.projection is None else look.projection.sections(description.size_z)
    model = settings.model if look.composite == "omero" else "rgb"
    shown = shown_channels(settings.channels, model)
    if not shown:
        _check_plane(source, z if look.projection is None else 0, t)
        out[:] = 0
        return
    left, width = int(columns[0]), int(columns[-1] - columns[0]) + 1
    picked = columns - left if len(columns) != width else None
    row_bytes = width * description.pixel_type.bytes_per_pixel * len(shown)
    for band in _bands(rows, row_bytes, source.levels[level].tile_height):
        top, height = int(rows[band][0]), int(rows[band][-1] - rows[band][0]) + 1
        region = Region(left, top, width, height)
        planes: list[npt.NDArray[Any] | None] = [None] * description.size_c
        for channel in shown:
            pixels = _read(source, sections, channel, t, region, level, look.projection)
            if len(rows[band]) != height:
                pixels = pixels[rows[band] - top]
            planes[channel] = pixels if picked is None else pixels[:, picked]
        if look.composite == "minerva":
            composite_minerva(planes, settings.channels, out=out[band])
        else:
            tables, kernel = look.lookup_tables, look.kernel
            render_planes(planes, settings.channels, model=model, lookup_tables=tables, kernel=kernel, out=out[band])


def _check_plane(source: PixelSource, z: int, t: int) -> None:
    """Read one pixel, so that a plane that does not exist is refused though no channel is shown."""
    source.read(PlaneIndex(z, 0, t), Region(0, 0, 1, 1), level=len(source.levels) - 1)


def _bands(rows: npt.NDArray[np.int64], row_bytes: int, tile_height: int) -> Iterator[slice]:
    """Yield slices of rows that are read together: few enough for the memory, whole tiles where that fits."""
    most = max(1, _BAND_BYTES // row_bytes)
    if most > tile_height:
        most -= most % tile_height
    first = 0
    while first < len(rows):
        # the first band ends where a tile does, and so do those that follow
        end = int(rows[first]) + most
        end -= end % tile_height if end - int(rows[first]) > tile_height else 0
        last = max(first + 1, int(np.searchsorted(rows, end)))
        yield slice(first, last)
        first = last


def _read(
    source: PixelSource,
    sections: range,
    channel: int,
    t: int,
    region: Region,
    level: int,
    projection: Projection | None,
) -> npt.NDArray[Any]:
    if projection is None:
        return source.read(PlaneIndex(sections.start, channel, t), region, level=level)
    read = (source.read(PlaneIndex(z, channel, t), region, level=level) for z in sections)
    return project(read, projection.method, region.shape, source.description.pixel_type.dtype)
