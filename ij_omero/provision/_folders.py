"""Cache folders: where they are, how files get into them whole, and what is said when they cannot be written.

Everything below the cache folder can be made again; it may be deleted at any time while nothing runs. A file under its
own name is complete: it was written under another name and renamed. A cache that holds all that is needed is never
written to, so it may be read-only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from ij_omero.errors import DiskFullError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CACHE_VARIABLE = "IJ_OMERO_CACHE"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def cache_dir(*parts: str) -> Path:
    """Tell the folder for what can be downloaded or built again.

    Parameters
    ----------
    *parts
        Names below it, e.g. ``cache_dir("jars")``.

    Returns
    -------
    Path
        ``$IJ_OMERO_CACHE`` where that is set, else the user's cache folder of the platform (``~/.cache/ij-omero`` on
        Linux). Absolute; it is not created.
    """
    given = os.environ.get(CACHE_VARIABLE)
    base = Path(given).expanduser() if given else platformdirs.user_cache_path("ij-omero")
    return base.absolute().joinpath(*parts)


def storage_error(error: OSError, folder: Path) -> StorageError:
    """Turn an operating system's refusal to write below `folder` into an error that says what to do."""
    reason = error.strerror or str(error)
    cached = folder.absolute().is_relative_to(cache_dir())
    another = f"set {CACHE_VARIABLE} to a folder" if cached else "name a folder"
    if error.errno in _FULL:
        return DiskFullError(
            f"no space is left for {folder} ({reason}): free some space, or {another} on another disk; nothing "
            "half-written was left under its final name"
        )
    return StorageError(f"cannot write to {folder} ({reason}): make it writable for this user, or {another} that is")


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Let a full disk or a read-only folder surface as :class:`StorageError`, other errors as they are."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, StorageError) and error.errno in _FULL | _REFUSED:
            raise storage_error(error, folder) from error
        raise


def make_folder(folder: Path) -> Path:
    """Create a folder and its parents, or raise a `StorageError` that says what to do."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    return folder


def write_whole(path: Path, write: bytes | Callable[[Path], None], mode: int = 0o644) -> Path:
    """Put a file under its name only once it is complete.

    Parameters
    ----------
    path
        The file; one that exists is replaced in one step.
    write
        The content, or a function that writes it to the path that it is given.
    mode
        Permission bits of the new file.

    Raises
    ------
    StorageError
        The folder cannot be written or the disk is full; what stood at `path` before is untouched.
    """
    make_folder(path.parent)
    with storage_errors(path.parent):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                if isinstance(write, bytes):
                    file.write(write)
            if not isinstance(write, bytes):
                write(part)
            part.chmod(mode)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return path


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a folder next to where its content will be moved; it is deleted at the end."""
    make_folder(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{prefix}.", suffix=".part", dir=parent))
    except OSError as error:
        raise storage_error(error, parent) from error
    try:
        with storage_errors(parent):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def file_lock(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system releases it when this process ends, however it ends.

    Parameters
    ----------
    path
        The lock file, made where missing. Its holder may delete the folder it lies in.
    waiting
        Called once where another process holds the lock, before waiting for it.
    """
    while True:
        make_folder(path.parent)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except FileNotFoundError:  # the folder went away between the two lines
            continue
        except OSError as error:
            raise storage_error(error, path.parent) from error
        try:
            if not _try_lock(handle):
                if waiting:
                    waiting()
                _wait_for_lock(handle)
            # a lock on a file that its last holder deleted protects nothing
            if os.fstat(handle).st_ino == path.stat().st_ino:
                break
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_for_lock(handle: int) -> None:
        while True:
            with contextlib.suppress(OSError):  # it gives up after ten tries of a second each
                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
                return

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_for_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
