"""Which commit of an LMDB file was the last that somebody was told of, noted beside it.

Of LMDB's two first pages the later one counts, by a number in each. One flipped bit there can make the number of the
later page less than that of the earlier one, and the file as a whole is what it was a commit before: nothing in it
tells. (Where the earlier page's number became too large, the number that is stored with the cells tells.) A note of
another start of the machine tells nothing, since a loss of power takes back commits as well.
"""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING

from ._power import boot_id

if TYPE_CHECKING:
    from pathlib import Path

_NOTE = struct.Struct("<40sQ")  # the machine's start, the commit


class LastCommit:
    """The note beside a file. It is a check, not part of the data: what cannot be noted is not."""

    def __init__(self, file: Path) -> None:
        self._boot = boot_id().encode("ascii")
        self._handle = -1
        with contextlib.suppress(OSError):
            self._handle = os.open(_note_of(file), os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)

    def note(self, commit: int) -> None:
        """Note the number of a commit that was just made."""
        with contextlib.suppress(OSError):
            os.pwrite(self._handle, _NOTE.pack(self._boot, commit), 0)

    def close(self) -> None:
        """Close the note; twice is allowed."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def last_commit(file: Path) -> int:
    """Return the number of the last commit that was noted since the machine started; 0 where none was."""
    try:
        content = _note_of(file).read_bytes()
    except OSError:
        return 0
    if len(content) != _NOTE.size:
        return 0
    boot, commit = _NOTE.unpack(content)
    return int(commit) if boot.rstrip(b"\0").decode("ascii", "replace") == boot_id() else 0


def _note_of(file: Path) -> Path:
    return file.with_name(file.name + ".last")
