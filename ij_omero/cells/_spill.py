"""Edited cells on disk: an LMDB file, each cell with a header that tells whether it is whole."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import mmap
import os
import shutil
import struct
import threading
from typing import TYPE_CHECKING, Any

import lmdb
import numpy as np

from ij_omero.errors import CorruptedDataError, DiskFullError, StorageError

from ._digest import digest_of
from ._folder import storage_error
from ._last_commit import LastCommit, last_commit
from ._power import forget_roots, keep_roots, restore_roots
from ._tree import DamagedTreeError, check_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from ._folder import EditFolder

_log = logging.getLogger(__name__)
_MAGIC, _VERSION = b"IJOC", 1
_HEADER = struct.Struct("<4sHxxQQQ")  # magic, version, cell, bytes, digest
_KEY = struct.Struct(">QB")  # cell, 0 for its header or 1 for its pixels
_COUNT = b"count"
_STATE = struct.Struct(">QQ")  # cells, the commit
_FULL = 1 << 20  # a disk with fewer bytes free counts as full
_LARGEST_MAP = 1 << 43  # address space, not memory or disk
_LOOKED_AT = 4 << 20  # bytes of values that may count as this process's memory


class CellSpill:
    """Edited cells of one image on disk.

    A cell that `put` returned for is committed: the system has it even if this process is killed in the next moment,
    and a process killed within `put` leaves all of that call or nothing. `sync` carries what is committed to the disk
    itself.

    Parameters
    ----------
    folder
        Owned by this spill from now on.
    limit
        Bytes on disk that it may take; None is as much as there is.
    """

    def __init__(self, folder: EditFolder, *, limit: int | None = None) -> None:
        self.folder = folder
        self._limit = limit
        self._writing = threading.Lock()
        self._readers = 0
        self._counting = threading.Lock()
        self._idle = threading.Condition(self._counting)
        self._closed = False
        self._flushed: Any = None
        self._stale = False
        try:
            if restore_roots(folder.cells):
                _log.warning("the machine went down: %s is as it was last flushed", folder.cells)
            with contextlib.suppress(FileNotFoundError):
                check_tree(folder.cells, last_commit(folder.cells))
        except OSError as error:
            raise storage_error(error, folder.path) from error
        except DamagedTreeError as error:
            raise self._unreadable(str(error)) from error
        self._env = self._open()
        self._last = LastCommit(folder.cells)
        self.digests: dict[int, int] = {}
        """The digest of every cell that is held."""
        self._places: dict[int, int] = {}
        with contextlib.ExitStack() as opened:
            opened.callback(self._env.close)
            opened.callback(self._last.close)
            try:
                self._values = _ValueReader(folder.cells)
                opened.callback(self._values.close)
                self._read_digests()
                self._values.give_back()
            except OSError as error:
                raise error if isinstance(error, StorageError) else storage_error(error, folder.path) from error
            opened.pop_all()

    def put(self, cells: Iterable[tuple[int, npt.NDArray[Any], int]]) -> None:
        """Store cells, all or none of them.

        Parameters
        ----------
        cells
            (number, contiguous pixels, `digest_of` them).

        Raises
        ------
        DiskFullError, StorageError
            Nothing was stored.
        """
        cells = list(cells)

        def write(transaction: Any) -> None:
            for index, pixels, digest in cells:
                header = _HEADER.pack(_MAGIC, _VERSION, index, pixels.nbytes, digest)
                transaction.put(_KEY.pack(index, 0), header)
                transaction.put(_KEY.pack(index, 1), pixels.reshape(-1).view(np.uint8).data)

        self._write(write, {index: digest for index, _, digest in cells})

    def get(self, index: int, out: npt.NDArray[Any]) -> int:
        """Read a cell into a contiguous array and return its digest.

        Raises
        ------
        CorruptedDataError
            The cell is not what was stored; `out` must not be used.
        """
        if (known := self.digests.get(index)) is not None and self._is_at_its_place(index, known, out):
            return known
        self._begin_reading()
        try:
            with self._guard(), self._env.begin(buffers=True) as transaction:
                header = transaction.get(_KEY.pack(index, 0))
                nbytes, digest = self._check_header(index, header)
                value = transaction.get(_KEY.pack(index, 1))
                if value is None or len(value) != nbytes or nbytes != out.nbytes:
                    raise self._damaged(index)
                try:
                    whole, place = self._values.read(value, out)
                except OSError as error:
                    raise storage_error(error, self.folder.path) from error
        finally:
            self._end_reading()
        if not whole or digest_of(out, index) != digest:
            raise self._damaged(index)
        if place is not None:
            self._places[index] = place
        return digest

    def _is_at_its_place(self, index: int, digest: int, out: npt.NDArray[Any]) -> bool:
        """Read a cell from where it was last time; False unless that is what is held of it.

        Without LMDB, which may have given the place to something else meanwhile: the digest tells. To find a value
        takes it as long as reading one, since its Python side touches every page.
        """
        place = self._places.get(index)
        if place is None:
            return False
        try:
            return self._values.read_at(place, out) and digest_of(out, index) == digest
        except OSError:  # the way by LMDB meets it again and tells
            return False

    def remove(self, cells: Iterable[int]) -> None:
        """Forget cells; a number that is not held is allowed."""
        cells = list(cells)

        def write(transaction: Any) -> None:
            for index in cells:
                transaction.delete(_KEY.pack(index, 0))
                transaction.delete(_KEY.pack(index, 1))

        self._write(write, dict.fromkeys(cells))

    def sync(self) -> None:
        """Return when all that is committed would survive a loss of power."""
        with self._writing, self._guard():
            self._check_open()
            if self._stale:
                self._reopen()
            self._sync()

    def close(self, *, delete: bool = False) -> None:
        """Close the file; twice is allowed. With `delete` nothing of the folder is left."""
        with self._writing, self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._readers)
            if not delete and self.folder.is_open and not self._stale:
                try:
                    self._env.sync(True)
                    forget_roots(self.folder.cells)
                except (lmdb.Error, OSError) as error:
                    # whoever wants to know called `sync`; the copy of what was flushed then stays in force
                    _log.warning("%s was closed without carrying it to the disk: %s", self.folder.cells, error)
            self._env.close()
            self._values.close()
            self._last.close()
            self.folder.close(delete=delete)

    def _sync(self) -> None:
        try:
            self._env.sync(True)
            keep_roots(self.folder.cells, int(self._env.stat()["psize"]))
        except OSError as error:
            raise storage_error(error, self.folder.path) from error
        before, self._flushed = self._flushed, self._env.begin()
        if before is not None:
            before.abort()

    def _reopen(self) -> None:
        """Open the file again after a commit that failed half-way; it is still at the commit before."""
        _log.warning("reopening %s after a failed write", self.folder.cells)
        with self._idle:
            self._idle.wait_for(lambda: not self._readers)
            self._stale = True
            self._values.close()
            self._env.close()
            self._env = self._open()
            try:
                self._values = _ValueReader(self.folder.cells)
            except OSError as error:
                raise storage_error(error, self.folder.path) from error
            if self._flushed is not None:
                # the reader that kept the flushed state from being overwritten went with the old map
                self._flushed = None
                self._sync()
            self._stale = False

    def _open(self) -> Any:
        size = self._limit or _LARGEST_MAP
        while True:
            try:
                # sync=False: a commit writes through to the system but does not wait for the disk, see `sync`
                return lmdb.open(
                    os.fspath(self.folder.cells),
                    subdir=False,
                    map_size=size,
                    mode=0o600,
                    sync=False,
                    metasync=False,
                    readahead=False,
                    max_readers=1024,
                    max_spare_txns=8,
                )
            except lmdb.Error as error:
                if self._limit is None and size > 1 << 32 and "allocate memory" in str(error).lower():
                    size >>= 1  # the address space is limited (ulimit -v)
                    continue
                raise self._storage_error(error) from error

    def _read_digests(self) -> None:
        """Learn which cells there are; a damaged one counts, so that reading it tells, and not the source's pixels."""
        with self._guard(), self._env.begin(buffers=True) as transaction, transaction.cursor() as cursor:
            for key, value in cursor:
                if len(key) != _KEY.size:
                    continue
                index, part = _KEY.unpack(key)
                if index < len(self.folder.info.grid):
                    self.digests.setdefault(index, 0)
                    if part == 0 and len(value) == _HEADER.size:
                        self.digests[index] = _HEADER.unpack(value)[-1]
            state = transaction.get(_COUNT)
            known, commit = _STATE.unpack(state) if state is not None and len(state) == _STATE.size else (0, None)
            if commit not in (None, transaction.id()):
                raise self._unreadable("it leads to other edits than the last ones")
        if known > len(self.digests):
            _log.error(
                "%s is damaged: %d of %d edited cells cannot be found any more and show the original pixels",
                self.folder.cells,
                known - len(self.digests),
                known,
            )

    def _write(self, work: Callable[[Any], None], digests: dict[int, int] | dict[int, None]) -> None:
        with self._writing, self._guard():
            self._check_open()
            if self._stale:
                self._reopen()
            try:
                commit = self._commit(work, digests)
            except lmdb.PanicError:
                self._reopen()
                commit = self._commit(work, digests)
            self._last.note(commit)
            self._values.give_back()
            for index, digest in digests.items():
                self._places.pop(index, None)
                if digest is None:
                    self.digests.pop(index, None)
                else:
                    self.digests[index] = digest

    def _commit(self, work: Callable[[Any], None], digests: dict[int, int] | dict[int, None]) -> int:
        """Make a commit, with the number of cells there are then, and return its own number."""
        held = self.digests.keys()
        count = len(held) + sum((digest is not None) - (index in held) for index, digest in digests.items())
        with self._env.begin(write=True) as transaction:
            work(transaction)
            commit = int(transaction.id())
            transaction.put(_COUNT, _STATE.pack(count, commit))
        return commit

    def _begin_reading(self) -> None:
        """Keep the map in place until `_end_reading`; what LMDB hands out points into it."""
        while True:
            with self._counting:
                if not self._closed and not self._stale:
                    self._readers += 1
                    return
                self._check_open()
            with self._writing, self._guard():
                self._check_open()
                if self._stale:
                    self._reopen()

    def _end_reading(self) -> None:
        with self._counting:
            self._readers -= 1
            if not self._readers:
                self._idle.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(f"the edits in {self.folder.path} are closed; open the image again")

    def _guard(self) -> _Translate:
        return _Translate(self)

    def _check_header(self, index: int, header: Any) -> tuple[int, int]:
        """Return how many bytes of pixels there are, and their digest."""
        if header is None or len(header) != _HEADER.size:
            raise self._damaged(index)
        magic, version, own, nbytes, digest = _HEADER.unpack(header)
        if magic != _MAGIC or own != index:
            raise self._damaged(index)
        if version != _VERSION:
            raise CorruptedDataError(
                f"edited cell {index} in {self.folder.path} has format {version}, this version reads {_VERSION}: "
                "open it with the version of ij-omero that wrote it"
            )
        return nbytes, digest

    def _damaged(self, index: int) -> CorruptedDataError:
        plane, region = self.folder.info.grid.locate(index) if 0 <= index < len(self.folder.info.grid) else ("?", "?")
        return CorruptedDataError(
            f"edited cell {index} (plane {tuple(plane)}, region {tuple(region)}) in {self.folder.cells} is damaged: "
            "its checksum does not fit; revert this region to go back to the original pixels"
        )

    def _unreadable(self, why: str) -> CorruptedDataError:
        return CorruptedDataError(
            f"{self.folder.cells} is damaged ({why}); `ij-omero edits discard {self.folder.info.edit_id}` "
            "removes these edits"
        )

    def _storage_error(self, error: Exception) -> StorageError:
        text = str(error)
        code = next((c for c in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES) if os.strerror(c) in text), 0)
        with contextlib.suppress(OSError):
            # LMDB calls a write that ended early an I/O error; on a full disk, that is how they end
            if code == errno.EIO and shutil.disk_usage(self.folder.path).free < _FULL:
                code = errno.ENOSPC
        if isinstance(error, lmdb.MapFullError):
            return DiskFullError(
                f"the edits in {self.folder.path} reached their limit of {self._limit} bytes; edited pixels stay in "
                "memory: save the image, or open it with a higher limit"
            )
        if isinstance(
            error, (lmdb.CorruptedError, lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.PageNotFoundError)
        ):
            return self._unreadable(text)
        return storage_error(OSError(code, os.strerror(code) if code else text), self.folder.path)


