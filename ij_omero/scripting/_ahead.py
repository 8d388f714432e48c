"""ImageJ started on a thread of its own while a job still imports what it needs and asks the server."""

from __future__ import annotations

import logging
import threading

from ij_omero.errors import IJOmeroError

from ._description import IMAGEJ1

_log = logging.getLogger(__name__)


def start_imagej_ahead(identifier: str) -> None:
    """Begin to start ImageJ for a module; what goes wrong shows when ImageJ is used."""

    def begin() -> None:
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

    # No daemon: a process that fails at once must not end in the midst of Java's start, which crashes it.
    threading.Thread(target=begin, name="start ImageJ").start()
