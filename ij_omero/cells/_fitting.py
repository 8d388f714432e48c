"""Values that somebody wants to write, as pixels of an image's type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ij_omero.errors import InvalidInputError


def fit_pixels(given: npt.ArrayLike, dtype: np.dtype[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return values as pixels of a type and shape, losing nothing.

    Parameters
    ----------
    given
        An array of the shape whose type fits safely, or a single value in the type's range.
    dtype
        The image's type.
    shape
        (Y, X) of the region.

    Raises
    ------
    InvalidInputError
        The values have another shape, or do not fit into the type.
    """
    if isinstance(given, (bool, int, float, complex)):
        return np.broadcast_to(_fit_value(given, dtype), shape)
    values = np.asarray(given)
    if values.shape not in ((), shape):
        raise InvalidInputError(f"the pixels have shape {values.shape}; the region's is (Y, X) {shape}")
    if not np.can_cast(values.dtype, dtype, "safe"):
        raise InvalidInputError(
            f"{values.dtype.name} pixels do not fit into a {dtype.name} image; convert them with astype first"
        )
    return np.broadcast_to(values.astype(dtype, copy=False), shape)


def _fit_value(value: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype.kind in "fc":
        if isinstance(value, complex) and dtype.kind == "f":
            raise InvalidInputError(f"{value!r} is no {dtype.name} pixel value")
        return np.asarray(value).astype(dtype)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if isinstance(value, complex) or not low <= value <= high or int(value) != value:
        raise InvalidInputError(f"{value!r} is no {dtype.name} pixel value; expected a whole number, {low} to {high}")
    return np.asarray(int(value)).astype(dtype)
