"""An archive of classes that the embedded ImageJ loads, as Java has parsed them: with it Java starts a third faster.

Java writes it at the end of a process that was asked to (dynamic class-data sharing, JEP 350) and takes it only for the
very jars and the Java that it was made with; anything else it passes over in silence. It is made at set-up and at
installation, not by a job: a job must not write where scripts are installed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import StorageError
from ij_omero.provision import CACHE_VARIABLE, cache_dir, find_java, make_folder, write_whole

from ._class_path import embedded_class_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.provision import Java

_log = logging.getLogger(__name__)
_TIMEOUT_S = 300
_SILENT = "-Xlog:cds*=off"
_RECORD = "import sys; from ij_omero.imagej._class_archive import record; record(sys.argv[1])"


def archive_options(java: Java, jars: Sequence[Path]) -> list[str]:
    """Return the options with which Java takes the archive of a class path; none where there is no archive."""
    archive = _archive(java, jars)
    return [f"-XX:SharedArchiveFile={archive}", _SILENT] if archive.is_file() else []


def make_class_archive(cache: Path | str | None = None) -> Path | None:
    """Make the archive for the embedded ImageJ of a cache folder, unless it is there; takes some seconds.

    Parameters
    ----------
    cache
        The folder, as ``$IJ_OMERO_CACHE`` names it; the one in use without it.

    Returns
    -------
    Path or None
        The archive; None where none can be made or kept, which is logged. ImageJ then starts as before.
    """
    folder = Path(cache).absolute() if cache is not None else cache_dir()
    environment = {**os.environ, CACHE_VARIABLE: str(folder)}
    with tempfile.TemporaryDirectory(prefix="ij-omero-classes-") as scratch:
        fresh = Path(scratch) / "classes.jsa"
        command = [sys.executable, "-I", "-c", _RECORD, str(fresh)]
        try:
            done = subprocess.run(  # noqa: S603 - this package's own code
                command, check=True, timeout=_TIMEOUT_S, capture_output=True, text=True, env=environment
            )
            target = Path(done.stdout.strip().splitlines()[0])
            if not target.is_file():
                make_folder(target.parent)
                write_whole(target, fresh.read_bytes())
        except (StorageError, subprocess.SubprocessError, OSError, IndexError) as error:
            detail = getattr(error, "stderr", None) or error
            _log.warning("Java starts without an archive of ImageJ's classes, because none could be made: %s", detail)
            return None
    return target


def record(out: str) -> None:
    """Say on standard output where the archive belongs; unless it is there, do what jobs do and write it to `out`.

    Ends the process.
    """
    java = find_java()
    jars = embedded_class_path(java)
    target = _archive(java, jars)
    sys.stdout.write(f"{target}\n")
    sys.stdout.flush()
    if target.is_file():
        return
    import numpy as np

    from ._modules import run_module
    from ._runtime import java_class, start

    runtime = start("embedded", brief=True, options=[f"-XX:ArchiveClassesAtExit={out}", _SILENT])
    picture = np.zeros((64, 64), np.uint8)
    picture[20:40, 20:40] = 255
    run_module("Gaussian Blur...", {"sigma": 2}, images=[picture])
    run_module("Analyze Particles...", {"display": True, "add": True}, images=[picture])
    _ = runtime.context
    java_class("java.lang.System").exit(0)


def _archive(java: Java, jars: Sequence[Path]) -> Path:
    """Name the archive by what Java checks before it takes one: itself, and path, size and time of each jar."""
    told = [str(java.home.resolve()), _release(java)]
    for jar in jars:
        found = jar.stat()
        told.append(f"{jar} {found.st_size} {found.st_mtime_ns}")
    return cache_dir("imagej", f"classes-{hashlib.sha256(os.linesep.join(told).encode()).hexdigest()[:16]}.jsa")


def _release(java: Java) -> str:
    try:
        return (java.home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return str(java.version)
