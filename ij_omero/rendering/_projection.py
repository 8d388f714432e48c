"""Z-projections as an OMERO.server makes them (ome.services.projection.ProjectionBean, ome/omero-server)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

METHODS = ("max", "mean", "sum")


@dataclass(frozen=True)
class Projection:
    """Which z-sections are projected, and how.

    Parameters
    ----------
    method
        ``"max"``, ``"mean"`` or ``"sum"``.
    start, end
        The first and the last z-section, both from 0; None is the stack's own first and last.

    Notes
    -----
    The server takes ``end`` in for a maximum and leaves it out for a mean or a sum; `sections` does the same, so that
    pictures agree.
    """

    method: str
    start: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        """Check the method."""
        if self.method not in METHODS:
            raise InvalidInputError(f"unknown projection {self.method!r}; expected one of {', '.join(METHODS)}")

    def sections(self, size_z: int) -> range:
        """Return the z-sections that are read; bounds outside the stack are moved onto its ends.

        Raises
        ------
        InvalidInputError
            The range ends before it starts.
        """
        first = max(0, self.start if self.start is not None else 0)
        last = min(size_z - 1, self.end if self.end is not None else size_z - 1)
        if first > last:
            raise InvalidInputError(
                f"z-sections {first} to {last} cannot be projected; expected a range within 0 to {size_z - 1}"
            )
        return range(first, last + 1 if self.method == "max" else last)


def project(
    sections: Iterable[npt.NDArray[Any]], method: str, shape: tuple[int, int], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Project z-sections into one plane, holding one section at a time.

    Parameters
    ----------
    sections
        (Y, X) arrays.
    method
        ``"max"`` (which never falls below 0), ``"mean"`` (cut to whole numbers in whole-number types) or ``"sum"``
        (no more than the type's maximum), each as the server does it.
    shape, dtype
        Of one section; the result has them too. The mean of no section is not-a-number, or 0 in whole-number types.

    Raises
    ------
    InvalidInputError
        There is no such method.
    """
    if method not in METHODS:
        raise InvalidInputError(f"unknown projection {method!r}; expected one of {', '.join(METHODS)}")
    if method == "max":
        greatest = np.zeros(shape, dtype)
        for section in sections:
            np.fmax(greatest, section, out=greatest)
        return greatest
    total = np.zeros(shape, np.float64)
    count = 0
    for section in sections:
        total += section
        count += 1
    if method == "mean":
        total = total / count if count else np.full(shape, np.nan if dtype.kind == "f" else 0.0)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        np.clip(total, limits.min, limits.max, out=total)
    elif dtype == np.float32:
        np.clip(total, -np.finfo(np.float32).max, np.finfo(np.float32).max, out=total)
    return total.astype(dtype)
