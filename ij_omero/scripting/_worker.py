"""A process that keeps ImageJ between jobs, for one user and one job at a time.

It listens in a folder that only its user can enter (`_meeting`), takes a job with its session, prints to where the
job's own process prints, and forgets the session when the job is over. It ends when nobody came for a while, when it
has grown too large, and after a job that was broken off, since nobody knows what that left in ImageJ.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._meeting import MEMORY_VARIABLE, call, idle_limit, is_own, meeting_folder, receive, send, socket_path

if TYPE_CHECKING:
    from types import FrameType

_log = logging.getLogger(__name__)
_DEFAULT_MEMORY = 4 << 30
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_DEFAULT_IDLE_S = 600.0
_ANSWER_S = 5.0
_LOOK_UP_S = 0.5


class Worker:
    """Takes jobs until it is told to stop or nobody comes.

    Parameters
    ----------
    listening
        A bound socket.
    idle_s
        Seconds without a job after which it ends.
    largest
        Bytes of memory with which it still takes another job.
    """

    def __init__(self, listening: socket.socket, idle_s: float, largest: int) -> None:
        self._listening = listening
        self._idle_s = idle_s
        self._largest = largest
        self._waiting: queue.Queue[tuple[socket.socket, list[int], dict[str, Any]]] = queue.Queue()
        self._lock = threading.Lock()
        self._busy = False
        self._running = False
        self._stopping = False
        self._jobs = 0
        self._since = time.monotonic()

    def serve(self) -> None:
        """Run jobs on this thread, which must be the main one, for signals break off a job."""
        signal.signal(signal.SIGINT, self._break_off)
        signal.signal(signal.SIGTERM, self._break_off)
        threading.Thread(target=self._listen, name="worker: listen", daemon=True).start()
        while not self._stopping:
            try:
                # short waits: a signal may be given to one of Java's threads, which wakes nobody up here
                taken = self._waiting.get(timeout=_LOOK_UP_S)
            except queue.Empty:
                if not self._busy and time.monotonic() - self._since >= self._idle_s:
                    return
                continue
            status = self._run(*taken)
            with self._lock:
                self._busy = False
                self._since = time.monotonic()
            if status is None or memory_used() > self._largest:
                return

    def _break_off(self, number: int, frame: FrameType | None) -> None:
        if self._running:
            raise KeyboardInterrupt(f"signal {number}")
        self._stopping = self._stopping or number == signal.SIGTERM

    def _listen(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            if not is_own(connection):
                connection.close()
                continue
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        """Take a job, or say how things are."""
        descriptors: list[int] = []
        try:
            connection.settimeout(_ANSWER_S)
            begun, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
            message = receive(connection, b"" if begun == b"+" else begun)
            if message is None:
                raise ConnectionError("nothing was said")
            if "settings" not in message:
                self._command(connection, message)
                return
            if len(descriptors) != 2:
                raise ConnectionError("a job came without its two streams")
            with self._lock:
                taken, self._busy = not self._busy, True
            send(connection, {"taken": taken})
            if taken:
                connection.settimeout(None)
                self._waiting.put((connection, descriptors, message))
                self._watch(connection)
                return
        except (OSError, ValueError) as error:
            _log.warning("somebody called and went: %s", error)
        for one in descriptors:
            os.close(one)
        connection.close()

    def _command(self, connection: socket.socket, message: dict[str, Any]) -> None:
        with connection:
            idle = 0.0 if self._busy else time.monotonic() - self._since
            state = {"pid": os.getpid(), "busy": self._busy, "jobs": self._jobs, "memory": memory_used()}
            send(connection, {**state, "ends_in": max(0.0, self._idle_s - idle), "prefix": sys.prefix})
            if message.get("command") == "stop":
                self._stopping = True

    def _watch(self, connection: socket.socket) -> None:
        """Break off the job whose own process ends, for example since it ran into the server's time limit."""
        with contextlib.suppress(OSError):
            while connection.recv(1):
                continue
        main = threading.main_thread().ident
        if self._running and main is not None and connection.fileno() >= 0:
            signal.pthread_kill(main, signal.SIGINT)

    def _run(self, connection: socket.socket, descriptors: list[int], job: dict[str, Any]) -> int | None:
        """Run a job and return its status; None where it was broken off."""
        self._jobs += 1
        status: int | None = 1
        with connection, printing_to(*descriptors):
            try:
                self._running = True
                status = _run_job(job)
            except KeyboardInterrupt:
                status = None
                sys.stderr.write("The job was broken off.\n")
            except Exception as error:  # whatever a job does, its own process is told
                _log.exception("a job failed")
                sys.stderr.write(f"The job failed: {error}\n")
            finally:
                self._running = False
            sys.stdout.flush()
            sys.stderr.flush()
            with contextlib.suppress(OSError):
                send(connection, {"status": 1 if status is None else status})
        return status


