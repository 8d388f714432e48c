"""A server's life: several processes, a signal, a taken port, a killed parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from ij_omero.errors import InvalidInputError, ServerStartError
from ij_omero.services import Background, ServiceSettings, serve
from ij_omero.services._core import build_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[[int], tuple[subprocess.Popen[str], str]]

PROGRAM = textwrap.dedent(
    """
    import asyncio, os, sys
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from ij_omero.services import serve
    from ij_omero.services._core import build_app

    async def who(request):
        await asyncio.sleep(float(request.query_params.get("seconds", 0)))
        return PlainTextResponse(str(os.getpid()))

    def make_app():
        return build_app([Route("/who", who)])

    if __name__ == "__main__":
        serve(make_app, workers=int(sys.argv[1]), on_ready=lambda address: print(address, flush=True))
        print("ended well", flush=True)
    """
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give what starts a server with so many workers; it does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(workers: int) -> tuple[subprocess.Popen[str], str]:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        process = subprocess.Popen([sys.executable, str(program), str(workers)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def who(address: str) -> int:
    return int(httpx.get(f"{address}/who", timeout=30).text)


def wait_until_gone(pid: int) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_requests_end_and_the_program_go_on(start: Start, number: signal.Signals) -> None:
    import threading

    process, address = start(1)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(httpx.get(f"{address}/who?seconds=1").text))
    asking.start()
    while "ij_omero_http_requests_at_work 2.0" not in httpx.get(f"{address}/metrics").text:
        pass
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    asking.join()
    assert answers == [str(process.pid)]
    assert (rest, process.returncode) == ("ended well\n", 0)


def test_two_processes_answer_count_together_and_end_together(start: Start) -> None:
    process, address = start(2)
    end = time.monotonic() + 30
    pids: set[int] = set()
    asked = 0
    while len(pids) < 2 and time.monotonic() < end:
        pids.add(who(address))
        asked += 1
    assert len(pids) == 2
    text = httpx.get(f"{address}/metrics").text
    assert f'ij_omero_http_requests_total{{endpoint="who",method="GET",status="200"}} {asked}.0' in text
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("ended well\n", 0)
    assert all(wait_until_gone(pid) for pid in pids)


def both_workers(address: str, known: int = 0) -> set[int]:
    """Wait until two workers answer, neither of them `known`."""
    end, pids = time.monotonic() + 30, set[int]()
    while len(pids) < 2 and time.monotonic() < end:
        pids |= {who(address)} - {known}
    return pids


def shared_evenly(address: str) -> int:
    """Return how often of 30 times two connections that are kept were one of each worker's."""
    even = 0
    for _ in range(30):
        clients = [httpx.Client(timeout=30) for _ in range(2)]
        even += len({client.get(f"{address}/who").text for client in clients}) == 2
        for client in clients:
            client.close()
        time.sleep(0.1)  # until the workers know
    return even


def test_connections_are_shared_evenly_also_after_a_worker_was_killed(start: Start) -> None:
    process, address = start(2)
    pids = both_workers(address)
    assert shared_evenly(address) >= 26  # by chance about 18
    lost = pids.pop()
    os.kill(lost, signal.SIGKILL)
    assert wait_until_gone(lost)
    assert len(both_workers(address, lost)) == 2
    assert shared_evenly(address) >= 26  # by chance about 18
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("ended well\n", 0)


def test_workers_do_not_outlive_a_server_that_was_killed(start: Start) -> None:
    process, address = start(2)
    worker = who(address)
    process.kill()
    process.wait()
    assert wait_until_gone(worker)


def test_a_taken_port_is_said_clearly() -> None:
    with Background(lambda: build_app([])) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(ServerStartError, match=f"port {port}.*choose another port"):
            serve(lambda: build_app([]), port=port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no address of this machine"):
        serve(lambda: build_app([]), host="no-such-host.invalid")


def test_a_server_on_all_addresses_names_one_that_others_can_open() -> None:
    settings = ServiceSettings("0.0.0.0", token="a token of this test")  # noqa: S104
    with Background(lambda: build_app([], settings), settings.host) as address:
        assert "0.0.0.0" not in address  # noqa: S104
        assert httpx.get(f"{address}/healthz").text == "ok\n"
