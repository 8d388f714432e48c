"""Running what ImageJ has on images of a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._image import Image

if TYPE_CHECKING:
    from ij_omero.imagej import ModuleResult


def run(module: str | Path, image: Any = None, /, **inputs: Any) -> ModuleResult:
    """Run something of ImageJ: an ImageJ2 command, an ImageJ 1 command, or a macro or ``#@`` script in a file.

    ImageJ is started where it does not run yet. Results are not saved: give them to `save_image`.

    Parameters
    ----------
    module
        The module's title or identifier, such as ``"Gaussian Blur..."``, or the path of a macro (``.ijm``) or script.
    image
        What goes into the module's first image input: an open `Image`, an array, a Dataset or an ImagePlus.
    **inputs
        The other inputs by name; those that are `Image` are handed over as Datasets, whose pixels are loaded when they
        are touched.

    Returns
    -------
    ModuleResult
        ``image``, ``images``, ``tables``, ``rois``, all ``outputs`` by name, and ImageJ's ``log``. Its images know the
        first image that went in, to which `save_image` links them.

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

    origin = next((text for text in map(_address_of, (image, *inputs.values())) if text), None)
    given = {name: value.to_dataset() if isinstance(value, Image) else value for name, value in inputs.items()}
    image = image.to_dataset() if isinstance(image, Image) else image
    if is_script(module):
        result = imagej.run_script(Path(module).expanduser(), inputs=given, images=[] if image is None else [image])
        result.made_from = origin
        return result
    module = str(module)
    if image is not None:
        description = imagej.find_module(module)
        name = next((one.name for one in description.inputs if one.is_image), None)
        if name is None:
            raise InvalidInputError(f"{description.title} takes no image; leave it away")
        if name in given:
            raise InvalidInputError(f"the image was given twice, as the second argument and as {name!r}")
        given[name] = image
    result = imagej.run_module(module, given)
    result.made_from = origin
    return result


def _address_of(value: Any) -> str | None:
    """Return the address of an image that something is, was opened from or was made from."""
    from ij_omero import imagej

    if isinstance(value, Image):
        return str(value.address)
    if isinstance(value, imagej.ImageArray):
        return value.made_from
    if imagej.current() is not None and imagej.is_dataset(value):
        return imagej.source_address(value)
    return None


def is_script(module: str | Path) -> bool:
    """Tell whether a module's name is the path of a script or macro; of a path that leads nowhere that is an error."""
    path = Path(module).expanduser()
    if path.is_file():
        return True
    if isinstance(module, Path) or path.suffix in (".ijm", ".py", ".groovy", ".js", ".bsh"):
        raise InvalidInputError(f"there is no script {path}; check the path")
    return False
