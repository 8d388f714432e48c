"""The ImageJ that a server's scripts use: one that is there already, or the embedded one in the OMERODIR.

A server's processor runs scripts as its own user, who cannot read an administrator's cache folder. So the jars are
copied to ``OMERODIR/lib/ImageJ.app``, complete, and are only read from there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError, ScriptError

from ._installing import refusals, scripts_folder
from ._record import Record, digest, locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Put the embedded ImageJ into an OMERODIR, unless an ImageJ is there; one of an older version is renewed.

    Returns
    -------
    Path or None
        The new folder, or the renewed one; None where an ImageJ was there already.

    Raises
    ------
    ScriptError
        No OMERODIR, or one that cannot be written; nothing is left behind then.
    SetupError
        A jar is missing and cannot be downloaded.
    """
    from ij_omero.imagej import embedded_class_path
    from ij_omero.provision import find_java

    lib = scripts_folder(omerodir).parent
    target = lib / FOLDER
    if (record := Record.read(target)) is not None:
        return _renew(target, record, dry_run=dry_run)
    if server_imagej(omerodir):
        return None
    if target.exists():
        raise ScriptError(f"Path already exists: {target}, and it holds no ImageJ; move it away and install again")
    if dry_run:
        return target
    with refusals("Could not create directory", target):
        files = _files(embedded_class_path(find_java()))
        with locked(lib):
            scratch = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", suffix=".part", dir=lib))
            try:
                record = Record()
                _copy(files, scratch, record)
                for folder, _, _ in os.walk(scratch):
                    Path(folder).chmod(0o755)
                scratch.rename(target)
                _archive_classes(target, record)
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise
    return target


def _files(jars: Sequence[Path]) -> dict[str, Path]:
    """Return what an ImageJ consists of: jars, and their checksums where they are kept beside them, by their names."""
    from ij_omero.provision import cache_dir

    beside = [one for path in jars for one in (path, path.with_name(f"{path.name}.sha256"))]
    return {one.relative_to(cache_dir()).as_posix(): one for one in beside if one.is_file()}


def _copy(files: Mapping[str, Path], target: Path, record: Record) -> None:
    for name, file in files.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        record.files[name] = digest(copy.read_bytes())
    record.write(target)


def _renew(target: Path, record: Record, *, dry_run: bool) -> Path | None:
    """Bring what an older version put there up to date: a job must not write there, and Java would start slower."""
    from ij_omero.imagej import embedded_class_path
    from ij_omero.provision import find_java

    files = _files(embedded_class_path(find_java()))
    missing = {name: file for name, file in files.items() if not (target / name).is_file()}
    if dry_run or not missing:
        return target if missing else None
    with refusals("Could not renew", target), locked(target.parent):
        stale = [name for name in record.files if name not in files]
        _copy(missing, target, record)
        for name in stale:
            (target / name).unlink(missing_ok=True)
            del record.files[name]
        record.write(target)
        _archive_classes(target, record)
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
