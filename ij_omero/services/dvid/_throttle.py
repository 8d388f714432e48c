"""How many throttled requests a store's servers do at once, over all their processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST = 64


class Throttle:
    """Places that processes share: each is a lock on a file, which the system releases when a process is killed.

    Parameters
    ----------
    folder
        Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def place(self, most: int) -> Iterator[bool]:
        """Give whether one of so many places was free; it is taken for as long as the block lasts."""
        handle = next(filter(None, (self._take(number) for number in range(most))), None)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def _take(self, number: int) -> int | None:
        handle = os.open(self._folder / f"throttle-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle
