"""The processes of one server: how each is started, when it is ready, and how they are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import ServerStartError

from ._class_path import JAVA_FLAGS, OmeroJava
from ._ice_config import LOG_PROPERTY
from ._inside_omero import READY_LOG
from ._processes import HOME_MARK, ProcessList, kill_strays, spawn, tail
from ._web import web_answers, web_command, web_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ij_omero.provision import IceServices, Progress

    from ._home import Home

CORE = ("postgres", "registry", "storm", "blitz", "glacier2")
PYTHON = ("processor", "tables")
# name: (its log, the Spring context that makes it)
FURTHER_JAVA = {"indexer": ("Indexer-0", "ome.fulltext"), "pixeldata": ("PixelData-0", "ome.pixeldata")}
WEB = "web"
_STOP_ORDER = ((WEB, *FURTHER_JAVA, *PYTHON), ("glacier2", "blitz"), ("storm", "registry", "postgres"))
_INSIDE = Path(__file__).with_name("_inside_omero.py")
_POLL_S = 0.05


class Launch:
    """Starts, watches and stops the processes of one home.

    Parameters
    ----------
    home
        The server's folder.
    timeout_s
        How long to wait for a process to get ready.
    progress
        Told of each that is.
    """

    def __init__(self, home: Home, timeout_s: float, progress: Progress) -> None:
        self.home, self.processes = home, ProcessList(home.processes)
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.killed: list[str] = []  # at the last stop, because they did not end by themselves
        self._timeout_s, self._progress = timeout_s, progress
        self._lock = threading.Lock()

    def environment(self) -> dict[str, str]:
        """Give what all processes of this server have in their environment."""
        return {
            HOME_MARK: str(self.home.folder),
            READY_LOG: str(self.home.log / "Blitz-0.log"),
            "OMERODIR": str(self.home.omerodir),
            "OMERO_STARTUP_WAIT": "0",
            "OMERO_TMPDIR": str(self.home.tmp),
            "OMERO_USERDIR": str(self.home.userdir),
        }

    def start(
        self, name: str, command: Iterable[str | Path], environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        """Start a process and take note of it."""
        log = self.home.log / f"{name}.out"
        self.note(name, spawn(command, log, folder or self.home.folder, {**environment, **self.environment()}))

    def note(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Take note of a process that was started."""
        with self._lock:
            self.started[name] = process
            self.processes.add(name, process.pid)

    def start_ice(self, name: str, program: str, services: IceServices) -> None:
        """Start one of the Ice services."""
        command = [services.program(program), f"--Ice.Config={self.home.etc / name}.cfg"]
        self.start(name, command, services.environment())

    def start_java(self, name: str, omero: OmeroJava, options: Iterable[str], log: str, *context: str) -> None:
        """Start Blitz, or, with the name of a Spring context, another server of the same program."""
        log_file = self.home.log / f"{log}.log"
        log_file.unlink(missing_ok=True)
        properties = {
            "java.awt.headless": "true",
            "file.encoding": "UTF-8",
            "java.io.tmpdir": self.home.tmp,
            "logback.configurationFile": self.home.etc / "logback.xml",
            LOG_PROPERTY: log_file,
            "omero.name": log,
            # an empty Ice property counts as unset, and Blitz would ask its makers for newer versions
            "omero.upgrades.url": "",
        }
        command = [str(omero.java.executable), *JAVA_FLAGS, *options]
        command += [f"-D{key}={value}" for key, value in properties.items()]
        command += ["-cp", omero.class_path, "ome.services.blitz.Entry"]
        command += [f"--Ice.Config={self.home.etc / name}.cfg", *context]
        self.start(name, command, {**os.environ, "LC_ALL": "C.UTF-8"}, self.home.omerodir)

    def start_python(self, name: str) -> None:
        """Start the processor or the tables service."""
        (self.home.log / f"{name.capitalize()}-0.log").unlink(missing_ok=True)
        command = [sys.executable, "-W", "ignore", str(_INSIDE), name, f"--Ice.Config={self.home.etc / name}.cfg"]
        self.start(name, command, os.environ, self.home.omerodir)

    def start_web(self, port: int) -> None:
        """Start OMERO.web and wait until it serves its login page."""
        environment = {**os.environ, **self.environment(), **web_environment(self.home.web)}
        log = self.home.log / "web.out"
        self.note(WEB, spawn(web_command(port), log, self.home.web, environment))
        self.wait(WEB, lambda: web_answers(port), "OMERO.web")

    def inside_omero(self, *arguments: str, told: str = "") -> str:
        """Run something with omero-py to its end and give what it writes."""
        result = subprocess.run(  # noqa: S603 - this Python, a file of this package
            [sys.executable, "-W", "ignore", _INSIDE, *arguments],
            env={**os.environ, **self.environment()},
            input=told,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise ServerStartError(f"{' '.join(arguments)}: {(result.stdout + result.stderr).strip()[-2000:]}")
        return result.stdout

    def wait(self, name: str, ready: Callable[[], bool], what: str, log: Path | None = None) -> None:
        """Wait until something is ready.

        Raises
        ------
        ServerStartError
            The process ended or time is up; the message has the end of its logs.
        """
        end = time.monotonic() + self._timeout_s
        while not ready():
            status = self.started[name].poll()
            if status is not None or time.monotonic() > end:
                why = "did not get ready in time" if status is None else f"ended with status {status}"
                logs = [path for path in (self.home.log / f"{name}.out", log) if tail(path)]
                ends = "".join(f"\n--- end of {path}\n{tail(path)}" for path in logs)
                raise ServerStartError(f"{what} {why}; the logs are in {self.home.log}{ends}")
            time.sleep(_POLL_S)
        self._progress(f"{what} is ready")

    def log_says(self, name: str, text: str) -> Callable[[], bool]:
        """Ask whether a log holds a text."""
        return lambda: text in self._read(name)

    def blitz_is_ready(self) -> bool:
        """Tell whether Blitz takes connections and every repository has been taken over, which is a little later."""
        text = self._read("Blitz-0")
        taken, all_of_them = text.count("Repository now active"), text.count("Initializing repository in")
        return "now accepting connections" in text and taken >= all_of_them

    def _read(self, name: str) -> str:
        try:
            return (self.home.log / f"{name}.log").read_text(errors="replace")
        except OSError:
            return ""

    def release(self) -> None:
        """Let the processes outlive this one without a word from Python."""
        for process in self.started.values():
            # Popen would warn of a child that still runs when it is collected; these are known by the list
            process.returncode = process.returncode or 0
        self.started.clear()

    def stop(self, kindly: bool = True, patience_s: float = 20) -> list[str]:
        """Stop all processes: services first, then what they need; then whatever else carries this home's mark.

        Parameters
        ----------
        kindly
            False kills at once.
        patience_s
            How long a process may take before it is killed.

        Returns
        -------
        list of str
            What was running.
        """
        self.killed.clear()
        was_running = [name for name in self.processes.read() if self.processes.running(name)]
        for group in _STOP_ORDER:
            names = [name for name in group if name in self.processes.read()]
            with ThreadPoolExecutor(max(1, len(names))) as pool:
                gentle = dict(zip(names, pool.map(lambda n: self.stop_one(n, kindly, patience_s), names), strict=True))
            self.killed += [name for name, ok in gentle.items() if not ok]
        if kindly and self.killed:
            self._progress(f"had to be killed: {', '.join(self.killed)}")
        kill_strays(self.home.folder)
        self.release()
        return was_running

    def stop_one(self, name: str, kindly: bool = True, patience_s: float = 20) -> bool:
        """Stop one process where it runs; tell whether it ended by itself."""
        if name == "postgres":  # its own signals: fast, or immediate
            patience_s = max(patience_s, 10)
            return self.processes.stop(name, signal.SIGINT if kindly else signal.SIGQUIT, patience_s)
        return self.processes.stop(name, signal.SIGTERM if kindly else signal.SIGKILL, patience_s)
