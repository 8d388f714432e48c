"""Running what ImageJ has on images of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._image import Image

if TYPE_CHECKING:
    from ij_omero.imagej import ModuleResult


def run(module: str, image: Any = None, /, **inputs: Any) -> ModuleResult:
    """Run a module of ImageJ: an ImageJ2 command, an ImageJ 1 command, or a script or macro that is installed.

    ImageJ is started where it does not run yet. Results are not saved: give them to `save_image`.

    Parameters
    ----------
    module
        The module's title, menu path or identifier, such as ``"Gaussian Blur..."``.
    image
        What goes into the module's first image input: an open `Image`, an array, a Dataset or an ImagePlus.
    **inputs
        The other inputs by name; those that are `Image` are handed over as Datasets, whose pixels are loaded when they
        are touched.

    Returns
    -------
    ModuleResult
        ``image``, ``images``, ``tables``, ``rois``, all ``outputs`` by name, and ImageJ's ``log``.

    Raises
    ------
    ModuleNotFoundInImageJError
        There is no such module; the message names similar ones.
    InvalidInputError
        An input is missing, unknown, of the wrong type or out of its range.
    ImageJError
        The module failed, with ImageJ's own text.
    """
    from ij_omero import imagej

    given = dict(inputs)
    if image is not None:
        description = imagej.find_module(module)
        name = next((one.name for one in description.inputs if one.is_image), None)
        if name is None:
            raise InvalidInputError(f"{description.title} takes no image; leave it away")
        if name in given:
            raise InvalidInputError(f"the image was given twice, as the second argument and as {name!r}")
        given[name] = image
    ready = {name: value.to_dataset() if isinstance(value, Image) else value for name, value in given.items()}
    return imagej.run_module(module, ready)
