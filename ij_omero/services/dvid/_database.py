"""One LMDB file that several processes read and write; what is committed is on disk."""

from __future__ import annotations

import errno
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import lmdb

from ij_omero.errors import AccessDeniedError, CorruptedDataError, DiskFullError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDRESS_SPACE = 1 << 42  # not memory, nor disk
READERS = 2048
LONGEST_KEY = 511

_open_files: weakref.WeakValueDictionary[str, _File] = weakref.WeakValueDictionary()
_opening = threading.Lock()


class _File:
    """LMDB allows one environment per file and process; it stays open while anybody holds it."""

    def __init__(self, folder: Path) -> None:
        self.environment = lmdb.open(
            str(folder), map_size=ADDRESS_SPACE, max_readers=READERS, mode=0o600, max_spare_txns=16
        )

    def __del__(self) -> None:
        if hasattr(self, "environment"):
            self.environment.close()


class Database:
    """A folder with an LMDB file.

    Parameters
    ----------
    folder
        Made where it is not there.

    Raises
    ------
    StorageError, AccessDeniedError, DiskFullError, CorruptedDataError
        The file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = str(folder.resolve())
            with _opening:
                self._file = _open_files.get(key) or _File(folder)
                _open_files[key] = self._file
            self._environment = self._file.environment
            self._environment.reader_check()  # places of processes that were killed
        except (OSError, lmdb.Error) as error:
            raise _told(error, folder) from error

    @property
    def state(self) -> int:
        """The number of the last commit of any process; readers see it a moment later."""
        return int(self._environment.info()["last_txnid"])

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Give a transaction that sees the store as it is now, whatever is written meanwhile."""
        transaction = self.begin()
        try:
            yield transaction
        except lmdb.Error as error:
            raise _told(error, self.folder) from error
        finally:
            transaction.abort()

    def begin(self) -> Any:
        """Return a reading transaction that the caller ends by ``abort()``; values are views of the file."""
        try:
            return self._environment.begin(buffers=True)
        except lmdb.Error as error:
            raise _told(error, self.folder) from error

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Give a transaction that is on disk once the block has ended, or has left nothing where it raised."""
        try:
            with self._environment.begin(write=True) as transaction:
                yield transaction
        except lmdb.Error as error:
            raise _told(error, self.folder) from error

    def close(self) -> None:
        """Let go of the file; the last one closes it."""
        del self._file


def _told(error: OSError | lmdb.Error, folder: Path) -> StorageError | AccessDeniedError:
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    text = str(error)
    if number in (errno.ENOSPC, errno.EDQUOT) or isinstance(error, lmdb.MapFullError) or "No space left" in text:
        return DiskFullError(f"no space is left for {folder}; nothing of the request was kept: free some space")
    if isinstance(error, (PermissionError, lmdb.ReadonlyError)) or number in (errno.EACCES, errno.EROFS):
        return AccessDeniedError(f"{folder} may not be written by this user; choose a folder that may")
    if isinstance(error, (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.VersionMismatchError)):
        return CorruptedDataError(f"{folder} is damaged or no store of this program: {text}")
    return StorageError(f"{folder} cannot be used: {text}")
