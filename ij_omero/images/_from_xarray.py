"""An ``xarray.DataArray`` as a pixel source, computed region by region while it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import IJOmeroError, InvalidInputError, ReadError
from ij_omero.model import Channel, ImageDescription, PixelType, PlaneIndex, Quantity, Region, ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

from ._indexing import AXES

if TYPE_CHECKING:
    import numpy.typing as npt

_FIELDS = {"X": "physical_size_x", "Y": "physical_size_y", "Z": "physical_size_z", "T": "time_increment"}


def is_data_array(thing: Any) -> bool:
    """Whether something is an ``xarray.DataArray``, without importing xarray."""
    return type(thing).__module__.partition(".")[0] == "xarray" and all(
        hasattr(thing, name) for name in ("dims", "coords", "isel", "dtype")
    )


def from_xarray(array: Any, name: str | None = None) -> XarraySource:
    """Return a ``DataArray`` as a pixel source, which `Connection.save_image` takes.

    The reverse of `Image.to_xarray`: evenly spaced coordinates with a ``units`` attribute give the physical sizes and
    the time increment, texts along C the channels' names. Arrays of dask are computed tile by tile.

    Parameters
    ----------
    array
        With dims from T, C, Z, Y, X in any order and in upper or lower case; Y and X are needed.
    name
        The image's name; the array's where it is not given.

    Raises
    ------
    InvalidInputError
        It has other dims.
    """
    return XarraySource(array, name)


class XarraySource:
    """A `PixelSource` over a ``DataArray``; see `from_xarray`."""

    hints = ReadHints()

    def __init__(self, array: Any, name: str | None = None) -> None:
        if not is_data_array(array):
            raise InvalidInputError(f"expected an xarray.DataArray, not {type(array).__name__}")
        dims = {str(dim).upper(): dim for dim in array.dims}
        if not {"X", "Y"} <= set(dims) <= set(AXES) or len(dims) != array.ndim:
            raise InvalidInputError(f"an image has dims Y, X and any of T, C, Z; this array has {tuple(array.dims)}")
        self._dims = dims
        self._array: Any = array.transpose(*(dims[axis] for axis in AXES if axis in dims))
        x, y, z, c, t = (array.sizes[dims[axis]] if axis in dims else 1 for axis in "XYZCT")
        found: dict[str, Any] = {field: _step(array, dims.get(axis)) for axis, field in _FIELDS.items()}
        channels = _channels(array, dims.get("C"))
        self.description = ImageDescription(
            name or str(array.name or "array"), PixelType.of(array.dtype), x, y, z, c, t, channels=channels, **found
        )
        self.levels = (ResolutionLevel(0, x, y, x, y),)

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Compute a region, as `PixelSource.read` says."""
        if self._array is None:
            raise ReadError(f"{self.description.name!r} was closed")
        plane = PlaneIndex(*plane)
        region = check_request(self.description, self.levels, plane, region, level, out)
        wanted: dict[Any, Any] = {
            self._dims[axis]: at for axis, at in (("T", plane.t), ("C", plane.c), ("Z", plane.z)) if axis in self._dims
        }
        wanted[self._dims["Y"]] = slice(region.y, region.y + region.height)
        wanted[self._dims["X"]] = slice(region.x, region.x + region.width)
        pixels = np.asarray(self._array.isel(wanted).values, self.description.pixel_type.dtype)
        if out is None:
            return np.array(pixels, order="C")
        out[...] = pixels
        return out

    def close(self) -> None:
        """Let the array go."""
        self._array = None


def _step(array: Any, dim: Any) -> Quantity | None:
    """Return the distance between evenly spaced coordinates that have a unit; None for all others."""
    if dim is None or dim not in array.coords or array.sizes[dim] < 2:
        return None
    coordinate = array.coords[dim]
    unit = coordinate.attrs.get("units")
    if unit in (None, "pixel") or coordinate.dtype.kind not in "iuf":
        return None
    values = np.asarray(coordinate.values, float)
    steps = np.diff(values)
    if steps[0] <= 0 or not np.allclose(steps, steps[0], rtol=1e-6):
        return None
    try:
        return Quantity(float(values[-1] - values[0]) / len(steps), str(unit))
    except IJOmeroError:
        return None  # a unit that is none of lengths and times, for example "a.u."


def _channels(array: Any, dim: Any) -> tuple[Channel, ...]:
    if dim is None or dim not in array.coords or array.coords[dim].dtype.kind not in "UO":
        return ()
    return tuple(Channel(str(name)) for name in array.coords[dim].values)
