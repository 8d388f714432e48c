"""Composite: up to three channels of a plane, or one in grey, scaled to bytes, zoomed, and encoded."""

from __future__ import annotations

import io
import math
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ij_omero.model import PlaneIndex, Region

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from ij_omero.pixels import PixelSource

    from ._parameters import Parameters
    from ._statistics import StackStatistics

COLOURS = ("Red", "Green", "Blue")
FORMATS = {"jpeg": "jpeg", "jpg": "jpeg", "png": "png", "tiff": "tiff", "tif": "tiff"}
THUMBNAIL_SIZE = 50
LARGEST_SIDE = 16384
MOST_PIXELS = 1 << 26
JPEG_QUALITY = 90
_SAFE = re.compile(r"[^A-Za-z0-9._ -]")


@dataclass(frozen=True)
class ChannelLevels:
    """One channel and the levels that are black and white."""

    channel: int
    black: float
    white: float
    gamma: float = 1.0


@dataclass(frozen=True)
class CompositeSettings:
    """What a composite shows.

    Parameters
    ----------
    z, t
        The plane.
    channels
        Red, green and blue, None where there is none; or one in grey.
    basis
        What levels are counted from: ``fixed``, ``mean`` or ``geomean``.
    roi
        (x0, y0, x1, y1), corners included; None is the whole plane.
    size
        (width, height) that the picture fits into; None is that of the region.
    picture_format
        ``jpeg``, ``png`` or ``tiff``.
    """

    z: int
    t: int
    channels: tuple[ChannelLevels | None, ...]
    basis: str = "fixed"
    roi: tuple[int, int, int, int] | None = None
    size: tuple[int, int] | None = None
    picture_format: str = "jpeg"

    def to_json(self) -> Any:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> CompositeSettings:
        """Return what `to_json` made."""
        channels = tuple(None if levels is None else ChannelLevels(**levels) for levels in value["channels"])
        tuples = {name: value[name] and tuple(value[name]) for name in ("roi", "size")}
        return cls(**{**value, "channels": channels, **tuples})


def parse_composite(parameters: Parameters, source: PixelSource) -> CompositeSettings:
    """Return what the parameters of Composite ask for.

    Raises
    ------
    MethodFailure
        A parameter does not say what it should, or names what the image has not.
    """
    z, t = parameters.number("theZ"), parameters.number("theT")
    if z is None or t is None or z < 0 or t < 0:
        raise parameters.failure("Parameters theZ, and theT must be specified for the composite method.")
    of = source.description
    if z >= of.size_z or t >= of.size_t:
        raise parameters.failure(
            "Could not generate composite.",
            f"Malformed coordinates (Z,T).  ({z},{t}) must be >= (0,0) and < ({of.size_z},{of.size_t})",
        )
    colours = tuple(_levels(parameters, f"{colour}Channel", of.size_c) for colour in COLOURS)
    grey = _levels(parameters, "GrayChannel", of.size_c)
    _levels(parameters, "AlphaChannel", of.size_c)
    if not any(colours) and grey is None:
        raise parameters.failure(
            "Could not generate composite.",
            "no channel was given: add GrayChannel=channel,black,white,gamma, or RedChannel and so on",
        )
    basis = (parameters.text("LevelBasis") or "fixed").lower()
    picture_format = (parameters.text("Format") or "jpeg").lower()
    if picture_format not in FORMATS:
        raise parameters.failure(
            "Could not generate composite.", f"the format {picture_format[:20]!r} is not known; use jpeg, png or tiff"
        )
    return CompositeSettings(
        z,
        t,
        colours if any(colours) else (grey,),
        basis=basis if basis in ("mean", "geomean") else "fixed",
        roi=_roi(parameters, of.size_x, of.size_y),
        size=parse_size(parameters),
        picture_format=FORMATS[picture_format],
    )


def parse_size(parameters: Parameters) -> tuple[int, int] | None:
    """Return ``Size``; None where it was not given."""
    if parameters.text("Size") is None:
        return None
    size = parameters.numbers("Size")
    if len(size) < 2 or min(size[:2]) <= 0:
        raise parameters.failure("Thumbnail size cannot be zero or negative.")
    if max(size[:2]) > LARGEST_SIDE:
        raise parameters.failure(f"Size can be {LARGEST_SIDE},{LARGEST_SIDE} at most, not {size[0]},{size[1]}")
    return size[0], size[1]


def thumbnail_settings(settings: CompositeSettings, width: int, height: int) -> CompositeSettings:
    """Return the settings of a thumbnail of an image of this size; at least one pixel each way."""
    ratio = width / height
    size = (
        max(1, int(THUMBNAIL_SIZE if ratio > 1 else THUMBNAIL_SIZE * ratio)),
        max(1, int(THUMBNAIL_SIZE if ratio < 1 else THUMBNAIL_SIZE / ratio)),
    )
    return replace(settings, roi=None, size=size, picture_format="jpeg")


