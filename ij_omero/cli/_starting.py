"""Starting ImageJ for a command, telling what is fetched the first time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ij_omero.imagej import Runtime

    from ._bars import Lines


def start_imagej(lines: Lines) -> Runtime:
    """Start ImageJ, fetching what the embedded one lacks, or return the one that runs.

    Raises
    ------
    MissingDependencyError, SetupError, StorageError, ImageJError
        It could not be fetched or started; the message says what to do.
    """
    from ij_omero.imagej import current, start
    from ij_omero.provision import imagej_class_path

    running = current()
    if running is not None:
        return running
    if os.environ.get("IJ_OMERO_IMAGEJ", "") in ("", "embedded"):
        imagej_class_path(lines)
    lines("starting ImageJ")
    return start()
