"""Waiting for a client ends."""

from __future__ import annotations

import asyncio

import pytest

from ij_omero.services._core._patience import within


def test_what_is_ready_is_returned() -> None:
    async def ready() -> int:
        return 7

    assert asyncio.run(within(0.001, ready())) == 7


def test_what_waits_several_times_is_waited_for() -> None:
    async def slow() -> int:
        for _ in range(3):
            await asyncio.sleep(0.001)
        return 7

    assert asyncio.run(within(30, slow())) == 7


def test_what_takes_too_long_is_ended() -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        asyncio.run(within(0.01, endless()))
    assert ended == [True]


def test_errors_come_through() -> None:
    async def fails(wait: bool) -> None:
        if wait:
            await asyncio.sleep(0)
        raise KeyError("x")

    for wait in (False, True):
        with pytest.raises(KeyError):
            asyncio.run(within(30, fails(wait)))


def test_work_that_handles_its_cancellation_may_still_return() -> None:
    async def stubborn() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 1
        return 0

    async def cancelled() -> int:
        task = asyncio.create_task(within(30, stubborn()))
        await asyncio.sleep(0.001)
        task.cancel()
        return await task

    assert asyncio.run(cancelled()) == 1