def render_composite(
    source: PixelSource, settings: CompositeSettings, statistics: Callable[[int, int], StackStatistics]
) -> bytes:
    """Return the encoded picture.

    Parameters
    ----------
    source
        The image.
    settings
        What is shown.
    statistics
        Figures of the stack of a channel and timepoint.

    Raises
    ------
    ValueError
        More pixels would have to be read than a picture may cost.
    """
    of = source.description
    x0, y0, x1, y1 = settings.roi or (0, 0, of.size_x - 1, of.size_y - 1)
    width, height = x1 - x0 + 1, y1 - y0 + 1
    shown = _fitting(width, height, settings.size or (width, height))
    level, region = _level_for(source, Region(x0, y0, width, height), shown)
    if region.width * region.height > MOST_PIXELS or shown[0] * shown[1] > MOST_PIXELS:
        raise ValueError(f"the picture would take more than {MOST_PIXELS} pixels: ask for a smaller ROI or Size")
    planes = []
    for levels in settings.channels:
        if levels is None:
            planes.append(Image.new("L", shown))
            continue
        pixels = source.read(PlaneIndex(z=settings.z, c=levels.channel, t=settings.t), region, level=level)
        fixed = fix_levels(levels, settings.basis, statistics(levels.channel, settings.t))
        plane = Image.fromarray(to_bytes(pixels, fixed))
        planes.append(plane if plane.size == shown else plane.resize(shown, Image.Resampling.BILINEAR))
    picture = planes[0] if len(planes) == 1 else Image.merge("RGB", planes)
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": JPEG_QUALITY} if settings.picture_format == "jpeg" else {}
    picture.save(buffer, settings.picture_format, **options)
    return buffer.getvalue()


def fix_levels(levels: ChannelLevels, basis: str, statistics: StackStatistics) -> ChannelLevels:
    """Return the levels as pixel values: counted from their basis, within the stack's range, white above black."""
    black, white = levels.black, levels.white
    if basis != "fixed":
        centre, unit = (
            (statistics.mean, statistics.sigma) if basis == "mean" else (statistics.geomean, statistics.geosigma)
        )
        black, white = centre + black * unit, centre + white * unit
    black = min(max(black, statistics.minimum), statistics.maximum)
    white = min(max(white, statistics.minimum), statistics.maximum)
    return replace(levels, black=black, white=white if white > black else black + 1)


def to_bytes(pixels: npt.NDArray[Any], levels: ChannelLevels) -> npt.NDArray[np.uint8]:
    """Return ``trunc(255 ((v - black) / (white - black)) ** gamma)`` within 0 and 255; a gamma of 0 is 1."""
    kind, width = pixels.dtype.kind, pixels.dtype.itemsize
    if kind in "iu" and 1 << (8 * width) <= pixels.size:  # fewer values than pixels: look them up
        unsigned = np.dtype(f"u{width}")
        table = _scaled(np.arange(1 << (8 * width), dtype=unsigned).view(pixels.dtype), levels)
        if width == 1:  # several times as fast as numpy's way of looking up
            return np.frombuffer(pixels.tobytes().translate(table.tobytes()), np.uint8).reshape(pixels.shape)
        return np.take(table, pixels.view(unsigned))
    return _scaled(pixels, levels)


def _scaled(pixels: npt.NDArray[Any], levels: ChannelLevels) -> npt.NDArray[np.uint8]:
    values = pixels.astype(np.float64)
    values -= levels.black
    values *= 255 / (levels.white - levels.black)
    np.nan_to_num(values, copy=False, posinf=255, neginf=0)
    np.clip(values, 0, 255, out=values)
    if levels.gamma not in (0, 1):
        values = 255 * (values / 255) ** levels.gamma
    return values.astype(np.uint8)


def attachment_name(name: str, picture_format: str) -> str:
    """Return a file name that is safe in a header."""
    return f"{_SAFE.sub('_', name)[:100] or 'image'}.{picture_format}"


def _levels(parameters: Parameters, name: str, channels: int) -> ChannelLevels | None:
    text = parameters.text(name)
    if text is None:
        return None
    expected = f"{name} must be channel,black,white,gamma"
    parts = text.split(",")
    try:
        values = [float(part) for part in parts[1:4]]
        channel = int(parts[0])
    except ValueError:
        raise parameters.failure("Could not generate composite.", f"{expected}, not {text[:60]!r}") from None
    if len(values) < 2 or not all(map(math.isfinite, values)) or (len(values) == 3 and values[2] < 0):
        raise parameters.failure("Could not generate composite.", f"{expected}, not {text[:60]!r}")
    if not 0 <= channel < channels:
        raise parameters.failure(
            "Could not generate composite.", f"{name} names channel {channel}; the image has 0 to {channels - 1}"
        )
    return ChannelLevels(channel, values[0], values[1], values[2] if len(values) == 3 else 1.0)


def _roi(parameters: Parameters, size_x: int, size_y: int) -> tuple[int, int, int, int] | None:
    """Return a ROI's corners; those outside the image become the image's, as they always did."""
    corners = parameters.numbers("ROI")
    if not corners:
        return None
    x0, y0, x1, y1 = (*corners, *(-1,) * 4)[:4]
    x0, x1 = x0 if 0 <= x0 < size_x else 0, x1 if 0 <= x1 < size_x else size_x - 1
    y0, y1 = y0 if 0 <= y0 < size_y else 0, y1 if 0 <= y1 < size_y else size_y - 1
    return 0 if x0 > x1 else x0, 0 if y0 > y1 else y0, x1, y1


def _fitting(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size of the same aspect ratio that fits."""
    scale = min(size[0] / width, size[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _level_for(source: PixelSource, region: Region, shown: tuple[int, int]) -> tuple[int, Region]:
    """Return the smallest resolution level that still has the picture's pixels, and the region in it."""
    full = source.levels[0]
    best = 0, region
    for level in source.levels[1:]:
        across, down = level.width / full.width, level.height / full.height
        if region.width * across < shown[0] or region.height * down < shown[1]:
            break
        x, y = int(region.x * across), int(region.y * down)
        right = min(level.width, max(x + 1, math.ceil((region.x + region.width) * across)))
        bottom = min(level.height, max(y + 1, math.ceil((region.y + region.height) * down)))
        best = level.index, Region(x, y, right - x, bottom - y)
    return best
