"""``python -m ij_omero.provision [--source FOLDER] GROUP ...``: what scripts/setup runs in its environment."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ij_omero.errors import IJOmeroError

from ._packages import group_names, set_up

_SILENCE_S = 10.0


class _Lines:
    """Progress on standard error: a line for each step, counts on one line where a terminal shows it.

    Elsewhere, as in the log of continuous integration, counts come now and then.
    """

    def __init__(self) -> None:
        self._began, self._open = time.monotonic(), False
        self._last = self._began

    def __call__(self, message: str, done: int | None = None, total: int | None = None) -> None:
        seconds = f"{time.monotonic() - self._began:6.1f} s  "
        counted = f" ({done} of {total})" if total else ""
        if total and done != total and sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{seconds}{message}{counted}")
            self._open = True
        elif not total or done in (0, total) or time.monotonic() - self._last > _SILENCE_S:
            start = "\r\033[K" if self._open else ""
            sys.stderr.write(f"{start}{seconds}{message}{counted}\n")
            self._open, self._last = False, time.monotonic()
        sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Set groups up; exit status 0 where all is there, 1 where something is missing, with what to do about it."""
    parser = argparse.ArgumentParser(prog="python -m ij_omero.provision", description="Set up what ij_omero needs.")
    parser.add_argument("--source", type=Path, help="install the project from this folder, for development")
    parser.add_argument("groups", nargs="+", metavar="GROUP", help=f"one of: {', '.join(group_names())}")
    given = parser.parse_args(arguments)
    try:
        set_up(given.groups, source=given.source, progress=_Lines())
    except IJOmeroError as error:
        sys.stderr.write(f"\nerror: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
