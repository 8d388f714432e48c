"""Waiting for a long call of the server, so that the caller can be told, and can give up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGN_OF_LIFE = 0.2


def wait_for(call: Any, told: Callable[[], None]) -> None:
    """Wait until an asynchronous call of Ice is over; ``told`` runs meanwhile and may raise.

    Ice's own waiting cannot be interrupted by Ctrl-C, this can.
    """
    over = threading.Event()

    def watch() -> None:
        call.waitForCompleted()
        over.set()

    threading.Thread(target=watch, name="omero-waiting", daemon=True).start()
    while not over.wait(_SIGN_OF_LIFE):
        told()


def when_over(call: Any, then: Callable[[], None]) -> None:
    """Run something once a call that nobody waits for any more is over."""

    def watch() -> None:
        call.waitForCompleted()
        then()

    threading.Thread(target=watch, name="omero-waiting", daemon=True).start()
