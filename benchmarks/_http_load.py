"""Load on an HTTP server from processes of its own: plain sockets, so that the generator costs as little as it can."""

from __future__ import annotations

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
    host: str, port: int, method: str, paths: Sequence[str], body: bytes, seconds: float, start: float
) -> list[float]:
    connection = Connection(host, port)
    times = []
    while time.time() < start:
        time.sleep(0.001)
    end = time.perf_counter() + seconds
    number = os.getpid()
    while (began := time.perf_counter()) < end:
        status, _ = connection.ask(method, paths[number % len(paths)], body)
        if status >= 300:
            raise ConnectionError(f"{method} {paths[number % len(paths)]} was answered {status}")
        number += 1
        times.append(time.perf_counter() - began)
    connection.close()
    return times


def load(
    host: str, port: int, method: str, paths: Sequence[str], *, clients: int, seconds: float, body: bytes = b""
) -> tuple[float, list[float]]:
    """Return requests per second of several clients, each a process with one connection, and all their times."""
    with ProcessPoolExecutor(clients, get_context("spawn")) as pool:
        start = time.time() + 1.5
        works = [pool.submit(_work, host, port, method, paths, body, seconds, start) for _ in range(clients)]
        times = [each for work in works for each in work.result()]
    return len(times) / seconds, sorted(times)


def processor_seconds(process: int) -> float:
    """Return the processor time that a process and those that it started have taken."""
    total, family = 0.0, {process}
    ticks = os.sysconf("SC_CLK_TCK")
    entries = sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    for number in entries:
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if number in family or int(fields[1]) in family:
            family.add(number)
            total += (int(fields[11]) + int(fields[12])) / ticks
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
