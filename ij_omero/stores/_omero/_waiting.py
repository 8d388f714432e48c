"""Waiting for calls of the server: for a long one, so that the caller is told and can give up, and for several."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from ._failures import FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
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


def results_of(*ends: Callable[[], T]) -> list[T | Exception]:
    """End calls that are all on their way; a failure stands in the place of its result.

    None is left behind: a stateful service may only be used again, or closed, once its call is over.
    """
    results: list[T | Exception] = []
    for end in ends:
        try:
            results.append(end())
        except FAILURES as error:
            results.append(error)
    return results


def raise_first(results: list[Any]) -> None:
    """Raise the first failure among results, if there is one."""
    for result in results:
        if isinstance(result, Exception):
            raise result


def when_over(call: Any, then: Callable[[], None]) -> None:
    """Run something once a call that nobody waits for any more is over."""

    def watch() -> None:
        call.waitForCompleted()
        then()

    threading.Thread(target=watch, name="omero-waiting", daemon=True).start()
