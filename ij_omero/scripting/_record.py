"""What was installed into an OMERODIR: kept beside the scripts, so that removal removes exactly that."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import ScriptError

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD_NAME = ".ij_omero.json"  # the script repository passes over names that begin with a dot
_PART = ".part"


@dataclass
class Record:
    """The files and folders that belong to one namespace.

    Parameters
    ----------
    files
        Path below the namespace's folder -> sha256 of the content as it was written.
    modules
        Path below the namespace's folder -> the module's identifier.
    folders
        Folders below ``lib/scripts`` that did not exist before, parents first.
    sources
        Folder of macros and scripts -> path below it -> sha256 of the content that its OMERO script was made from.
    environment
        Environment variables that the scripts carry.
    """

    files: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Record | None:
        """Return the record of a namespace's folder, or None where this package installed nothing.

        Raises
        ------
        ScriptError
            There is a record and it cannot be read.
        """
        path = folder / RECORD_NAME
        try:
            content = json.loads(path.read_text("utf-8"))
            return cls(
                dict(content["files"]),
                dict(content["modules"]),
                [str(one) for one in content["folders"]],
                {folder: dict(files) for folder, files in content.get("sources", {}).items()},
                dict(content.get("environment", {})),
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ScriptError(
                f"the record of what was installed, {path}, cannot be read ({error}); "
                f"look at {folder}, delete it by hand if it holds only generated scripts, and install again"
            ) from error

    def write(self, folder: Path) -> None:
        """Put the record into the namespace's folder in one step."""
        data = json.dumps({"version": 1, **vars(self)}, indent=1, sort_keys=True).encode()
        write_part(folder / RECORD_NAME, data).replace(folder / RECORD_NAME)


def digest(content: bytes) -> str:
    """Return the sha256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def write_part(path: Path, content: bytes, mode: int = 0o644) -> Path:
    """Write a file's content beside it under a name that the script repository passes over, and return that."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_PART, dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        part.chmod(mode)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def sweep_parts(folder: Path) -> None:
    """Delete what an installation that was killed left under unfinished names."""
    for root, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(_PART):
                (Path(root) / name).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change what lies in a folder; leaves nothing behind in it."""
    try:
        import fcntl
    except ImportError:  # OMERO.server runs on no system without it
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
