"""How long tasks say what they do."""

from __future__ import annotations

import logging
from typing import Protocol

_log = logging.getLogger("ij_omero.provision")


class Progress(Protocol):
    """What is called while something is fetched, built or started.

    Any callable will do that takes a message, and how much of how much is done where that is known.
    """

    def __call__(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Take note of one step.

        Parameters
        ----------
        message
            What is being done, for people, e.g. ``"downloading imglib2 8.0.1"``.
        done, total
            Counted parts of the step, where there is a count.
        """


def log_progress(message: str, done: int | None = None, total: int | None = None) -> None:
    """Write progress to the log ``ij_omero.provision`` at level INFO; what is used where no other callback is given."""
    if total:
        _log.info("%s (%s of %d)", message, done, total)
    else:
        _log.info("%s", message)
