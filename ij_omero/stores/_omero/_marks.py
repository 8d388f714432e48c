"""What this package writes on a server beside the user's own things: namespaces and the mark of unfinished images."""

from __future__ import annotations

import datetime
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

PROVENANCE = "ij_omero/provenance"
"""Namespace of the MapAnnotation that names the image a new one was made from, and what its pixels are."""

SOURCE = "source image"
"""Key of a provenance note: the id of the image on the same server, or the address of one elsewhere."""

PIXELS = "pixels"
"""Key of a provenance note that speaks of these pixels of an image and not of its first."""

PIXELS_TYPE = "type of pixels"
"""As "pixel type", in a note on further pixels; another key, since listings ask for that of the first."""

KEY_VALUES = "openmicroscopy.org/omero/client/mapAnnotation"
"""Namespace of key-value pairs that OMERO.web and OMERO.insight let the user edit."""

UNFINISHED = "ij_omero/unfinished "
"""How the description of an image begins that is still being written; the rest is JSON."""


@dataclass(frozen=True)
class UnfinishedImage:
    """An image that was begun and never finished.

    Parameters
    ----------
    image_id, name
        The image, and the name that it was to have.
    started
        When it was begun.
    host, process_id
        The machine and the process that began it.
    being_written
        True while that process is known to live, False when it is known to be gone, None when it runs elsewhere.
    """

    image_id: int
    name: str
    started: datetime.datetime
    host: str
    process_id: int
    being_written: bool | None


def unfinished_name(name: str) -> str:
    """Return the name that an image has until it is whole."""
    return f"[unfinished] {name}"


def unfinished_mark(name: str) -> str:
    """Return the description that an image has until it is whole."""
    now = datetime.datetime.now(datetime.timezone.utc)
    mark = {
        "name": name,
        "started": now.isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "process_started": _process_start(os.getpid()),
    }
    return UNFINISHED + json.dumps(mark)


def is_unfinished(description: str | None) -> bool:
    """Whether an image's description says that it is still being written."""
    return bool(description) and str(description).startswith(UNFINISHED)


def read_mark(image_id: int, description: str, active: set[int]) -> UnfinishedImage:
    """Return what a mark says; ``active`` are the images that this very process is writing."""
    try:
        mark = json.loads(description[len(UNFINISHED) :])
        started = datetime.datetime.fromisoformat(mark["started"])
        host, process = str(mark["host"]), int(mark["process"])
        name, process_start = str(mark["name"]), mark.get("process_started")
    except (ValueError, KeyError, TypeError):
        epoch = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
        return UnfinishedImage(image_id, "", epoch, "", 0, None)
    alive: bool | None = None
    if host == socket.gethostname():
        if process == os.getpid():
            alive = image_id in active
        else:
            now_start = _process_start(process)
            alive = now_start is not None and process_start in (None, now_start)
    return UnfinishedImage(image_id, name, started, host, process, alive)


def _process_start(process_id: int) -> str | None:
    """Return when a process began, in the kernel's ticks: a process id alone is used again; None if it is gone."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self").exists() or not _exists(process_id) else "?"
    return stat.rpartition(")")[2].split()[19]


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
