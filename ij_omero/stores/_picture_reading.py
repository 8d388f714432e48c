"""Reading picture files: TIFF, what Pillow reads, and numpy's arrays."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError, StorageError
from ij_omero.model import parse_address

from ._disk_errors import storage_error
from ._picture_source import PictureSource, describe_array
from ._tiff_reading import read_tiff

if TYPE_CHECKING:
    from ij_omero.model import ImageDescription

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NPY = b"\x93NUMPY"
_PNG = b"\x89PNG\r\n\x1a\n"
# Pillow's mode -> what it is read as, and its axes
_MODES = {
    "1": ("1", "YX"),
    "L": ("L", "YX"),
    "RGB": ("RGB", "YXS"),
    "RGBA": ("RGBA", "YXS"),
    "LA": ("RGBA", "YXS"),
    "I": ("I", "YX"),
    "F": ("F", "YX"),
}


def read_picture(path: str | Path) -> tuple[ImageDescription, PictureSource]:
    """Open a picture file.

    TIFF (OME-TIFF and ImageJ's with their calibration and channels), PNG, JPEG and whatever else Pillow reads, and
    ``.npy`` with (Y, X), (Z, Y, X), (C, Z, Y, X) or (T, C, Z, Y, X). Colours become three channels, Red, Green and
    Blue; palettes become colours; frames of an animation become timepoints; a photograph is turned upright. Large TIFF
    files are read in bands of rows, not as a whole.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    description, source
        What the picture is, and a `PixelSource` of it that the caller closes.

    Raises
    ------
    StorageError, AccessDeniedError
        There is no such file, or it cannot be read.
    InvalidInputError
        It is no picture, or one whose pixels an image cannot hold.
    CorruptedDataError
        It is damaged.
    MissingDependencyError
        Its compression needs a package that is not installed.
    """
    if isinstance(path, str) and not Path(path).is_file() and parse_address(path).scheme != "file":
        raise InvalidInputError(
            "expected a picture file, not the address of an image; open it (open_image), and save_image(image, to=...) "
            "copies it into another store, as `ij-omero import ADDRESS --to STORE` does"
        )
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except FileNotFoundError:
        raise StorageError(f"there is no file {path}; check the path") from None
    except IsADirectoryError:
        raise InvalidInputError(f"{path} is a folder; expected a picture file (open OME-Zarr by open_store)") from None
    except OSError as error:
        raise storage_error(error, f"cannot read {path}") from error
    if not head:
        raise InvalidInputError(f"{path} is an empty file; expected a picture")
    if head[:4] in _TIFF:
        source = read_tiff(path)
    elif head.startswith(_NPY):
        source = _read_npy(path)
    else:
        source = _read_with_pillow(path, head)
    return source.description, source


def _read_npy(path: Path) -> PictureSource:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CorruptedDataError(f"{path} is no numpy array that can be read: {error}") from error
    colours = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    axes = "YXS" if colours else {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}.get(array.ndim)
    if axes is None or 0 in array.shape:
        raise InvalidInputError(
            f"{path} has the shape {array.shape}; expected 2 to 5 axes, (T, C, Z, Y, X), none empty"
        )
    return PictureSource(describe_array(path.name, axes, array.shape, array.dtype), array, axes)


def _read_with_pillow(path: Path, head: bytes) -> PictureSource:
    from PIL import Image, UnidentifiedImageError

    if head.startswith(_PNG) and len(head) > 25 and head[24] == 16 and head[25] in (2, 6):
        raise InvalidInputError(
            f"{path} has 16 bits per colour, which Pillow cuts to 8; save it as TIFF and import that"
        )
    try:
        with warnings.catch_warnings(), contextlib.closing(Image.open(path)) as picture:
            warnings.simplefilter("ignore")  # of metadata that Pillow does not like
            frames = []
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                frames.append(_frame(picture))
    except UnidentifiedImageError:
        raise InvalidInputError(
            f"{path} is no picture that can be read; expected TIFF, PNG, JPEG, another format of Pillow's, or .npy"
        ) from None
    except Image.DecompressionBombError as error:
        raise InvalidInputError(f"{path}: {error}; raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise CorruptedDataError(f"{path} is damaged or cut off: {error}") from error
    if len({frame.shape for frame in frames}) > 1:
        frames = frames[:1]  # pictures of several sizes in one file (icons, previews): the first is the picture
    axes = "YXS" if frames[0].ndim == 3 else "YX"
    array = frames[0] if len(frames) == 1 else np.stack(frames)
    axes = axes if len(frames) == 1 else f"T{axes}"
    return PictureSource(describe_array(path.name, axes, array.shape, array.dtype), array, axes)


def _frame(picture: Any) -> np.ndarray[Any, Any]:
    """Return one frame as (Y, X) or (Y, X, S)."""
    from PIL import ImageOps

    frame = ImageOps.exif_transpose(picture)
    mode = frame.mode
    if mode.startswith("I;16"):
        return np.asarray(frame).astype(np.uint16)
    if mode in ("P", "PA"):
        mode = "RGBA" if mode == "PA" or "transparency" in frame.info else "RGB"
    wanted = _MODES.get(mode, ("RGB", "YXS"))[0]
    pixels = np.asarray(frame if frame.mode == wanted else frame.convert(wanted))
    if wanted == "RGBA" and (pixels[..., 3] == 255).all():
        pixels = pixels[..., :3]  # opaque everywhere: nothing but a file's habit
    return pixels
