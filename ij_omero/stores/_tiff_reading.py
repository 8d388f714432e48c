"""Reading TIFF: OME-TIFF, ImageJ's hyperstacks, and plain ones."""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError, MissingDependencyError
from ij_omero.model import Channel, ImageDescription, Quantity

from ._ome_xml import description_from_ome_xml
from ._picture_pyramid import PicturePyramid
from ._picture_source import PictureSource, describe_array

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import tifffile

_WHOLE = 1 << 27
"""Up to this many bytes a picture is decoded at once; larger ones are read in bands."""

# What cameras and drawing programs write where nobody measured
_SCREEN_RESOLUTIONS = (1.0, 72.0, 96.0, 150.0, 300.0, 600.0)


def read_tiff(path: Path) -> PictureSource:
    """Open the first series of a TIFF file.

    Raises
    ------
    InvalidInputError
        The file holds no image that the OME model can describe.
    CorruptedDataError
        The file is damaged.
    MissingDependencyError
        The compression needs a package that is not installed.
    """
    import tifffile

    # tifffile logs what it finds odd and goes on; what matters is raised below
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tifffile.TiffFile(path))
            series = file.series[0]
            axes = _axes(series.axes, tuple(series.shape))
        except (IndexError, ValueError, KeyError, TypeError, tifffile.TiffFileError) as error:
            raise CorruptedDataError(f"{path} is no TIFF that can be read: {error}") from error
        kept = [index for index, axis in enumerate(axes) if axis != "-"]
        axes = "".join(axis for axis in axes if axis != "-")
        shape = tuple(series.shape[index] for index in kept)
        description = _described(file, describe_array(path.name, axes, shape, series.dtype))
        found = tuple(slice(None) if index in kept else 0 for index in range(len(series.shape)))

        def pixels_of(level: Any) -> Any:
            data = _pixels(level, path, opened)
            return data if len(kept) == len(series.shape) else data[found]

        def reopened(index: int) -> Any:
            """Read a level of a file that is not kept open, since its full size is in memory."""
            with tifffile.TiffFile(path) as again:
                return again.series[0].levels[index].asarray()[found]

        opened = stack
        data = pixels_of(series)
        in_memory = isinstance(data, np.ndarray)
        smaller = [
            (width, height, functools.partial(reopened, index) if in_memory else functools.partial(pixels_of, level))
            for index, (width, height, level) in enumerate(_smaller_levels(series), 1)
        ]
        if smaller:
            opened = contextlib.ExitStack() if in_memory else stack.pop_all()
            file.filehandle.set_lock(True)  # levels are read side by side
            return PicturePyramid(description, data, axes, opened.close, smaller)
        if in_memory:
            return PictureSource(description, data, axes)
        return PictureSource(description, data, axes, stack.pop_all().close)


def _smaller_levels(series: Any) -> list[tuple[int, int, Any]]:
    """Return width, height and series of each smaller level; none from where a level is not the same image."""
    smaller: list[tuple[int, int, Any]] = []
    x, y = series.axes.index("X"), series.axes.index("Y")
    others = [size for index, size in enumerate(series.shape) if index not in (x, y)]
    for level in series.levels[1:]:
        if level.axes != series.axes or [s for i, s in enumerate(level.shape) if i not in (x, y)] != others:
            break
        smaller.append((int(level.shape[x]), int(level.shape[y]), level))
    return smaller


def _pixels(series: Any, path: Path, stack: contextlib.ExitStack) -> Any:
    """Return an array, in memory where it is small."""
    try:
        if series.nbytes <= _WHOLE or any(axis not in "TCZYXS" for axis in series.axes):
            return series.asarray()
        import zarr

        array = zarr.open_array(store=stack.enter_context(series.aszarr(level=0)), mode="r")
        array[(0,) * array.ndim]  # whether the compression is known shows with the first pixel
        return array
    except MemoryError:
        raise
    except Exception as error:  # decoders raise anything
        if "imagecodecs" in str(error):
            pixels = _decoded_by_pillow(path, series)
            if pixels is not None:
                return pixels
            raise MissingDependencyError(
                f"{path} is compressed by {series.keyframe.compression.name}, which needs imagecodecs; "
                "pip install imagecodecs"
            ) from error
        raise CorruptedDataError(f"cannot read the pixels of {path}: {error}") from error


