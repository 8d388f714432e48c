"""What the server itself keeps: uploaded files, pixels that are not finished, digests, statistics, thumbnails.

It is a folder with an SQLite database, ``Files/`` by their SHA1, and ``Pixels/`` of unfinished pixels: raw, little
endian, x fastest, then y, z, c and t. Several processes may work on it at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import DiskFullError, NotFoundError, StorageError
from ij_omero.model import ImageDescription, PixelType

from ._pending import PendingPixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from ij_omero.model import ImageId

FIRST_PENDING = 1 << 62
CHUNK = 4 << 20
_TABLES = """
create table if not exists pixels (
    id integer primary key autoincrement, sizes text not null, type text not null, image text, described text
);
create table if not exists digests (image text primary key, sha1 text not null);
create index if not exists images_by_sha1 on digests (sha1);
create table if not exists files (id integer primary key autoincrement, name text, length integer, sha1 text);
create index if not exists files_by_sha1 on files (sha1);
create table if not exists converted (file integer, pixels text, primary key (file, pixels));
create table if not exists facts (image text, what text, value text, primary key (image, what));
"""


class FileInfo(NamedTuple):
    """What is known of an uploaded file."""

    file_id: int
    name: str
    length: int
    sha1: str
    original: int | None
    aliases: list[int]
    pixels: list[str]
    path: Path


class Repository:
    """The folder of an OMEIS server; safe from any thread and process.

    Parameters
    ----------
    folder
        Made where it is not there.

    Raises
    ------
    StorageError
        The folder cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            for name in ("Files", "Pixels"):
                (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._open() as database:
                database.executescript(f"pragma journal_mode=wal; {_TABLES}")
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"cannot keep an OMEIS repository in {folder}: {error}") from error

    # --- pixels that are being written

    def new_pixels(self, description: ImageDescription) -> int:
        """Make room for pixels and return their id.

        Raises
        ------
        DiskFullError
            There is no room for them.
        """
        sizes = json.dumps(description.sizes)
        with self._change() as database:
            row = database.execute(
                "insert into pixels (sizes, type) values (?, ?)", (sizes, description.pixel_type.value)
            ).lastrowid
            PendingPixels.reserve(self._pixels_path(row or 0), description)
        return FIRST_PENDING + (row or 0)

    def pending(self, pixels_id: int) -> PendingPixels:
        """Return pixels that are being written; NotFoundError where there are none of this id."""
        row = self._one("select sizes, type, image from pixels where id = ?", pixels_id - FIRST_PENDING)
        if row is None or row[2] is not None:
            raise NotFoundError(f"there are no unfinished pixels {pixels_id}")
        x, y, z, c, t = json.loads(row[0])
        description = ImageDescription(
            f"Pixels {pixels_id}", PixelType(row[1]), size_x=x, size_y=y, size_z=z, size_c=c, size_t=t
        )
        return PendingPixels(self._pixels_path(pixels_id - FIRST_PENDING), description)

    def describe_pending(self, pixels_id: int, document: str) -> None:
        """Keep what is said of pixels that are being written."""
        with self._change() as database:
            database.execute("update pixels set described = ? where id = ?", (document, pixels_id - FIRST_PENDING))

    def described(self, pixels_id: int) -> Any:
        """Return what was said of pixels that are being written; None where nothing was."""
        row = self._one("select described from pixels where id = ?", pixels_id - FIRST_PENDING)
        return None if row is None or row[0] is None else json.loads(row[0])

    def image_of(self, pixels_id: int) -> str | None:
        """Return the image that pixels became; None while they are being written.

        Raises
        ------
        NotFoundError
            There are no such pixels.
        """
        if pixels_id < FIRST_PENDING:
            return str(pixels_id)
        row = self._one("select image from pixels where id = ?", pixels_id - FIRST_PENDING)
        if row is None:
            raise NotFoundError(f"there are no pixels {pixels_id}")
        return None if row[0] is None else str(row[0])

    def finished(self, pixels_id: int, image: ImageId, sha1: str) -> None:
        """Note which image pixels became, and let go of what was written."""
        with self._change() as database:
            database.execute("insert or replace into digests values (?, ?)", (str(image), sha1))
            database.execute("update pixels set image = ? where id = ?", (str(image), pixels_id - FIRST_PENDING))
            database.execute("update or ignore converted set pixels = ? where pixels = ?", (str(image), str(pixels_id)))
        self._pixels_path(pixels_id - FIRST_PENDING).unlink(missing_ok=True)

    def drop_pending(self, pixels_id: int) -> None:
        """Delete pixels that are being written."""
        with self._change() as database:
            database.execute("delete from pixels where id = ?", (pixels_id - FIRST_PENDING,))
            database.execute("delete from converted where pixels = ?", (str(pixels_id),))
        self._pixels_path(pixels_id - FIRST_PENDING).unlink(missing_ok=True)

    def forget_image(self, image: ImageId) -> None:
        """Forget what was kept of an image that is deleted."""
        with self._change() as database:
            for table in ("digests", "facts"):
                database.execute(f"delete from {table} where image = ?", (str(image),))  # noqa: S608  our own names
            database.execute("delete from converted where pixels = ?", (str(image),))
            database.execute("delete from pixels where image = ?", (str(image),))

    # --- what is known of images

    def sha1_of(self, image: ImageId) -> str | None:
        """Return the digest of an image's pixels where it is known."""
        row = self._one("select sha1 from digests where image = ?", str(image))
        return None if row is None else str(row[0])

    def note_sha1(self, image: ImageId, sha1: str) -> None:
        """Keep an image's digest."""
        with self._change() as database:
            database.execute("insert or replace into digests values (?, ?)", (str(image), sha1))

    def images_with(self, sha1: str) -> list[str]:
        """Return the images whose pixels have this digest, the first one first."""
        with contextlib.closing(self._open()) as database:
            rows = database.execute("select image from digests where sha1 = ? order by rowid", (sha1.lower(),))
            return [str(row[0]) for row in rows]

    def fact(self, image: ImageId, what: str) -> Any:
        """Return something that was kept of an image; None where nothing was."""
        row = self._one("select value from facts where image = ? and what = ?", str(image), what)
        return None if row is None else json.loads(row[0])

    def keep_fact(self, image: ImageId, what: str, value: Any) -> None:
        """Keep something of an image."""
        with self._change() as database:
            database.execute("insert or replace into facts values (?, ?, ?)", (str(image), what, json.dumps(value)))

    # --- files

    def add_file(self, name: str, content: BinaryIO, length: int | None = None) -> int:
        """Keep a file, and return its id; what is there already is not kept twice.

        Parameters
        ----------
        length
            The bytes that there must be; None takes what comes.

        Raises
        ------
        StorageError
            Another number of bytes came.
        DiskFullError
            There is no room for it.
        """
        digest = hashlib.sha1(usedforsecurity=False)
        folder = self.folder / "Files"
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-", delete=False) as file:
                path = Path(file.name)
                taken = 0
                while chunk := content.read(CHUNK if length is None else min(CHUNK, length - taken)):
                    digest.update(chunk)
                    file.write(chunk)
                    taken += len(chunk)
                file.flush()
                os.fsync(file.fileno())
            if length is not None and taken != length:
                raise StorageError(f"Wrote {taken}, expected {length}")
            with self._change() as database:
                kept = self._file_path(digest.hexdigest())
                kept.parent.mkdir(exist_ok=True, mode=0o700)
                path.replace(kept)
                row = database.execute(
                    "insert into files (name, length, sha1) values (?, ?, ?)", (name, taken, digest.hexdigest())
                ).lastrowid
        except OSError as error:
            raise _full(error) from error
        finally:
            path.unlink(missing_ok=True)
        return row or 0

    def file(self, file_id: int) -> FileInfo:
        """Return what is known of a file; NotFoundError where there is none."""
        row = self._one("select name, length, sha1 from files where id = ?", file_id)
        if row is None:
            raise NotFoundError(f"there is no file {file_id}")
        name, length, sha1 = row
        with contextlib.closing(self._open()) as database:
            same = [row[0] for row in database.execute("select id from files where sha1 = ? order by id", (sha1,))]
            pixels = database.execute("select pixels from converted where file = ? order by rowid", (file_id,))
            return FileInfo(
                file_id,
                name,
                length,
                sha1,
                original=None if same[0] == file_id else same[0],
                aliases=same[1:] if same[0] == file_id else [],
                pixels=[row[0] for row in pixels],
                path=self._file_path(sha1),
            )

    def drop_file(self, file_id: int) -> None:
        """Delete a file; its content stays while another one has the same."""
        found = self.file(file_id)
        with self._change() as database:
            database.execute("delete from files where id = ?", (file_id,))
            database.execute("delete from converted where file = ?", (file_id,))
            if database.execute("select 1 from files where sha1 = ?", (found.sha1,)).fetchone() is None:
                found.path.unlink(missing_ok=True)

    def note_conversion(self, file_id: int, pixels_id: int) -> None:
        """Keep that pixels were made from a file."""
        with self._change() as database:
            database.execute("insert or ignore into converted values (?, ?)", (file_id, str(pixels_id)))

    # --- the database

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "omeis.sqlite", timeout=60, isolation_level=None)

    def _one(self, question: str, *values: object) -> tuple[Any, ...] | None:
        with contextlib.closing(self._open()) as database:
            try:
                row: tuple[Any, ...] | None = database.execute(question, values).fetchone()
            except OverflowError:  # a number of more than 63 bits: nothing has it as its id
                return None
            return row

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Change the database, whole or not at all, on disk when it returns."""
        with contextlib.closing(self._open()) as database:
            database.execute("pragma synchronous=full")
            database.execute("begin immediate")
            try:
                yield database
                database.execute("commit")
            except BaseException:
                database.execute("rollback")
                raise

    def _pixels_path(self, row: int) -> Path:
        return self.folder / "Pixels" / str(row)

    def _file_path(self, sha1: str) -> Path:
        return self.folder / "Files" / sha1[:2] / sha1


def sha1_of_chunks(chunks: Iterable[bytes | memoryview]) -> str:
    """Return the SHA1 of bytes that come in pieces, in hexadecimal."""
    digest = hashlib.sha1(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _full(error: OSError) -> StorageError:
    if isinstance(error, StorageError):
        return error
    if error.errno in (28, 122, 27):  # ENOSPC, EDQUOT, EFBIG
        return DiskFullError(f"no room is left in the repository: {error.strerror}")
    return StorageError(f"the repository cannot be written: {error}")
