"""Checksums: of files whose content is known beforehand, and recorded ones of files that are made here."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from typing import TYPE_CHECKING

from ._folders import file_lock, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sha256_of(path: Path) -> str | None:
    """Hash a file; None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def is_whole_zip(path: Path) -> bool:
    """Tell whether a zip file, jar or wheel is there and all its checksums are right."""
    try:
        with zipfile.ZipFile(path) as entries:
            return entries.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error):
        return False


def recorded_file(path: Path, write: Callable[[Path], None]) -> Path:
    """Give a file of the cache that is made once, and again where it no longer is what it was.

    Its checksum is kept beside it in a file ending in ``.sha256``.

    Parameters
    ----------
    path
        Where it lies.
    write
        Writes it to the path that it is given.

    Raises
    ------
    StorageError
        It must be made and its folder cannot be written.
    """
    record = _record_of(path)
    if not is_recorded(path):
        with file_lock(path.with_name(f".{path.name}.lock")):
            if not is_recorded(path):
                record.unlink(missing_ok=True)
                write_whole(path, write)
                write_whole(record, (sha256_of(path) or "").encode())
    return path


def is_recorded(path: Path) -> bool:
    """Tell whether a file that `recorded_file` made is there and still what it was."""
    try:
        record = _record_of(path)
        return bool(expected := record.read_text().strip()) and sha256_of(path) == expected
    except OSError:
        return False


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