def _decoded_by_pillow(path: Path, series: Any) -> npt.NDArray[Any] | None:
    """Return the pixels of a series whose compression (LZW, JPEG, ...) Pillow knows; None where it does not."""
    from PIL import Image

    try:
        with contextlib.closing(Image.open(path)) as picture:
            frames = []
            for number in range(len(series.pages)):
                picture.seek(number)
                frames.append(np.array(picture))
        pixels = np.stack(frames)
    except (OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError):
        return None
    return pixels.reshape(series.shape) if (pixels.size, pixels.dtype) == (series.size, series.dtype) else None


def _axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return a letter of TCZYXS per axis, or ``-`` for one of length 1 that has no other place.

    Of axes without a meaning (an unordered series of pages) the first becomes Z, the next T, then C.
    """
    found = []
    free = [axis for axis in "ZTC" if axis not in axes]
    for axis, size in zip(axes, shape, strict=True):
        if axis in "TCZYXS":
            found.append(axis)
        elif size == 1:
            found.append("-")
        elif free:
            found.append(free.pop(0))
        else:
            raise InvalidInputError(f"the picture has the axes {axes!r} of {shape}; an image has X, Y, Z, C and T")
    return "".join(found)


def _described(file: tifffile.TiffFile, found: ImageDescription) -> ImageDescription:
    if file.is_ome and file.ome_metadata:
        return description_from_ome_xml(file.ome_metadata, found)
    if file.is_imagej and file.imagej_metadata is not None:
        return _imagej(file, file.imagej_metadata, found)
    x, y, unit = _resolution(file)
    if unit not in (2, 3) or any(each is not None and each in _SCREEN_RESOLUTIONS for each in (x, y)):
        return found
    symbol = "in" if unit == 2 else "cm"
    sizes = [None if each is None else Quantity(Quantity(1 / each, symbol).to("µm"), "µm") for each in (x, y)]
    return found.replace(physical_size_x=sizes[0], physical_size_y=sizes[1])


def _resolution(file: tifffile.TiffFile) -> tuple[float | None, float | None, int]:
    """Return pixels per unit along x and y, and the TIFF unit (2 inch, 3 centimetre)."""
    tags = file.pages.first.tags
    values: list[float | None] = []
    for name in ("XResolution", "YResolution"):
        above, below = tags[name].value if name in tags else (0, 1)
        values.append(above / below if above and below else None)
    return values[0], values[1], int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1


def _imagej(file: tifffile.TiffFile, metadata: dict[str, Any], found: ImageDescription) -> ImageDescription:
    """Complete a description with what ImageJ writes (ij.io.FileInfo, ij.io.TiffEncoder)."""
    changes: dict[str, Any] = {}
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    for axis, per_unit in zip("xy", _resolution(file)[:2], strict=True):
        changes[f"physical_size_{axis}"] = _length(1 / per_unit if per_unit else None, unit)
    changes["physical_size_z"] = _length(metadata.get("spacing"), unit)
    interval = metadata.get("finterval")
    with contextlib.suppress(InvalidInputError):
        changes["time_increment"] = Quantity(interval, str(metadata.get("tunit", "s"))) if interval else None
    changes["channels"] = _imagej_channels(metadata, found)
    if metadata.get("Info"):
        changes["description"] = str(metadata["Info"])
    return found.replace(**changes)


def _length(value: Any, unit: str) -> Quantity | None:
    if not isinstance(value, int | float) or value <= 0 or unit.lower() in ("", "pixel", "pixels"):
        return None
    with contextlib.suppress(InvalidInputError):
        return Quantity(value, {"inch": "in", "nanometer": "nm", "micrometer": "µm"}.get(unit, unit))
    return None


def _imagej_channels(metadata: dict[str, Any], found: ImageDescription) -> tuple[Channel, ...]:
    count = found.size_c
    if found.channels[0].name == "Red":
        return found.channels
    tables, ranges = metadata.get("LUTs") or [], metadata.get("Ranges") or ()
    labels = metadata.get("Labels") or []
    named = len(labels) == count > 1 and found.size_z == found.size_t == 1
    channels = []
    for index in range(count):
        color = None
        if len(tables) == count and count > 1:
            red, green, blue = (int(value) for value in tables[index][:, -1])
            color = (red, green, blue, 255)
        window = tuple(map(float, ranges[2 * index : 2 * index + 2])) if len(ranges) >= 2 * count else None
        channels.append(Channel(str(labels[index]) if named else None, color, window=window))  # type: ignore[arg-type]
    if not ranges and "min" in metadata and "max" in metadata and count == 1:
        channels = [Channel(window=(float(metadata["min"]), float(metadata["max"])))]
    return tuple(channels)
