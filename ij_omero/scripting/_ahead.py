"""ImageJ started on a thread of its own while a job still imports what it needs and asks the server."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading

from ij_omero.errors import IJOmeroError

from ._description import IMAGEJ1

_log = logging.getLogger(__name__)


def start_imagej_ahead(identifier: str) -> None:
    """Begin to start ImageJ for a module; what goes wrong shows when ImageJ is used."""

    def begin() -> None:
        _import_jpype()
        from ij_omero.imagej import start

        try:
            runtime = start(brief=True)
            if identifier.startswith(IMAGEJ1):
                runtime.imagej1()
        except (IJOmeroError, OSError) as error:
            _log.debug("ImageJ did not start ahead of its use: %s", error)
        else:
            import jpype

            jpype.JClass("java.lang.Thread").detach()

    # no daemon: a process that fails at once must not end in the midst of Java's start, which crashes it
    threading.Thread(target=begin, name="start ImageJ").start()


def _import_jpype() -> None:
    """Import JPype without jedi, which it would teach to complete Java's names in a notebook: most of its own time."""
    absent = "jedi" not in sys.modules
    if absent:
        sys.modules["jedi"] = None  # type: ignore[assignment]  # what makes an import fail as if it were not installed
    try:
        with contextlib.suppress(ImportError):  # who uses it next says what to do
            import jpype  # noqa: F401
    finally:
        if absent:
            del sys.modules["jedi"]
