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

    from ij_omero.model import ImageDescription
    from ij_omero.pixels import PixelSource

BINS = 128
SLAB = 4 << 20
MOST_HELD = 64 << 20


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

    Pixels that are not a number, or infinite, count as none. Each plane is read once, save that of pixels of more than
    16 bits the stack's histogram takes reading them again, once its minimum and maximum are known.
    """
    of = source.description
    small = of.pixel_type.dtype.kind in "biu" and of.pixel_type.dtype.itemsize <= 2
    measure = _measure_counted if small else _measure_plane
    found = [measure(source, PlaneIndex(z=z, c=c, t=t)) for z in range(of.size_z)]
    planes = [each.figures for each in found]
    low, high = min(plane.minimum for plane in planes), max(plane.maximum for plane in planes)
    if of.size_z == 1:
        whole = found[0].histogram
    elif small:
        counts = sum((each.counts for each in found[1:]), found[0].counts)
        whole = _histogram(_values_of(of.pixel_type.dtype), low, high, counts)
    else:
        whole = np.zeros(BINS, np.int64)
        for z in range(of.size_z):
            for _, slab in _slabs(source, PlaneIndex(z=z, c=c, t=t)):
                whole += _histogram(_finite(slab), low, high)
    return Measured(planes, [each.histogram.tolist() for each in found], _stack_of(planes, of), whole.tolist())


def _stack_of(planes: list[PlaneStatistics], of: ImageDescription) -> StackStatistics:
    count = of.size_x * of.size_y * len(planes)
    sums = {
        name: math.fsum(getattr(plane, name) for plane in planes)
        for name in ("sum_i", "sum_i2", "sum_log_i", "sum_xi", "sum_yi", "sum_zi")
    }
    geomean = math.fsum(plane.geomean for plane in planes) / len(planes)
    return StackStatistics(
        minimum=min(plane.minimum for plane in planes),
        maximum=max(plane.maximum for plane in planes),
        mean=sums["sum_i"] / count,
        sigma=_sigma(sums["sum_i"], sums["sum_i2"], count),
        geomean=geomean,
        geosigma=_distance(sums["sum_i"], sums["sum_i2"], geomean, count),
        centroid_x=_ratio(sums["sum_xi"], sums["sum_i"]),
        centroid_y=_ratio(sums["sum_yi"], sums["sum_i"]),
        centroid_z=_ratio(sums["sum_zi"], sums["sum_i"]),
        **sums,
    )


@dataclass
class _Sums:
    """What a plane's figures are made of."""

    sum_i: float
    sum_i2: float
    sum_xi: float
    sum_yi: float

    def figures(
        self, low: float, high: float, sum_log: float, offset: float, count: int, plane: PlaneIndex
    ) -> PlaneStatistics:
        geomean = math.exp(sum_log / count) - offset
        return PlaneStatistics(
            minimum=low,
            maximum=high,
            mean=self.sum_i / count,
            sigma=_sigma(self.sum_i, self.sum_i2, count),
            geomean=geomean,
            geosigma=_distance(self.sum_i, self.sum_i2, geomean, count),
            centroid_x=_ratio(self.sum_xi, self.sum_i),
            centroid_y=_ratio(self.sum_yi, self.sum_i),
            sum_i=self.sum_i,
            sum_i2=self.sum_i2,
            sum_log_i=sum_log,
            sum_xi=self.sum_xi,
            sum_yi=self.sum_yi,
            sum_zi=self.sum_i * plane.z,
        )


@dataclass
class _Plane:
    figures: PlaneStatistics
    histogram: npt.NDArray[np.int64]
    counts: Any = 0


def _values_of(dtype: np.dtype[Any]) -> npt.NDArray[np.float64]:
    """Return all values that pixels of 1 or 2 bytes can have."""
    if dtype.kind == "b":
        return np.arange(2.0)
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1, dtype=np.float64)


def _measure_counted(source: PixelSource, plane: PlaneIndex) -> _Plane:
    """Measure a plane of pixels of 1 or 2 bytes by how many have which value."""
    dtype = source.description.pixel_type.dtype
    values = _values_of(dtype)
    counts = np.zeros(values.size, np.int64)
    sum_xi = sum_yi = 0.0
    for first, slab in _slabs(source, plane):
        counts += np.bincount((slab.astype(np.int64) - int(values[0])).ravel(), minlength=values.size)
        columns, rows = slab.sum(axis=0, dtype=np.float64), slab.sum(axis=1, dtype=np.float64)
        sum_xi += float(columns @ np.arange(columns.size))
        sum_yi += float(rows @ np.arange(first, first + rows.size))
    there = np.flatnonzero(counts)
    values_there, counts_there = values[there], counts[there]
    low, high = float(values_there[0]), float(values_there[-1])
    offset = _offset(low)
    sums = _Sums(float(values_there @ counts_there), float(values_there**2 @ counts_there), sum_xi, sum_yi)
    sum_log = float(np.log(values_there + offset) @ counts_there)
    figures = sums.figures(low, high, sum_log, offset, int(counts_there.sum()), plane)
    return _Plane(figures, _histogram(values_there, low, high, counts_there), counts)


def _measure_plane(source: PixelSource, plane: PlaneIndex) -> _Plane:
    """Measure a plane of other pixels, which is read again only where it is too large to be held."""
    of = source.description
    held = of.size_x * of.size_y * of.pixel_type.bytes_per_pixel <= MOST_HELD
    slabs = list(_slabs(source, plane)) if held else None
    low, high = math.inf, -math.inf
    sums = _Sums(0.0, 0.0, 0.0, 0.0)
    for first, slab in slabs or _slabs(source, plane):
        values = slab.astype(np.float64)
        finite = np.isfinite(values)
        if finite.any():
            low = min(low, float(values.min(where=finite, initial=math.inf)))
            high = max(high, float(values.max(where=finite, initial=-math.inf)))
        if not finite.all():
            values = np.where(finite, values, 0)
        columns, rows = values.sum(axis=0), values.sum(axis=1)
        sums.sum_i += float(columns.sum())
        sums.sum_i2 += float(np.vdot(values, values))
        sums.sum_xi += float(columns @ np.arange(columns.size))
        sums.sum_yi += float(rows @ np.arange(first, first + rows.size))
    if low > high:
        low = high = 0.0
    offset, sum_log = _offset(low), 0.0
    histogram = np.zeros(BINS, np.int64)
    for _, slab in slabs or _slabs(source, plane):
        values = _finite(slab)
        sum_log += float(np.log(values + offset).sum())
        histogram += _histogram(values, low, high)
    return _Plane(sums.figures(low, high, sum_log, offset, of.size_x * of.size_y, plane), histogram)


def _offset(low: float) -> float:
    """Return what is added before the logarithm, by the original's rule: that is taken of what is above 0."""
    return 0.0 if low > 0 else 1.0 - low


def _finite(slab: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = slab.astype(np.float64)
    return values[np.isfinite(values)]


def _histogram(
    values: npt.NDArray[np.float64], low: float, high: float, counts: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Return how many values lie in each bin from `low` to `high`, each as often as `counts` says."""
    if high <= low:
        histogram = np.zeros(BINS, np.int64)
        histogram[BINS // 2] = values.size if counts is None else counts.sum()
        return histogram
    bins = ((values - low) * ((BINS - 1) / (high - low))).astype(np.intp).ravel().clip(0, BINS - 1)
    return np.bincount(bins, counts, BINS).astype(np.int64)


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
