"""Statistics and histograms of planes and stacks, as OMEIS tells them, in double precision.

Where the original's program was wrong this is right: sums over x and y run over the pixels as they lie, so that
centroids of planes that are not square are true; the geometric sigma is the distance from the geometric mean of all
pixels, not of one; a stack's histogram has one scale, not that of each of its planes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.model import PlaneIndex, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ij_omero.pixels import PixelSource

BINS = 128
SLAB = 4 << 20


@dataclass(frozen=True)
class PlaneStatistics:
    """One plane's figures, in the order that GetPlaneStats tells them."""

    minimum: float
    maximum: float
    mean: float
    sigma: float
    geomean: float
    geosigma: float
    centroid_x: float
    centroid_y: float
    sum_i: float
    sum_i2: float
    sum_log_i: float
    sum_xi: float
    sum_yi: float
    sum_zi: float


@dataclass(frozen=True)
class StackStatistics:
    """One stack's figures, in the order that GetStackStats tells them."""

    minimum: float
    maximum: float
    mean: float
    sigma: float
    geomean: float
    geosigma: float
    centroid_x: float
    centroid_y: float
    centroid_z: float
    sum_i: float
    sum_i2: float
    sum_log_i: float
    sum_xi: float
    sum_yi: float
    sum_zi: float


@dataclass(frozen=True)
class Measured:
    """All that is told of one stack.

    Parameters
    ----------
    planes
        Figures of each z-section.
    histograms
        Of each z-section, `BINS` counts between its minimum and its maximum.
    stack
        Figures of the stack.
    histogram
        `BINS` counts between the stack's minimum and its maximum.
    """

    planes: list[PlaneStatistics]
    histograms: list[list[int]]
    stack: StackStatistics
    histogram: list[int]

    def to_json(self) -> Any:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Measured:
        """Return what `to_json` made."""
        return cls(
            [PlaneStatistics(**plane) for plane in value["planes"]],
            value["histograms"],
            StackStatistics(**value["stack"]),
            value["histogram"],
        )


def line(numbers: tuple[int, ...], figures: PlaneStatistics | StackStatistics) -> str:
    """Return one line of GetPlaneStats or GetStackStats."""
    return "\t".join([*map(str, numbers), *(f"{value:f}" for value in astuple(figures))]) + "\n"


def histogram_line(numbers: tuple[int, ...], counts: list[int]) -> str:
    """Return one line of GetPlaneHist or GetStackHist, which ends with a tab."""
    return "".join(f"{value}\t" for value in [*numbers, *counts]) + "\n"


def measure_stack(source: PixelSource, c: int, t: int) -> Measured:
    """Measure all z-sections of one channel at one timepoint.

    Pixels that are not a number, or infinite, count as none.
    """
    size_z = source.description.size_z
    planes = [_measure_plane(source, PlaneIndex(z=z, c=c, t=t)) for z in range(size_z)]
    low, high = min(plane.minimum for plane in planes), max(plane.maximum for plane in planes)
    histograms = []
    whole = np.zeros(BINS, np.int64)
    for z, plane in enumerate(planes):
        own = np.zeros(BINS, np.int64)
        for _, slab in _slabs(source, PlaneIndex(z=z, c=c, t=t)):
            own += _counts(slab, plane.minimum, plane.maximum)
            whole += _counts(slab, low, high)
        histograms.append(own.tolist())
    count = source.description.size_x * source.description.size_y * size_z
    sums = {
        name: math.fsum(getattr(plane, name) for plane in planes)
        for name in ("sum_i", "sum_i2", "sum_log_i", "sum_xi", "sum_yi", "sum_zi")
    }
    geomean = math.fsum(plane.geomean for plane in planes) / size_z
    stack = StackStatistics(
        minimum=low,
        maximum=high,
        mean=sums["sum_i"] / count,
        sigma=_sigma(sums["sum_i"], sums["sum_i2"], count),
        geomean=geomean,
        geosigma=_distance(sums["sum_i"], sums["sum_i2"], geomean, count),
        centroid_x=_ratio(sums["sum_xi"], sums["sum_i"]),
        centroid_y=_ratio(sums["sum_yi"], sums["sum_i"]),
        centroid_z=_ratio(sums["sum_zi"], sums["sum_i"]),
        **sums,
    )
    return Measured(planes, histograms, stack, whole.tolist())


def _measure_plane(source: PixelSource, plane: PlaneIndex) -> PlaneStatistics:
    low, high = math.inf, -math.inf
    sum_i = sum_i2 = sum_xi = sum_yi = 0.0
    for first, slab in _slabs(source, plane):
        values = slab.astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, 0)
        if finite.any():
            low, high = (
                min(low, float(values.min(where=finite, initial=math.inf))),
                max(high, float(values.max(where=finite, initial=-math.inf))),
            )
        columns, rows = values.sum(axis=0), values.sum(axis=1)
        sum_i += float(columns.sum())
        sum_i2 += float(np.vdot(values, values))
        sum_xi += float(columns @ np.arange(columns.size))
        sum_yi += float(rows @ np.arange(first, first + rows.size))
    if low > high:
        low = high = 0.0
    # The original's rule: the logarithm is taken of what is above 0
    offset = 0.0 if low > 0 else 1.0 - low
    sum_log = 0.0
    for _, slab in _slabs(source, plane):
        values = slab.astype(np.float64)
        sum_log += float(np.log(values + offset, where=np.isfinite(values), out=np.zeros_like(values)).sum())
    count = source.description.size_x * source.description.size_y
    geomean = math.exp(sum_log / count) - offset
    return PlaneStatistics(
        minimum=low,
        maximum=high,
        mean=sum_i / count,
        sigma=_sigma(sum_i, sum_i2, count),
        geomean=geomean,
        geosigma=_distance(sum_i, sum_i2, geomean, count),
        centroid_x=_ratio(sum_xi, sum_i),
        centroid_y=_ratio(sum_yi, sum_i),
        sum_i=sum_i,
        sum_i2=sum_i2,
        sum_log_i=sum_log,
        sum_xi=sum_xi,
        sum_yi=sum_yi,
        sum_zi=sum_i * plane.z,
    )


def _counts(slab: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.int64]:
    values = slab.astype(np.float64)
    values = values[np.isfinite(values)]
    if high <= low:
        counts = np.zeros(BINS, np.int64)
        counts[BINS // 2] = values.size
        return counts
    bins = ((values - low) * ((BINS - 1) / (high - low))).astype(np.intp)
    return np.bincount(bins.ravel().clip(0, BINS - 1), minlength=BINS)


def _slabs(source: PixelSource, plane: PlaneIndex) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield a plane in bands of whole rows, with the number of the first row of each."""
    width, height = source.description.size_x, source.description.size_y
    tile = source.levels[0].tile_height
    rows = max(1, SLAB // (width * source.description.pixel_type.bytes_per_pixel))
    rows = max(rows // tile * tile, min(rows, tile))
    for first in range(0, height, rows):
        yield first, source.read(plane, Region(0, first, width, min(rows, height - first)))


def _sigma(sum_i: float, sum_i2: float, count: int) -> float:
    return math.sqrt(abs(sum_i2 - sum_i * sum_i / count) / (count - 1)) if count > 1 else 0.0


def _distance(sum_i: float, sum_i2: float, centre: float, count: int) -> float:
    return math.sqrt(abs(sum_i2 - 2 * centre * sum_i + count * centre * centre) / (count - 1)) if count > 1 else 0.0


def _ratio(value: float, by: float) -> float:
    return value / by if by else 0.0
