"""A picture into a PNG, JPEG or TIFF file, whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import AccessDeniedError, DiskFullError, InvalidInputError, StorageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
_OPTIONS: dict[str, dict[str, object]] = {
    "PNG": {},
    "JPEG": {"quality": 90},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_LONGEST_JPEG = 65535
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def save_picture(picture: npt.NDArray[np.uint8], path: str | Path) -> Path:
    """Write a picture; the ending tells the kind: ``.png``, ``.jpg``, ``.jpeg``, ``.tif``, ``.tiff``.

    Parameters
    ----------
    picture
        (Y, X, 3) uint8.
    path
        The file, replaced where it exists; its folder is made where it does not.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        The ending is none of these, or the picture is too large for JPEG.
    StorageError, AccessDeniedError, DiskFullError
        It cannot be written; nothing half-written is left.
    """
    from PIL import Image

    path = Path(path).expanduser()
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise InvalidInputError(f"cannot tell the kind of picture from {path.name!r}; expected {', '.join(ENDINGS)}")
    if kind == "JPEG" and max(picture.shape) > _LONGEST_JPEG:
        raise InvalidInputError(f"a JPEG has at most {_LONGEST_JPEG} pixels along a side; write PNG or TIFF")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".crop-", dir=path.parent) as folder:
            part = Path(folder) / path.name
            with part.open("wb") as file:
                Image.fromarray(picture).save(file, kind, **_OPTIONS[kind])
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    except PermissionError as error:
        raise AccessDeniedError(f"{path} may not be written here: {error.strerror}; choose another folder") from error
    except OSError as error:
        what = f"cannot write {path}: {error.strerror or error}"
        raise (DiskFullError(what) if error.errno in _FULL else StorageError(what)) from error
    return path
