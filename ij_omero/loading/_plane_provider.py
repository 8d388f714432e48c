"""Planes and stacks on demand, for images whose planes fit into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.cells import CellCache
from ij_omero.errors import InvalidInputError
from ij_omero.model import PlaneIndex

from ._metadata import metadata_of
from ._opened import ImageLike, open_like
from ._unclosed import UnclosedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from typing_extensions import Self

_PROGRESS_EVERY = 5


class RegularImagePlaneProvider:
    """Planes of an image, kept in memory as far as they fit; all methods may be called from any thread.

    Parameters
    ----------
    image
        An address, a `PixelSource`, an open image, or an ``ImageWrapper`` of omero-py.
    max_cache_mb
        Mebibytes of planes in memory.
    **login
        ``user``, ``password`` and the like, for an address.

    Examples
    --------
    >>> with RegularImagePlaneProvider(image) as planes:  # doctest: +SKIP
    ...     planes.prefetch_neighbors([0], z=3, t=0)
    ...     plane = planes.get_plane(c=0, z=3)
    """

    def __init__(self, image: ImageLike, max_cache_mb: int = 256, **login: Any) -> None:
        self._opened = open_like(image, **login)
        source = self._opened.source
        self._description = source.description
        self._cells = CellCache(
            # the cache closes its source, which may be the caller's own
            UnclosedSource(source),
            bound=max(1, max_cache_mb << 20),
            cell_shape=source.levels[0].bounds.shape,
            autosave=None,
        )
        self._metadata = metadata_of(self._description)

    @property
    def metadata(self) -> dict[str, Any]:
        """See `get_image_metadata`."""
        return self._metadata

    def get_plane(self, c: int, z: int, t: int = 0) -> npt.NDArray[Any]:
        """Return a plane.

        Returns
        -------
        ndarray
            (Y, X), read-only; the memory is the cache's own.

        Raises
        ------
        InvalidInputError
            There is no such plane.
        ReadError, ConnectionFailedError
            It could not be read; asking again tries again.
        """
        return self._cells.cell(self._number(c, z, t))

    def get_stack(self, c: int, t: int = 0, progress: Callable[[int, int], object] | None = None) -> npt.NDArray[Any]:
        """Return all z-sections of a channel at a timepoint.

        Parameters
        ----------
        c, t
            Which.
        progress
            Called with (done, total) after every fifth z-section and after the last.

        Returns
        -------
        ndarray
            (Z, Y, X), the caller's own.
        """
        total = self._description.size_z
        numbers = [self._number(c, z, t) for z in range(total)]
        stack = np.empty((total, self._description.size_y, self._description.size_x), self._cells.dtype)
        self._cells.prefetch_cells(numbers)
        for done, number in enumerate(numbers, 1):
            stack[done - 1] = self._cells.cell(number)
            if progress is not None and (done % _PROGRESS_EVERY == 0 or done == total):
                progress(done, total)
        return stack

    def prefetch_planes(self, requests: Sequence[tuple[int, int, int]]) -> None:
        """Load (c, z, t) planes in the background; those outside the image, or there already, are left out."""
        wanted = dict.fromkeys(request for request in requests if self._is_inside(*request))
        self._cells.prefetch_cells([self._number(*request) for request in wanted])

    def prefetch_neighbors(self, channels: Sequence[int], z: int, t: int) -> None:
        """Load the planes before and after, in z and in t, of some channels in the background."""
        steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
        self.prefetch_planes([(c, z + dz, t + dt) for c in channels for dz, dt in steps])

    def close(self) -> None:
        """Release memory, threads and what was opened; twice is allowed."""
        self._cells.close(discard=True)
        self._opened.close()

    def __enter__(self) -> Self:
        """Return the provider."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _is_inside(self, c: int, z: int, t: int) -> bool:
        d = self._description
        return 0 <= c < d.size_c and 0 <= z < d.size_z and 0 <= t < d.size_t

    def _number(self, c: int, z: int, t: int) -> int:
        if not self._is_inside(c, z, t):
            d = self._description
            raise InvalidInputError(
                f"plane c={c}, z={z}, t={t} lies outside the image; expected c below {d.size_c}, z below {d.size_z}, "
                f"t below {d.size_t}"
            )
        return self._cells.grid.first_of(PlaneIndex(z, c, t))
