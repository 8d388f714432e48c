"""The folder of a local store: its lock, the ids it gives out, and what dead writers left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ij_omero.errors import ImageNotFoundError, StorageError

from ._disk_errors import storage_error
from ._zarr_layouts import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.model import ImageId

logger = logging.getLogger(__name__)

MARKER = ".ij_omero_store.json"
"""Marks a folder as a store and remembers the last id that was given out, so that no id is ever given twice."""

_LOCK = ".ij_omero_store.lock"
_WRITING = re.compile(r"\.writing-.+")
_OWN = re.compile(r"([1-9]\d{0,17})(?:\.ome)?\.zarr")


class StoreFolder:
    """A folder of images, shared by any number of processes.

    An image that is being written lies in ``.writing-<id>``, whose lock file its writer holds; it is renamed when it is
    finished. The lock goes with the process, so what is not locked was left by a dead one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.Lock()

    @property
    def is_store(self) -> bool:
        """Whether the folder is marked as a store, or holds images of other programs."""
        return (self.path / MARKER).is_file() or any(True for _ in self.image_folders())

    def make(self) -> None:
        """Make the folder a store."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise StorageError(f"{self.path} is a file; an image store is a folder") from None
        except OSError as error:
            raise storage_error(error, f"cannot make the image store {self.path}") from error
        with self.locked():
            if not (self.path / MARKER).exists():
                self._remember(0)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock against other threads and processes."""
        with self._thread_lock, contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context((self.path / _LOCK).open("wb"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                raise storage_error(error, f"cannot write into the image store {self.path}") from error
            yield

    def image_folders(self) -> Iterator[tuple[ImageId, Path]]:
        """Yield the ids and folders of what may be images, numbers first."""
        try:
            # Within a Zarr hierarchy of another program (a series, a well) every folder may be an image
            within = any(part.endswith(".zarr") for part in self.path.parts)
            names = [
                entry.name
                for entry in self.path.iterdir()
                if (within or entry.name.endswith(".zarr")) and entry.is_dir()
            ]
        except OSError as error:
            raise storage_error(error, f"cannot read the image store {self.path}") from error
        own, foreign = {}, []
        for name in sorted(names, reverse=True):
            match = _OWN.fullmatch(name)
            if match:
                own[int(match.group(1))] = name  # "3.ome.zarr" comes after "3.zarr" and wins
            elif not name.startswith("."):
                foreign.append(name)
        for image_id in sorted(own):
            yield image_id, self.path / own[image_id]
        for name in reversed(foreign):
            yield name, self.path / name

    def image_folder(self, image_id: ImageId) -> Path:
        """Return the folder of an image, or raise ImageNotFoundError."""
        if isinstance(image_id, str):
            candidates = [image_id] if image_id == Path(image_id).name and not image_id.startswith(".") else []
        else:
            candidates = [f"{image_id}.ome.zarr", f"{image_id}.zarr"]
        for name in candidates:
            if (self.path / name).is_dir():
                return self.path / name
        raise ImageNotFoundError(f"no image {image_id!r} in {self.path}; list_images() tells which there are")

    def begin(self) -> Writing:
        """Give out the next id and a folder to write its image in."""
        with self.locked():
            self._remove_leftovers()
            present = [image_id for image_id, _ in self.image_folders() if isinstance(image_id, int)]
            image_id = max([self._last(), *present]) + 1
            self._remember(image_id)
            return Writing(self, image_id)

    def remove_leftovers(self) -> None:
        """Remove what dead writers left, where the store may be written at all."""
        try:
            found = any(_WRITING.fullmatch(entry.name) for entry in self.path.iterdir())
        except OSError:
            return
        if found and os.access(self.path, os.W_OK):
            with self.locked():
                self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        for entry in list(self.path.iterdir()):
            if not _WRITING.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError), (entry / ".lock").open("ab") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
            logger.warning("removing %s: its writer died before the image was finished", entry)
            shutil.rmtree(entry, ignore_errors=True)

    def _last(self) -> int:
        marker = read_json(self.path / MARKER) or {}
        last = marker.get("last_id", 0)
        return last if isinstance(last, int) else 0

    def _remember(self, last_id: int) -> None:
        write_atomically(self.path / MARKER, json.dumps({"format": 1, "last_id": last_id}))


class WritingFolder(Protocol):
    """A folder in which one image is being written."""

    image_id: int
    path: Path

    def finish(self) -> None:
        """Make the image visible."""

    def abandon(self) -> None:
        """Remove the folder."""


class Writing:
    """A folder in which one image is being written, made under the store's lock.

    One that is neither finished nor abandoned is removed when nobody holds it any more.
    """

    def __init__(self, store: StoreFolder, image_id: int) -> None:
        self.image_id = image_id
        self._store = store
        self.path = store.path / f".writing-{image_id}"
        try:
            self.path.mkdir()
            lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._discard = weakref.finalize(self, _discard, self.path, lock, os.getpid())
            self._lock = lock
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise storage_error(error, f"cannot write an image into {store.path}") from error

    def finish(self) -> None:
        """Make the image visible."""
        with self._store.locked():
            (self.path / ".lock").unlink()
            self.path.rename(self._store.path / f"{self.image_id}.ome.zarr")
        self._discard.detach()
        os.close(self._lock)

    def abandon(self) -> None:
        """Remove the folder."""
        self._discard()


def _discard(path: Path, lock: int, process: int) -> None:
    if process == os.getpid():  # a forked child has the folder of its parent in memory
        shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by one that is wholly written."""
    part = path.with_name(f"{path.name}.part-{os.getpid()}-{threading.get_ident()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise storage_error(error, f"cannot write {path}") from error
