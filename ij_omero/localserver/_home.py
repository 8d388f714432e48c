"""The folder of one server: its layout, its state and its lock."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from ij_omero.errors import InvalidInputError
from ij_omero.provision import file_lock, make_folder, write_whole

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ij_omero.provision import Progress

HOME_VARIABLE = "IJ_OMERO_SERVER_HOME"
_STATE = "ij-omero-server.json"
_LOCK = ".lock"
_HALF_WAY = ".half-way"  # lies in a folder that is a server's and has no state file


def default_home() -> Path:
    """Tell where a server's home is when none is named: $IJ_OMERO_SERVER_HOME, else the user's data folder."""
    given = os.environ.get(HOME_VARIABLE)
    return Path(given) if given else platformdirs.user_data_path("ij-omero") / "server"


class Home:
    """The folder of one server.

    Parameters
    ----------
    folder
        It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        # resolved, because processes are told from others by this name
        self.folder = folder.expanduser().resolve()
        self.etc, self.log, self.data = (self.folder / name for name in ("etc", "log", "data"))
        self.tmp, self.omerodir = self.folder / "tmp", self.folder / "omerodir"
        self.web, self.registry = self.folder / "web", self.folder / "registry"
        self.userdir = self.folder / "userdir"
        self.processes = self.folder / "processes.json"
        self.archive = self.folder / "blitz.archive"  # of parsed classes, written when Blitz ends
        self._state = self.folder / _STATE

    def state(self) -> dict[str, Any]:
        """Read what is known of the server; empty where it was never started."""
        try:
            content: dict[str, Any] = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}
        return content

    def save(self, **changes: Any) -> None:
        """Change what is known of the server."""
        content = json.dumps({**self.state(), **changes}, indent=1)
        write_whole(self._state, content.encode(), mode=0o600)
        (self.folder / _HALF_WAY).unlink(missing_ok=True)

    def forget(self) -> None:
        """Make the folder one that no server is known of; it may then be deleted in any order."""
        (self.folder / _HALF_WAY).touch()
        self._state.unlink(missing_ok=True)

    def exists(self) -> bool:
        """Tell whether a server was ever started here."""
        return self._state.exists()

    def check(self) -> None:
        """Refuse a folder that holds something else."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInputError(f"{self.folder} is a file, but a server's home must be a folder: name another")
        # a wipe or a first start that was broken off leaves no state file, but the folders of a server
        known = {_LOCK, _STATE, self.processes.name}
        if self.folder.is_dir() and not self.exists():
            others = sorted({entry.name for entry in self.folder.iterdir()} - known)
            if others and not (self.folder / _HALF_WAY).exists():
                raise InvalidInputError(
                    f"{self.folder} is not empty and was not made by a local server ({', '.join(others[:3])} ...): "
                    "name another folder"
                )

    def make(self) -> None:
        """Create the folders."""
        below = ("etc", "lib/server", "lib/python", "lib/scripts", "lib/client", "var/log")
        # where it ends half-way, on a full disk for example, the folder is still known as a server's
        make_folder(self.folder)
        if not self.exists():
            (self.folder / _HALF_WAY).touch()
        folders = (self.etc, self.log, self.data, self.tmp, self.userdir, *(self.omerodir / name for name in below))
        for folder in folders:
            make_folder(folder)
        self.etc.chmod(0o700)

    def locked(self, progress: Progress) -> AbstractContextManager[None]:
        """Keep other launchers of this home waiting."""
        return file_lock(
            self.folder / _LOCK, lambda: progress(f"another process works on {self.folder}; waiting for it")
        )
