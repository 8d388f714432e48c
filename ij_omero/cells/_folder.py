"""The private folder of one image's edits: who owns it, and what they are edits of."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from ij_omero.errors import CacheLockedError, CorruptedDataError, DiskFullError, NotFoundError, StorageError

from ._grid import CellGrid

EDITS_VARIABLE = "IJ_OMERO_EDITS"
FORMAT = 1
_DESCRIPTION, _OWNER, CELLS = "edit.json", "owner.lock", "cells.mdb"


def edits_dir() -> Path:
    """Tell the folder below which edits are kept: ``$IJ_OMERO_EDITS``, else the user's state folder of the platform."""
    given = os.environ.get(EDITS_VARIABLE)
    base = Path(given).expanduser() if given else platformdirs.user_state_path("ij-omero") / "edits"
    return base.absolute()


def storage_error(error: OSError, folder: Path) -> StorageError:
    """Return an operating system's refusal as an error that says what to do."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"no space is left for edited pixels in {folder} ({reason}); they stay in memory: free some space and go "
            f"on, or set {EDITS_VARIABLE} to a folder on another disk before opening images"
        )
    return StorageError(
        f"edited pixels cannot be kept in {folder} ({reason}); they stay in memory: make the folder usable for this "
        f"user, or set {EDITS_VARIABLE} to another one before opening images"
    )


@dataclass(frozen=True)
class EditInfo:
    """What a folder of edits says of itself, without its pixels.

    Attributes
    ----------
    edit_id
        Its name, by which it is recovered or discarded.
    address
        The image's address; None where it had none.
    image_name
        The image's name.
    level
        The resolution level that was edited; 0 is full size.
    dtype
        The pixels' numpy type.
    grid
        The cells.
    created, modified
        Seconds since the epoch.
    nbytes
        What the edits take on disk.
    in_use
        Whether a process that runs has the image open.
    folder
        Where it lies.
    """

    edit_id: str
    address: str | None
    image_name: str
    level: int
    dtype: str
    grid: CellGrid
    created: float
    modified: float = 0.0
    nbytes: int = 0
    in_use: bool = False
    folder: Path = dataclasses.field(default_factory=Path)


class EditFolder:
    """A folder of edits that this process owns; nobody else opens it meanwhile.

    Raises
    ------
    CacheLockedError
        Another process, or another cache of this one, has it open.
    StorageError, DiskFullError
        The folder cannot be made or read.
    """

    def __init__(self, info: EditInfo) -> None:
        self.info = info
        self.path = info.folder
        self._lock = _take_lock(self.path)

    @classmethod
    def create(
        cls, root: Path, *, address: str | None, image_name: str, level: int, dtype: str, grid: CellGrid
    ) -> EditFolder:
        """Make a new folder below `root`, complete under its final name from the start."""
        edit_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        info = EditInfo(edit_id, address, image_name, level, dtype, grid, time.time(), folder=root / edit_id)
        part: Path | None = None
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".new-", dir=root))  # mode 0700
            (part / _DESCRIPTION).write_text(json.dumps(_to_json(info), indent=1), encoding="utf-8")
            part.rename(info.folder)
            part = info.folder
            return cls(info)
        except (OSError, StorageError) as error:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)
            raise error if isinstance(error, StorageError) else storage_error(error, root) from error

    @classmethod
    def open(cls, root: Path, edit_id: str) -> EditFolder:
        """Open a folder that an earlier session left."""
        return cls(read_info(root, edit_id))

    @property
    def cells(self) -> Path:
        """The file of cells."""
        return self.path / CELLS

    @property
    def is_open(self) -> bool:
        """Whether it is still owned."""
        return self._lock >= 0

    def close(self, *, delete: bool = False) -> None:
        """Give the folder up; twice is allowed."""
        if self._lock >= 0:
            if delete:
                shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def read_info(root: Path, edit_id: str) -> EditInfo:
    """Read what a folder of edits says of itself.

    Raises
    ------
    NotFoundError
        There is no such folder.
    CorruptedDataError
        Its description is damaged, or of a later version of this package.
    """
    folder = root / edit_id
    if not edit_id or Path(edit_id).name != edit_id or edit_id.startswith(".") or not folder.is_dir():
        raise NotFoundError(f"no edits {edit_id!r} in {root}; `ij-omero edits list` shows those there are")
    path = folder / _DESCRIPTION
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise CorruptedDataError(
                f"{path} has format {told['format']!r}, this version reads format {FORMAT}: open it with the version "
                "of ij-omero that wrote it, or discard the edits"
            )
        grid = CellGrid(**told.pop("grid"))
        del told["format"]
        info = EditInfo(grid=grid, folder=folder, **told)
    except CorruptedDataError:
        raise
    except OSError as error:
        raise storage_error(error, folder) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptedDataError(
            f"{path} is damaged ({error}); the edits cannot be opened, `ij-omero edits discard {edit_id}` removes them"
        ) from error
    try:
        stat = (folder / CELLS).stat()
        modified, nbytes = stat.st_mtime, stat.st_blocks * 512
    except FileNotFoundError:
        modified, nbytes = info.created, 0
    return dataclasses.replace(info, modified=modified, nbytes=nbytes, in_use=_is_locked(folder))


def _to_json(info: EditInfo) -> dict[str, Any]:
    names = ("edit_id", "address", "image_name", "level", "dtype", "created")
    return {"format": FORMAT, **{name: getattr(info, name) for name in names}, "grid": info.grid.to_json()}


def _is_locked(folder: Path) -> bool:
    try:
        os.close(_lock_file(folder))
    except CacheLockedError:
        return True
    return False


def _take_lock(folder: Path) -> int:
    handle = _lock_file(folder)
    # who owns it is told for convenience, and edits must be recoverable when the disk is full
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
    return handle


def _lock_file(folder: Path) -> int:
    try:
        handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        _lock_now(handle)
    except OSError as error:
        owner = os.pread(handle, 64, 0).decode("ascii", "replace").strip() if hasattr(os, "pread") else ""
        os.close(handle)
        raise CacheLockedError(
            f"the edits in {folder} are in use{' by process ' + owner if owner else ''}: close the image there first"
        ) from error
    return handle


# The system releases either lock when the process ends, however it ends, so a stale process id cannot mislead.
if sys.platform == "win32":
    import msvcrt

    def _lock_now(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_now(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
