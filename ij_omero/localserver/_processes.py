"""Processes that outlive the launcher: known by pid, start time and boot, and by a mark in their environment."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.provision import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# set for every process of a server, inherited by theirs; tells whose a process is that no list knows
HOME_MARK = "IJ_OMERO_LOCAL_SERVER"
_POLL_S = 0.05


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which a process began; None where there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    if fields[0] in "ZX":
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)  # a child of ours would stay
        return None
    return int(fields[19])


def boot_id() -> str:
    """Tell which boot of the machine this is; pids of another mean nothing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class ProcessList:
    """The processes of one home, kept in a file; a pid that was given away again is not taken for ours.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()

    def read(self) -> dict[str, tuple[int, int | None]]:
        """Give name: (pid, start time) of all that were started and not stopped, running or not."""
        try:
            content = json.loads(self._path.read_text())
            if content["boot"] != boot_id():
                return {}
            return {name: (int(pid), started) for name, (pid, started) in content["processes"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _write(self, processes: Mapping[str, tuple[int, int | None]]) -> None:
        content = {"boot": boot_id(), "processes": processes}
        write_whole(self._path, json.dumps(content, indent=1).encode())

    def add(self, name: str, pid: int) -> None:
        """Take note of a process that was just started."""
        with self._lock:
            self._write({**self.read(), name: (pid, start_time(pid))})

    def _remove(self, name: str) -> None:
        with self._lock:
            processes = self.read()
            if processes.pop(name, None) or self._path.exists():
                self._write(processes)

    def running(self, name: str) -> int | None:
        """Give the pid of a process of ours that runs."""
        pid, started = self.read().get(name, (0, None))
        return pid if pid and started is not None and start_time(pid) == started else None

    def stop(self, name: str, sig: signal.Signals, patience_s: float) -> bool:
        """End a process and what is left of its group.

        Returns
        -------
        bool
            False where it had to be killed.
        """
        pid, gentle = self.running(name), True
        known = self.read().get(name, (0, None))[0]
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
            gentle = wait_until(lambda: self.running(name) is None, patience_s)
        if pid or (known and start_time(known) is None):
            # each leads a group of its own, and the number of a group with members is not given away again
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid or known, signal.SIGKILL)
            wait_until(lambda: self.running(name) is None, 10)
        self._remove(name)
        return gentle


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until something is true or time is up; tell which."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_S)
    return True


def kill_strays(home: Path) -> list[int]:
    """Kill every process that carries the mark of this home, such as one whose start was never noted.

    Returns
    -------
    list of int
        Pids of those that were found.
    """
    mark = f"{HOME_MARK}={home}".encode()
    spared = set(_own_line())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in spared:
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0") and start_time(int(entry.name)):
                    found.append(int(entry.name))
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(start_time(pid) for pid in found), 10)
    return found


def _own_line() -> Iterable[int]:
    """Walk up from this process: a script of the server itself may ask for the server's end."""
    pid = os.getpid()
    while pid > 1:
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            return


def spawn(
    command: Iterable[str | Path], log: Path, folder: Path, environment: Mapping[str, str], user: str | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output into a log file."""
    owner = as_user(user)
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - programs that were looked up, no shell
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            **owner,
        )


def as_user(user: str | None) -> dict[str, Any]:
    """Give subprocess's arguments to run as another user; none for oneself."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def is_listening(port: int) -> bool:
    """Tell whether something answers at a port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_bindable(port: int) -> bool:
    """Tell whether a port of the loopback is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Find different ports of the loopback that nobody uses at this moment."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def tail(path: Path | None, lines: int = 15) -> str:
    """Give the end of a log, cut to what fits an error message; empty where there is none."""
    try:
        text = path.read_bytes()[-20000:].decode("utf-8", "replace") if path else ""
    except OSError:
        return ""
    return "\n".join(line[:400] for line in text.splitlines()[-lines:])
