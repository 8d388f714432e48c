"""Numpy's basic indexing over planes that are read and written by region.

The rules are those of "Basic indexing" in numpy's user guide; index arrays and masks are refused with advice.
"""

from __future__ import annotations

import operator
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import PlaneIndex, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

AXES = ("T", "C", "Z", "Y", "X")
_BLOCK = 1024  # pixels: how far a strided read looks at once, so that sparse reads stay bounded


class ImageIndexError(InvalidInputError, IndexError):
    """An index lies outside the image, or is of a kind that images do not take."""


class Planes(Protocol):
    """What is indexed: regions of planes."""

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a region, as `PixelSource.read` does."""

    def read_planes(
        self, planes: Sequence[PlaneIndex], region: Region | None = None, *, out: Sequence[npt.NDArray[Any]]
    ) -> None:
        """Read the same region of several planes."""

    def write(self, plane: PlaneIndex, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Write a region."""


@dataclass(frozen=True)
class Selection:
    """What an index selects.

    Attributes
    ----------
    ranges
        Per axis (T, C, Z, Y, X) the selected positions, ascending.
    final
        The index that turns the (T, C, Z, Y, X) array of those positions into the result: drops axes that were
        given by a number, reverses those with a negative step, inserts new ones.
    """

    ranges: tuple[range, range, range, range, range]
    final: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(T, C, Z, Y, X) of the selected positions."""
        t, c, z, y, x = self.ranges
        return len(t), len(c), len(z), len(y), len(x)

    def blocks(self) -> Iterator[tuple[PlaneIndex, tuple[Any, ...], Region, tuple[slice, slice]]]:
        """Yield plane, index into the selected array, region to touch, and the slices that pick within the region."""
        times, channels, sections, rows, columns = self.ranges
        row_blocks, column_blocks = list(_blocks(rows)), list(_blocks(columns))
        for t_at, t in enumerate(times):
            for c_at, c in enumerate(channels):
                for z_at, z in enumerate(sections):
                    for y_at, y in row_blocks:
                        for x_at, x in column_blocks:
                            region = Region(x[0], y[0], x[-1] - x[0] + 1, y[-1] - y[0] + 1)
                            pick = (slice(None, None, y.step), slice(None, None, x.step))
                            yield PlaneIndex(z, c, t), (t_at, c_at, z_at, y_at, x_at), region, pick


def _blocks(positions: range) -> Iterator[tuple[slice, range]]:
    """Cut positions into runs: one run where they are dense, runs of bounded extent where they are sparse."""
    if not positions:
        return
    size = len(positions) if positions.step == 1 else max(1, _BLOCK // positions.step)
    for start in range(0, len(positions), size):
        run = positions[start : start + size]
        yield slice(start, start + len(run)), run


def select(key: Any, shape: tuple[int, int, int, int, int]) -> Selection:
    """Say which positions an index selects in an image of ``shape`` (T, C, Z, Y, X).

    Raises
    ------
    ImageIndexError
        Too many indices, a number outside its axis, a step of 0, or an index array or mask.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    dots = [at for at, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise ImageIndexError("an index can have one ellipsis ('...') only")
    given = sum(part is not None and part is not Ellipsis for part in parts)
    if given > len(AXES):
        raise ImageIndexError(f"{given} indices for an image of 5 axes (T, C, Z, Y, X)")
    fill = [slice(None)] * (len(AXES) - given)
    at = dots[0] if dots else len(parts)
    parts[at : at + 1] = fill

    ranges: list[range] = []
    final: list[Any] = []
    for part in parts:
        if part is None:
            final.append(None)
            continue
        axis, size = AXES[len(ranges)], shape[len(ranges)]
        if isinstance(part, slice):
            positions = _range_of(part, size, axis)
            final.append(slice(None, None, -1) if positions.step < 0 else slice(None))
            ranges.append(positions[::-1] if positions.step < 0 else positions)
        else:
            ranges.append(_single(part, size, axis))
            final.append(0)
    t, c, z, y, x = ranges
    return Selection((t, c, z, y, x), tuple(final))


def _range_of(part: slice, size: int, axis: str) -> range:
    try:
        return range(size)[part]
    except (TypeError, ValueError) as error:
        raise ImageIndexError(f"cannot take {part} of axis {axis}: {error}") from None


def _single(part: Any, size: int, axis: str) -> range:
    if isinstance(part, (bool, np.bool_)):
        raise ImageIndexError("a mask cannot index an image that is loaded on demand; use image.to_numpy()[mask]")
    try:
        position = operator.index(part)
    except TypeError:
        raise ImageIndexError(
            f"cannot index axis {axis} with {type(part).__name__}; expected whole numbers, slices and '...'. "
            "For index arrays and masks take image.to_numpy() first"
        ) from None
    if not -size <= position < size:
        raise ImageIndexError(f"index {position} lies outside axis {axis}, which has {size} (0 to {size - 1})")
    position %= size
    return range(position, position + 1)


def read_selection(planes: Planes, selection: Selection, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Read what was selected into a new array."""
    pixels = np.empty(selection.shape, dtype)
    together: dict[Region, list[tuple[PlaneIndex, npt.NDArray[Any]]]] = {}
    for plane, at, region, pick in selection.blocks():
        target = pixels[at]
        if target.shape == region.shape:
            together.setdefault(region, []).append((plane, target))
        else:
            target[...] = planes.read(plane, region)[pick]
    for region, wanted in together.items():
        planes.read_planes([plane for plane, _ in wanted], region, out=[target for _, target in wanted])
    selected: npt.NDArray[Any] = pixels[selection.final]
    return selected


def write_selection(planes: Planes, selection: Selection, value: Any, dtype: npt.DTypeLike) -> None:
    """Write a value or an array, which is broadcast as numpy does it, to what was selected.

    Raises
    ------
    InvalidInputError
        The value does not broadcast to the selection, or does not fit the pixel type.
    """
    pixels = _broadcast(selection, value, np.dtype(dtype))
    for plane, at, region, pick in selection.blocks():
        target = pixels[at]
        if target.shape != region.shape:
            whole = planes.read(plane, region)
            whole[pick] = target
            target = whole
        planes.write(plane, region, target)


def _broadcast(selection: Selection, value: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Give the value as (T, C, Z, Y, X); a single number takes no memory however much it is written to."""
    template = np.broadcast_to(np.empty((), dtype), selection.shape)[selection.final]
    try:
        given = np.broadcast_to(_fitting(np.asarray(value), dtype), template.shape)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"cannot write to {template.shape} {dtype} pixels: {error}") from None
    # Undo `final`: axes that an index dropped come back with length 1, inserted ones go, reversed ones turn round.
    back = tuple(
        0 if part is None else None if isinstance(part, int) else slice(None, None, part.step)
        for part in selection.final
    )
    return given[back]


def _fitting(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert values to a pixel type where that loses nothing but the precision of a float."""
    if values.dtype.kind not in "biufc":
        raise TypeError(f"{values.dtype.name} values are no pixels")
    if np.can_cast(values.dtype, dtype, "safe"):
        return values.astype(dtype, copy=False)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of a lost imaginary part, which is refused below
        converted = values.astype(dtype)
        lossless = np.can_cast(values.dtype, dtype, "same_kind") and dtype.kind in "fc"
        if not lossless and not np.array_equal(converted, values):
            raise ValueError(f"not all of these {values.dtype.name} values are {dtype.name} values; use astype first")
    return converted
