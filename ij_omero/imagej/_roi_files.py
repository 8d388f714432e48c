"""ImageJ's ROI files: ``.roi`` with one selection, ``.zip`` with a set of the ROI manager, by ImageJ's own code."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, StorageError

from ._primitive_arrays import from_java_array, to_java_array
from ._rois import from_imagej_rois, to_imagej_rois
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.model import Roi

_ENDING = ".roi"


def read_roi_file(path: Path | str, imp: Any = None) -> list[Roi]:
    """Read a ``.roi`` file or a ``.zip`` of the ROI manager.

    Parameters
    ----------
    path
        The file.
    imp
        The image that they belong to, as for `from_imagej_rois`.

    Returns
    -------
    list of Roi
        In the order of the file; those that were written as one ROI are one again.

    Raises
    ------
    StorageError
        The file cannot be read.
    InvalidInputError
        It is none of ImageJ's ROI files.
    """
    start().imagej1()
    path = Path(path).expanduser()
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.lower().endswith(_ENDING)]
                files = [(Path(name).stem, archive.read(name)) for name in names]
        else:
            files = [(path.stem, path.read_bytes())]
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # RuntimeError: encrypted, or packed otherwise
        raise InvalidInputError(f"{path} is no zip file of ROIs: {error}") from error
    if not files:
        raise InvalidInputError(f"{path} holds no .roi files; expected a set that ImageJ's ROI manager saved")
    return from_imagej_rois([_decoded(name, data, path) for name, data in files], imp)


def write_roi_file(path: Path | str, rois: Sequence[Roi], imp: Any = None) -> Path:
    """Write ROIs so that ImageJ opens them: one selection as ``.roi``, any number as ``.zip``.

    Parameters
    ----------
    path
        The file; its ending tells the kind. A file that is there is replaced, whole or not at all.
    rois
        What to write; several shapes of a ROI become several selections, which are read as one ROI again.
    imp
        The image that they belong to, as for `to_imagej_rois`.

    Raises
    ------
    InvalidInputError
        Another ending, nothing to write, or several selections for a ``.roi`` file.
    StorageError
        The file cannot be written.
    """
    path = Path(path).expanduser()
    selections = to_imagej_rois(rois, imp)
    ending = path.suffix.lower()
    if ending not in (_ENDING, ".zip"):
        raise InvalidInputError(f"{path} ends in {ending or 'nothing'!r}; expected .roi or .zip")
    if not selections or (ending == _ENDING and len(selections) > 1):
        raise InvalidInputError(
            f"{len(selections)} selections cannot be written to {path}; expected one for a .roi file, "
            "one or more for a .zip file"
        )
    encode = java_class("ij.io.RoiEncoder").saveAsByteArray
    files = [from_java_array(encode(selection), np.uint8).tobytes() for selection in selections]
    names = _distinct([str(selection.getName() or f"{number:04d}") for number, selection in enumerate(selections, 1)])
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                if ending == _ENDING:
                    file.write(files[0])
                else:
                    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                        for name, data in zip(names, files, strict=True):
                            archive.writestr(f"{name}{_ENDING}", data)
            Path(partial).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(partial).unlink()
            raise
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _decoded(name: str, data: bytes, path: Path) -> Any:
    import jpype

    try:
        roi = java_class("ij.io.RoiDecoder")(to_java_array(np.frombuffer(data, np.int8)), name).getRoi()
    except jpype.JException as error:
        raise InvalidInputError(f"{name!r} in {path} is no ROI of ImageJ's: {error}") from error
    if roi is None:
        raise InvalidInputError(f"{name!r} in {path} is no ROI of ImageJ's")
    return roi


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names that are files' names, each once."""
    taken: list[str] = []
    for name in names:
        plain = name.replace("/", "_").replace("\\", "_")
        unique, number = plain, 1
        while unique in taken:
            number += 1
            unique = f"{plain}-{number}"
        taken.append(unique)
    return taken
