"""Load on an HTTP server from processes of its own: plain sockets, so that the generator costs as little as it can."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.I)


class Connection:
    """One kept-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{host}:{port}"
        self._buffer = bytearray(1 << 20)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, int]:
        """Return the status and the length of the answer's body."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if body:
            self._socket.sendall(head)
            self._socket.sendall(body)
        else:
            self._socket.sendall(head)
        view = memoryview(self._buffer)
        filled = 0
        while (end := self._buffer.find(b"\r\n\r\n", 0, filled)) < 0:
            count = self._socket.recv_into(view[filled:])
            if not count:
                raise ConnectionError("the server closed the connection")
            filled += count
        found = _LENGTH.search(self._buffer, 0, end)
        length = int(found[1]) if found else 0
        status = int(self._buffer[9:12])
        left = length - (filled - end - 4)
        while left > 0:
            left -= self._socket.recv_into(view[: min(len(view), left)])
        return status, length

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def _work(
    host: str,
    port: int,
    method: str,
    paths: Sequence[str],
    first: int,
    body: bytes,
    seconds: float,
    start: float,
    refused: bool,
) -> list[float]:
    connection = Connection(host, port)
    times = []
    while time.time() < start:
        time.sleep(0.001)
    end = time.perf_counter() + seconds
    number = first
    while (began := time.perf_counter()) < end:
        status, _ = connection.ask(method, paths[number % len(paths)], body)
        if (status >= 300) != refused:
            raise ConnectionError(f"{method} {paths[number % len(paths)]} was answered {status}")
        number += 1
        times.append(time.perf_counter() - began)
    connection.close()
    return times


def load(
    host: str,
    port: int,
    method: str,
    paths: Sequence[str],
    *,
    clients: int,
    seconds: float,
    body: bytes = b"",
    refused: bool = False,
) -> tuple[float, list[float]]:
    """Return requests per second of several clients, each a process with one connection, and all their times.

    Each goes round the paths from a place of its own. All must succeed, or all be refused.
    """
    with ProcessPoolExecutor(clients, get_context("spawn")) as pool:
        start = time.time() + 1.5
        works = [
            pool.submit(_work, host, port, method, paths, i * len(paths) // clients, body, seconds, start, refused)
            for i in range(clients)
        ]
        times = [each for work in works for each in work.result()]
    return len(times) / seconds, sorted(times)


def overload(
    host: str, port: int, path: str, *, connections: int, seconds: float
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Return the times of answers by their status, of so many connections at once, all in this process.

    Who is refused asks again after a second, as the answers say. What each asked first, all at once, is told apart.
    """
    first: dict[int, list[float]] = {}
    later: dict[int, list[float]] = {}

    async def ask(end: float) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        times = first
        while (began := time.perf_counter()) < end:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            await reader.readexactly(int(found[1]) if found else 0)
            times.setdefault(int(head[9:12]), []).append(time.perf_counter() - began)
            times = later
            if head[9:12] == b"503":
                await asyncio.sleep(1)
        writer.close()

    async def all_at_once() -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(ask(end) for _ in range(connections)))

    asyncio.run(all_at_once())
    for of in (*first.values(), *later.values()):
        of.sort()
    return first, later


def resident_bytes(process: int) -> int:
    """Return the memory of a process and those that it started, that of others and of files not counted."""
    total = 0
    for number in family_of(process):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{number}/status").read_text()
            total += 1024 * int(status.partition("RssAnon:")[2].split()[0])
    return total


def family_of(process: int) -> set[int]:
    """Return the numbers of a process and those that it started."""
    family = {process}
    for number in sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with contextlib.suppress(OSError):
            if int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1]) in family:
                family.add(number)
    return family


def processor_seconds(process: int) -> float:
    """Return the processor time that a process and those that it started have taken."""
    total = 0.0
    for number in family_of(process):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


@contextlib.contextmanager
def served(*command: str) -> Iterator[tuple[str, int, int]]:
    """Run a Python program that serves and prints its address; give host, port and its process' number."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        host, _, port = address.removeprefix("http://").partition(":")
        yield host, int(port), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
