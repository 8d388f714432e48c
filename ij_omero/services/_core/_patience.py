"""Waiting for a client, but not for ever; what needs no waiting costs no timer."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

R = TypeVar("R")


async def within(seconds: float, work: Awaitable[R]) -> R:
    """Return what an awaitable gives, or raise TimeoutError where it takes longer.

    Most messages of a request go through at once. A timer for each of them takes more of a processor than the rest of a
    small answer.
    """
    steps = work.__await__()
    try:
        waiting = next(steps)
    except StopIteration as done:
        value: R = done.value
        return value
    with anyio.fail_after(seconds):
        rest: R = await _continued(steps, waiting)
        return rest


@types.coroutine
def _continued(steps: Generator[Any, Any, Any], waiting: Any) -> Generator[Any, Any, Any]:
    """Go on with work that has begun and yielded what it waits for."""
    while True:
        try:
            given = yield waiting
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:
            try:
                waiting = steps.throw(error)
            except StopIteration as done:
                return done.value
        else:
            try:
                waiting = steps.send(given)
            except StopIteration as done:
                return done.value