class _Translate:
    """Turns LMDB's errors into this package's."""

    __slots__ = ("_spill",)

    def __init__(self, spill: CellSpill) -> None:
        self._spill = spill

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, lmdb.PanicError):
            self._spill._stale = True
        if isinstance(error, lmdb.Error):
            raise self._spill._storage_error(error) from error


class _ValueReader:
    """Reads values from the file, not through LMDB's map of it.

    Pages that are read through the map count as this process's memory, and an I/O error there ends the process. Only
    where the system does not tell where the map is, the map is used.
    """

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        stat = os.fstat(self._handle)
        self._start = self._size = self._looked_at = 0
        with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
            for line in maps:
                addresses, _, offset, device, inode, *_ = line.split()
                major, minor = (int(part, 16) for part in device.split(":"))
                if int(inode) == stat.st_ino and os.makedev(major, minor) == stat.st_dev and int(offset, 16) == 0:
                    self._start, end = (int(address, 16) for address in addresses.split("-"))
                    self._size = end - self._start
        if self._start:
            self._advise = ctypes.CDLL(None).madvise
            self._advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def read(self, value: Any, out: npt.NDArray[Any]) -> tuple[bool, int | None]:
        """Read a value that lies in the map into a contiguous array.

        Returns False where the file ends before the value does, and where in the file it is, where that is known.
        """
        mapped = np.frombuffer(value, np.uint8)
        if not self._start:
            out.reshape(-1).view(np.uint8)[:] = mapped
            return True, None
        # not `mapped.ctypes.data`, which takes ten times as long
        place: int = mapped.__array_interface__["data"][0] - self._start
        whole = self.read_at(place, out)
        self._looked_at += mapped.nbytes
        if self._looked_at > _LOOKED_AT:
            self.give_back()
        return whole, place

    def read_at(self, place: int, out: npt.NDArray[Any]) -> bool:
        """Read into a contiguous array; False where the file ends before it is full."""
        return os.preadv(self._handle, [out.data], place) == out.nbytes

    def give_back(self) -> None:
        """Let the map count as this process's memory no more: LMDB's Python side touches all of a value."""
        self._looked_at = 0
        if self._start:
            self._advise(self._start, self._size, mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Close the file; twice is allowed."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
