"""Starting and stopping: in this process until a signal, with several processes, or in the background."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.supervisors import Multiprocess

from ij_omero.errors import InvalidInputError, ServerStartError

from ._memory import keep_freed_memory
from ._turns import Turns, TurnsLoop, counted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp
    from typing_extensions import Self

BACKLOG = 2048
STOP_SECONDS = 10
_ELSEWHERE = ("192.0.2.1", "2001:db8::1")  # reserved for documentation (RFC 5737, RFC 3849): nobody is there
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - to be recognized, not to listen on
PARENT_SECONDS = 2.0
SILENT_SECONDS = 120  # of a worker before another one takes its place: starting takes long on a busy machine


def serve(
    make_app: Callable[[], ASGIApp],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    workers: int = 1,
    on_ready: Callable[[str], None] | None = None,
    stop_seconds: int = STOP_SECONDS,
) -> None:
    """Serve until SIGINT or SIGTERM, then let requests that are at work end, and return.

    Parameters
    ----------
    make_app
        Called once in each process. With several workers it is sent to them, so it must pickle: a function of a module,
        or a `functools.partial` of one.
    host, port
        Where to listen; port 0 takes a free one.
    workers
        Processes that answer.
    on_ready
        Called with the server's address once connections are taken.
    stop_seconds
        How long requests at work may take at the end.

    Raises
    ------
    ServerStartError
        If the port is taken.
    InvalidInputError
        If there is no such address on this machine, or no worker.
    """
    if workers < 1:
        raise InvalidInputError(f"a server needs 1 worker or more, not {workers}")
    listening = _listen(host, port)
    address = address_of(listening)
    with contextlib.closing(listening):
        if workers == 1:
            keep_freed_memory()
            server = _Server(_config(make_app, stop_seconds), lambda: on_ready(address) if on_ready else None)
            server.run(sockets=[listening])
            return
        with _shared_figures():
            config = _config(partial(_in_worker, make_app, os.getpid()), stop_seconds, workers=workers)
            if on_ready:
                on_ready(address)
            with _signals_kept():
                _Workers(config, [listening]).run()


class Background:
    """A server in a thread of this process, for tests and notebooks.

    Examples
    --------
    >>> with Background(make_app) as address:  # doctest: +SKIP
    ...     httpx.get(f"{address}/healthz")
    """

    def __init__(self, make_app: Callable[[], ASGIApp], host: str = "127.0.0.1", port: int = 0) -> None:
        self._listening = _listen(host, port)
        self.address = address_of(self._listening)
        self._ready = threading.Event()
        self._server = _Server(_config(make_app, STOP_SECONDS), self._ready.set)
        self._thread = threading.Thread(target=self._run, name="ij-omero-http-server", daemon=True)

    def __enter__(self) -> str:
        self.start()
        return self.address

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start, and return when requests are answered."""
        self._thread.start()
        self._ready.wait()
        if not self._server.started:
            self.stop()
            raise ServerStartError("the HTTP server did not start; the log says why")
        return self

    def stop(self) -> None:
        """Let requests at work end, and stop."""
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listening])
        finally:
            self._ready.set()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._when_started = when_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and not be ended by it: uvicorn would raise it again after stopping."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with _signals_kept():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self.handle_exit)
            yield


class _Workers(Multiprocess):
    def keep_subprocess_alive(self) -> None:
        """See at once that a worker is gone, also where it was killed while it was asked whether it is well.

        uvicorn keeps the worker's end of the pipe open too, so the end of its process ends no waiting for its answer.
        """
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in signal.valid_signals() if _can_be_set(number)}
    try:
        yield
    finally:
        for number, before in kept.items():
            if signal.getsignal(number) != before:
                signal.signal(number, before if before is not None else signal.SIG_DFL)


def _can_be_set(number: int) -> bool:
    return number not in (signal.SIGKILL, signal.SIGSTOP)


class _Config(uvicorn.Config):
    turns: Turns | None = None

    def load(self) -> None:
        """Count connections, where workers share them out."""
        if self.turns is not None:
            self.http = counted(self.turns)
        super().load()

    def get_loop_factory(self) -> Callable[[], asyncio.AbstractEventLoop] | None:
        """Have a worker take connections in turns with the others."""
        return super().get_loop_factory() if self.turns is None else partial(TurnsLoop, self.turns)

    def configure_logging(self) -> None:
        """Have a worker, where uvicorn calls this first of all, exit at SIGTERM rather than be ended by it.

        uvicorn raises the signal again after stopping; then nothing that was to be done at exit would be done.
        """
        super().configure_logging()
        if multiprocessing.parent_process() is not None:
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())


def _config(make_app: Callable[[], ASGIApp], stop_seconds: int, workers: int = 1) -> uvicorn.Config:
    config = _Config(
        make_app,
        factory=True,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=stop_seconds,
        timeout_worker_healthcheck=SILENT_SECONDS,
    )
    config.turns = Turns(workers) if workers > 1 and os.name == "posix" else None
    return config


def _in_worker(make_app: Callable[[], ASGIApp], parent: int) -> ASGIApp:
    """Make the application in a worker, which ends when the server that started it was killed."""

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="ij-omero-http-parent", daemon=True).start()
    keep_freed_memory()
    return make_app()


@contextlib.contextmanager
def _shared_figures() -> Iterator[None]:
    """Have all workers count into one place; prometheus_client reads this variable."""
    name = "PROMETHEUS_MULTIPROC_DIR"
    with tempfile.TemporaryDirectory(prefix="ij-omero-metrics-") as folder:
        before = os.environ.get(name)
        os.environ[name] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise InvalidInputError(f"a port is 0 to 65535, not {port}")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidInputError(f"{host} is no address of this machine: {error}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServerStartError(f"cannot listen on {host} port {port}: {error.strerror}; choose another port") from None
    listening.set_inheritable(True)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the address that a browser takes for a listening socket.

    Where it listens on all of this machine's addresses, that by which others reach it: no browser opens 0.0.0.0.
    """
    host, port = listening.getsockname()[:2]
    if host in _ANY:
        host = _address_on_the_network(listening.family)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address_on_the_network(family: int) -> str:
    """Return the address from which this machine would send to others; its name where it has no network."""
    elsewhere = _ELSEWHERE[1] if family == socket.AF_INET6 else _ELSEWHERE[0]
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((elsewhere, 9))  # chooses a way there; nothing is sent
        except OSError:
            return socket.gethostname()
        return str(asking.getsockname()[0])
