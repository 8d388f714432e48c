"""The class path of the embedded ImageJ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._carve import carved_imagej_jar
from ._jars import fetch_jars, read_lock
from ._progress import Progress, log_progress

if TYPE_CHECKING:
    from pathlib import Path


def imagej_class_path(progress: Progress = log_progress) -> list[Path]:
    """Give the class path of the embedded ImageJ, fetching into the cache folder what it lacks (6 MB).

    It holds `net.imagej` (cut out of the installed package prokaryote), imglib2, scijava-common with what that needs,
    udunits, ImageJ 1 and the patcher that makes ImageJ 1 work headless. Every file is checked against its sha256.

    Parameters
    ----------
    progress
        Told of what is downloaded.

    Returns
    -------
    list of Path
        Absolute paths of jars, in their order.

    Raises
    ------
    MissingDependencyError
        prokaryote or jgo is not installed.
    SetupError
        Maven Central cannot be reached, or prokaryote's jar is damaged.
    StorageError
        The cache folder lacks something and cannot be written.
    """
    return [carved_imagej_jar(progress), *fetch_jars(read_lock("imagej"), progress)]
