"""Java's images as pixel sources: what ImageJ made becomes a new image of a store without a copy of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError, ReadError
from ij_omero.model import ResolutionLevel
from ij_omero.pixels import ReadHints, check_request

from ._copying import ArraySource
from ._saved_planes import SavedPlanes

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.cells import CellCache
    from ij_omero.model import PlaneIndex, Region
    from ij_omero.pixels import PixelSource


def java_image_source(image: Any) -> PixelSource:
    """Return a pixel source of an ``ij.ImagePlus``, a ``net.imagej.Dataset``, or what a module gave back.

    Raises
    ------
    InvalidInputError
        The object is no image.
    """
    if hasattr(image, "pixels") and hasattr(image, "description"):  # what `run` returns
        return ArraySource(image.pixels, image.description.name, image.description)
    from ij_omero.imagej import current

    if current() is not None:
        from ij_omero.imagej import cells_of, described_in_imagej, from_imageplus, is_dataset, is_imageplus

        if is_imageplus(image):
            array = from_imageplus(image)
            return ArraySource(array.pixels, array.description.name, array.description)
        if is_dataset(image):
            cells = cells_of(image)
            if cells is None:
                return _DatasetSource(image)
            return SavedPlanes(cells, described_in_imagej(image, cells.saved_view.description))
    raise InvalidInputError(
        f"a {type(image).__name__} is no image; expected an open image, an array, ImageJ's Dataset or ImagePlus, "
        "or a pixel source"
    )


def cells_behind(image: Any) -> CellCache | None:
    """Return the cells behind a ``net.imagej.Dataset`` that an image was opened as; None for anything else."""
    from ij_omero.imagej import current

    if current() is None:
        return None
    from ij_omero.imagej import cells_of, is_dataset

    return cells_of(image) if is_dataset(image) else None


class _DatasetSource:
    """A Dataset that has no cells behind it, read plane by plane; the last plane is kept, since tiles come in order."""

    hints = ReadHints()

    def __init__(self, dataset: Any) -> None:
        from ij_omero.imagej import dataset_description

        self._dataset = dataset
        self.description = dataset_description(dataset)
        x, y = self.description.size_x, self.description.size_y
        self.levels = (ResolutionLevel(0, x, y, x, y),)
        self._last: tuple[PlaneIndex, npt.NDArray[Any]] | None = None

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read a region, as `PixelSource.read` says."""
        from ij_omero.imagej import dataset_plane

        if self._dataset is None:
            raise ReadError(f"{self.description.name!r} was closed")
        region = check_request(self.description, self.levels, plane, region, level, out)
        last = self._last
        if last is None or last[0] != plane:
            last = self._last = (plane, dataset_plane(self._dataset, plane.t, plane.c, plane.z))
        pixels = last[1][region.y : region.y + region.height, region.x : region.x + region.width]
        if out is None:
            return pixels.astype(self.description.pixel_type.dtype)
        out[...] = pixels
        return out

    def close(self) -> None:
        """Let the Dataset go."""
        self._dataset = self._last = None
