"""One directory of a TIFF file as a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tifffile

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from ij_omero.model import ImageDescription

MOST_DIRECTORIES = 1 << 20


def read_directory(path: Path, index: int, description: ImageDescription) -> npt.NDArray[Any]:
    """Return the pixels of a directory, (Y, X).

    Parameters
    ----------
    index
        Which directory, from 0.
    description
        What the pixels must be: sizes are compared before anything is decoded, so that a small file cannot make
        much of itself.

    Raises
    ------
    InvalidInputError
        It is no TIFF file, has no such directory, or one of other pixels.
    """
    wanted = (description.size_y, description.size_x), description.pixel_type.dtype
    try:
        with tifffile.TiffFile(path) as file:
            if not 0 <= index < MOST_DIRECTORIES:
                raise IndexError
            page: Any = file.pages[index]
            found = tuple(page.shape), page.dtype
            if found != wanted:
                raise InvalidInputError(
                    f"directory {index} holds {found[1]} {found[0]} (Y, X), the pixels are {wanted[1]} {wanted[0]}"
                )
            pixels: npt.NDArray[Any] = page.asarray()
            return pixels
    except InvalidInputError:
        raise
    except IndexError:
        raise InvalidInputError(f"the file has no directory {index}") from None
    except Exception as error:  # whatever a broken file brings tifffile and its decoders to
        raise InvalidInputError(f"the file cannot be read as TIFF: {error}") from error