def _run_job(job: dict[str, Any]) -> int | None:
    """Join the job's session and run it, None where it was broken off."""
    from omero import scripts

    from ._job import INTERRUPTED, STOPPED, run_here

    # as the script itself would: one job runs at a time, so the variable is this one's
    os.environ["ICE_CONFIG"] = job["settings"]
    try:
        client = scripts.client("ij_omero")
    finally:
        del os.environ["ICE_CONFIG"]
    try:
        status = run_here(client, job["identifier"], job["described"])
        return None if status in (INTERRUPTED, STOPPED) else status
    finally:
        client.__del__()  # ends its communicator, too


@contextlib.contextmanager
def printing_to(out: int, err: int) -> Any:
    """Let everything that this process prints, Java and C included, go to two open files, which are closed then."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = [os.dup(1), os.dup(2)]
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(before[0], 1)
        os.dup2(before[1], 2)
        for one in (*before, out, err):
            os.close(one)


def memory_used() -> int:
    """Return the bytes of memory that this process holds."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):  # no Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def largest_memory() -> int:
    """Return with how many bytes a worker still takes another job: ``$IJ_OMERO_WARM_MEMORY``, such as ``4g``."""
    text = os.environ.get(MEMORY_VARIABLE, "").strip().lower()
    unit = _UNITS.get(text[-1:], 1)
    number = text.rstrip("kmg")
    return int(number) * unit if number.isdecimal() else _DEFAULT_MEMORY


def work() -> int:
    """Be a worker, unless there is one; return when it has ended."""
    import fcntl

    path = socket_path()
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0  # another one is there
        _warm_up()
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(str(path))
            path.chmod(0o600)
            listening.listen(16)
            try:
                Worker(listening, idle_limit() or _DEFAULT_IDLE_S, largest_memory()).serve()
            finally:
                path.unlink(missing_ok=True)
    return 0


def _warm_up() -> None:
    """Start ImageJ and load what every job uses."""
    import omero.callbacks
    import omero.clients
    import omero.scripts  # noqa: F401

    from ij_omero.imagej import start
    from ij_omero.stores import OmeroStore  # noqa: F401

    from . import _job  # noqa: F401

    start().imagej1()


def workers() -> list[dict[str, Any]]:
    """Tell of every worker of this user: its process, whether it is busy, how many jobs it ran, its memory."""
    return [state for path in sorted(meeting_folder().glob("*.sock")) if (state := _ask(path, "status")) is not None]


def stop_workers() -> list[dict[str, Any]]:
    """Have every worker of this user end when its job is over; tell which they were."""
    return [state for path in sorted(meeting_folder().glob("*.sock")) if (state := _ask(path, "stop")) is not None]


def _ask(path: Path, command: str) -> dict[str, Any] | None:
    connection = call(path)
    if connection is None:
        return None
    with connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.sendall(b"+")
            send(connection, {"command": command})
            return receive(connection)
        except (OSError, ValueError):
            return None
