"""The ImageJ that a server's scripts use: one that is there already, or the embedded one in the OMERODIR.

A server's processor runs scripts as its own user, who cannot read an administrator's cache folder. So the jars are
copied to ``OMERODIR/lib/ImageJ.app``, complete, and are only read from there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ij_omero.errors import InvalidInputError, ScriptError

from ._installing import refusals, scripts_folder
from ._record import Record, digest, locked

FOLDER = "ImageJ.app"
_EXISTING = ("ImageJ.app", "Fiji.app", "Fiji")


def server_imagej(omerodir: Path | str) -> dict[str, str]:
    """Return the environment variables that lead to the ImageJ of an OMERODIR; empty where it has none."""
    lib = scripts_folder(omerodir).parent
    if Record.read(lib / FOLDER) is not None:
        return {"IJ_OMERO_CACHE": str(lib / FOLDER)}
    found = next((lib / name for name in _EXISTING if (lib / name / "jars").is_dir()), None)
    return {"IJ_OMERO_IMAGEJ": str(found)} if found else {}


def existing_imagej(folder: Path | str) -> dict[str, str]:
    """Return the environment variables that lead to an ImageJ or Fiji folder, whatever its launcher is called.

    Raises
    ------
    InvalidInputError
        The folder holds no ImageJ.
    """
    given = Path(folder).expanduser().absolute()
    for root in (given, given / "Fiji.app", given / "Fiji", given / "ImageJ.app", given / "Contents" / "Java"):
        if (root / "jars").is_dir():
            return {"IJ_OMERO_IMAGEJ": str(root)}
    raise InvalidInputError(f"{given} is no ImageJ or Fiji folder: there is no jars/ in it; name the one that has it")


def install_imagej(omerodir: Path | str, *, dry_run: bool = False) -> Path | None:
    """Put the embedded ImageJ into an OMERODIR, unless an ImageJ is there.

    Returns
    -------
    Path or None
        The new folder; None where an ImageJ was there already.

    Raises
    ------
    ScriptError
        No OMERODIR, or one that cannot be written; nothing is left behind then.
    SetupError
        A jar is missing and cannot be downloaded.
    """
    from ij_omero.imagej import embedded_class_path
    from ij_omero.provision import cache_dir, find_java

    lib = scripts_folder(omerodir).parent
    target = lib / FOLDER
    if server_imagej(omerodir):
        return None
    if target.exists():
        raise ScriptError(f"Path already exists: {target}, and it holds no ImageJ; move it away and install again")
    if dry_run:
        return target
    base = cache_dir()
    with refusals("Could not create directory", target):
        jars = embedded_class_path(find_java())
        with locked(lib):
            scratch = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", suffix=".part", dir=lib))
            try:
                record = Record()
                for jar in (one for path in jars for one in (path, path.with_name(f"{path.name}.sha256"))):
                    if not jar.is_file():
                        continue
                    name = jar.relative_to(base).as_posix()
                    copy = scratch / name
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(jar, copy)
                    record.files[name] = digest(copy.read_bytes())
                record.write(scratch)
                for folder, _, _ in os.walk(scratch):
                    Path(folder).chmod(0o755)
                scratch.rename(target)
                _archive_classes(target, record)
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise
    return target


def _archive_classes(target: Path, record: Record) -> None:
    """Have Java's archive of ImageJ's classes beside the jars where one can be made; jobs start faster with it."""
    from ij_omero.imagej import make_class_archive

    archive = make_class_archive(target)
    if archive is None:
        return
    record.files[archive.relative_to(target).as_posix()] = digest(archive.read_bytes())
    record.write(target)


def remove_imagej(omerodir: Path | str, *, dry_run: bool = False) -> Path | None:
    """Take out the ImageJ that `install_imagej` put in; None where there is none of its making."""
    lib = scripts_folder(omerodir).parent
    target = lib / FOLDER
    record = Record.read(target)
    if record is None or dry_run:
        return target if record else None
    with refusals("cannot remove", target, "remove again"), locked(lib):
        for name in record.files:
            (target / name).unlink(missing_ok=True)
        (target / ".ij_omero.json").unlink()
        for folder, _, _ in sorted(os.walk(target), reverse=True):
            # what somebody else put there stays, with its folder
            if not any(Path(folder).iterdir()):
                Path(folder).rmdir()
    return target
