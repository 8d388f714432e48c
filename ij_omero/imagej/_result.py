"""What a module, a command, a macro or a script gives back."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ._image_array import ImageArray
from ._imageplus import from_imageplus, is_dataset, is_imageplus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ij_omero.model import Roi, Table


class ModuleResult:
    """The results of one run.

    Parameters
    ----------
    images
        Java images (``ij.ImagePlus``, ``net.imagej.Dataset``) or :class:`ImageArray`; copied to Python when asked for.
    tables, rois
        Tables and ROIs, already Python's.
    outputs
        All outputs by name: plain values, images as Java objects, tables and ROIs.
    log
        What ImageJ printed meanwhile.

    Attributes
    ----------
    made_from
        The address of the image that it ran on, which its images get; None where that is not known.
    """

    def __init__(
        self,
        *,
        images: Sequence[Any] = (),
        tables: Sequence[Table] = (),
        rois: Sequence[Roi] = (),
        outputs: Mapping[str, Any] | None = None,
        log: str = "",
    ) -> None:
        self.java_images = tuple(images)
        self.tables = tuple(tables)
        self.rois = tuple(rois)
        self.outputs = dict(outputs or {})
        self.log = log
        self.made_from: str | None = None

    @cached_property
    def images(self) -> tuple[ImageArray, ...]:
        """The images, copied into arrays of (T, C, Z, Y, X) on first use."""
        arrays = (_image_array(image) for image in self.java_images)
        return tuple(replace(array, made_from=array.made_from or self.made_from) for array in arrays)

    @property
    def image(self) -> ImageArray | None:
        """The first image; None where there is none."""
        return self.images[0] if self.java_images else None

    @property
    def table(self) -> Table | None:
        """The first table; None where there is none."""
        return self.tables[0] if self.tables else None

    def __repr__(self) -> str:
        """Count what there is."""
        return (
            f"<ModuleResult: {len(self.java_images)} images, {len(self.tables)} tables, {len(self.rois)} ROIs, "
            f"outputs {sorted(self.outputs)}>"
        )


def _image_array(image: Any) -> ImageArray:
    if isinstance(image, ImageArray):
        return image
    if is_imageplus(image):
        return from_imageplus(image)
    if is_dataset(image):
        from ._dataset_arrays import from_dataset

        return from_dataset(image)
    raise TypeError(f"{type(image).__name__} is no image of ImageJ")
