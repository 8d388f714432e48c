"""Keeping a server's scripts in step with folders of macros for as long as wanted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ._installing import NAMESPACE, source_folders, update_scripts
from ._script_folders import folders_signature

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ._installing import InstallReport


def watch_scripts(omerodir: Path | str, *, namespace: str = NAMESPACE, every: float = 2.0) -> Iterator[InstallReport]:
    """Update scripts now, and again whenever something changes in their folders; never ends by itself.

    A file is taken when it stayed the same from one look to the next, so that none is taken half-written.

    Parameters
    ----------
    omerodir, namespace
        As for `update_scripts`.
    every
        Seconds between two looks at the folders.

    Yields
    ------
    InstallReport
        What was done, where anything was done or could not be.

    Raises
    ------
    ScriptError
        As `update_scripts` does.
    """
    done: dict[str, tuple[int, int]] | None = None
    before = folders_signature(source_folders(omerodir, namespace=namespace))
    while True:
        if before != done:
            report = update_scripts(omerodir, namespace=namespace)
            # what came or went while the folders were read may not show in how they looked before: look once more
            done = None if report.written or report.removed else before
            if report.written or report.removed or report.kept or report.problems:
                yield report
        settled = False
        while not settled:
            time.sleep(every)
            # which folders there are may be changed by another command meanwhile
            now = folders_signature(source_folders(omerodir, namespace=namespace))
            settled, before = now == before, now
