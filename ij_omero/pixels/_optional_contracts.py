"""What only some backends can do; callers ask with ``isinstance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ._progress import Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from ij_omero.model import ImageAddress, ImageDescription, ImageId, PlaneIndex, Region

    from ._contracts import PixelSink, PixelSource


@runtime_checkable
class SeveralPixels(Protocol):
    """A store whose images may have several sets of pixels, each with sizes, type and channels of its own."""

    def pixels_ids(self, image_id: ImageId) -> tuple[int, ...]:
        """Return their ids; the first is what everybody sees who names none."""

    def image_of_pixels(self, pixels_id: int) -> int:
        """Return the id of the image that these pixels belong to; ImageNotFoundError where there are none."""

    def address_of(self, image_id: ImageId, *, pixels_id: int | None = None) -> ImageAddress:
        """Return the address under which these pixels are opened again."""

    def open(self, image_id: ImageId, *, pixels_id: int | None = None) -> PixelSource:
        """Open these pixels; ImageNotFoundError where the image has none of that id."""

    def create(
        self,
        description: ImageDescription,
        *,
        dataset: ImageId | None = None,
        source: ImageId | None = None,
        pixels_of: ImageId | None = None,
        verify: bool = False,
        notes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    ) -> PixelSink:
        """Begin new pixels of an image that exists, or with ``verify`` an image whose tiles are read back.

        ``notes`` are key-value pairs by namespace, beside those of the description; new pixels of an image have none.
        """


@runtime_checkable
class PlaneTimes(Protocol):
    """A store that knows when each plane was acquired."""

    def plane_times(self, image_id: ImageId, *, pixels_id: int | None = None) -> npt.NDArray[np.float64]:
        """Return (T, C, Z) seconds, not-a-number where unknown."""

    def save_plane_times(self, image_id: ImageId, seconds: npt.ArrayLike, *, pixels_id: int | None = None) -> None:
        """Set them; planes with not-a-number stay as they are."""


@runtime_checkable
class LookupTableFiles(Protocol):
    """A store that keeps lookup tables, which the settings of its images name."""

    def lookup_table_names(self) -> tuple[str, ...]:
        """Return their names, such as ``glow.lut``."""

    def lookup_table_file(self, name: str) -> bytes:
        """Return a table's file; NotFoundError where there is none of that name."""


@runtime_checkable
class ImageDataDetails(Protocol):
    """A store that knows more of an image than its description holds, which OMERO.web's ``imgData`` tells."""

    def image_data_details(self, image_id: ImageId, *, pixels_id: int | None = None) -> dict[str, Any]:
        """Return it by the keys of ``imgData``; ImageNotFoundError where there is no such image."""


@runtime_checkable
class PlaneSequence(Protocol):
    """A source that keeps several requests on their way from one plane to the next."""

    def read_planes(
        self,
        planes: Sequence[PlaneIndex],
        region: Region | None = None,
        *,
        level: int = 0,
        out: Sequence[npt.NDArray[Any]],
        progress: Progress = no_progress,
    ) -> None:
        """Read the same rectangle of several planes, each into its (Y, X) array of ``out``."""


@runtime_checkable
class UndecodedReads(Protocol):
    """A source whose pixels come in another byte order; a reader that copies them anyway can turn it on the way."""

    def read_undecoded(self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0) -> npt.NDArray[Any]:
        """Read as `PixelSource.read` does; the array (Y, X) may be read-only and of the other byte order."""


@runtime_checkable
class WatchedSink(Protocol):
    """A sink whose `finish` takes long and tells of it."""

    def watch(self, progress: Progress) -> None:
        """Have somebody told during `finish`; raising from it cancels."""
