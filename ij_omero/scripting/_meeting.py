"""Where a job and a warm worker of the same user meet: a Unix socket in a folder that only this user can enter."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

from ij_omero import __version__
from ij_omero.errors import ScriptError

WARM_VARIABLE = "IJ_OMERO_WARM"
FOLDER_VARIABLE = "IJ_OMERO_WARM_FOLDER"
MEMORY_VARIABLE = "IJ_OMERO_WARM_MEMORY"
# Workers with another ImageJ, Java, cache or memory are other workers.
_TOLD_APART_BY = ("IJ_OMERO_CACHE", "IJ_OMERO_IMAGEJ", "IJ_OMERO_MAX_HEAP", "JAVA_HOME")
_LONGEST_LINE = 1 << 26
_CREDENTIALS = struct.Struct("3i")  # pid, uid and gid, as Linux' unix(7) has them


def idle_limit() -> float:
    """Return after how many seconds without a job a worker ends; 0 where no worker is wanted.

    Raises
    ------
    ScriptError
        ``$IJ_OMERO_WARM`` is no number.
    """
    text = os.environ.get(WARM_VARIABLE, "").strip()
    try:
        seconds = float(text or 0)
    except ValueError:
        raise ScriptError(
            f"{WARM_VARIABLE} is {text!r}; expected the seconds for which ImageJ waits for a next job, such as 600"
        ) from None
    return max(0.0, seconds)


def meeting_folder() -> Path:
    """Return the folder of this user's sockets, made where it is missing.

    Raises
    ------
    ScriptError
        The folder is somebody else's, or others may enter it: nothing there can be trusted.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"ij-omero-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, parents=bool(given), exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ScriptError(
            f"the folder for warm workers, {folder}, cannot be made ({error.strerror}); name another: {FOLDER_VARIABLE}"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ScriptError(
            f"{folder} is not a folder that only this user can enter; remove it, or name another: {FOLDER_VARIABLE}"
        )
    return folder


def socket_path() -> Path:
    """Return where the worker listens that has this version, Python, ImageJ and Java."""
    package = Path(__file__).parents[1] / "__init__.py"
    told = [__version__, sys.prefix, package.stat().st_mtime_ns, *(os.environ.get(name) for name in _TOLD_APART_BY)]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return meeting_folder() / f"{key}.sock"


def call(path: Path) -> socket.socket | None:
    """Connect to the worker at a socket; None where there is none, or it is not this user's."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    if not is_own(connection):
        connection.close()
        return None
    return connection


def is_own(connection: socket.socket) -> bool:
    """Tell whether the process at the other end runs as this user; where a system cannot tell, the folder does."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return bool(uid == os.geteuid())


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    """Send one message."""
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket, begun: bytes = b"") -> dict[str, Any] | None:
    """Return the next message; None where the other end has gone."""
    data = begun
    while not data.endswith(b"\n"):
        try:
            # no further than the line's end: the next message may be there already
            there = connection.recv(1 << 16, socket.MSG_PEEK)
            piece = connection.recv(there.find(b"\n") + 1 or len(there)) if there else b""
        except OSError:
            return None
        if not piece or len(data) > _LONGEST_LINE:
            return None
        data += piece
    message = json.loads(data)
    return message if isinstance(message, dict) else None
