"""How a script's process begins and ends: who does the job, what it prints, what it leaves behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from ij_omero.scripting import _meeting
from ij_omero.scripting._described import plain_module
from ij_omero.scripting._description import WrappedModule
from ij_omero.scripting._source import Target, script_source

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# what was imported by the end is what the process had to wait for
TOLD = "import atexit, sys\natexit.register(lambda: print(sorted({'omero', 'Ice', 'jpype'} & set(sys.modules))))\n"
ENDING = """
import atexit, sys, threading, time
from ij_omero.scripting import end_job
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
sys.stderr.write("a warning")
end_job(3)
"""


def test_a_job_that_a_worker_does_needs_nothing_of_omero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_meeting.FOLDER_VARIABLE, tempfile.mkdtemp(prefix="ijw"))
    monkeypatch.setenv("ICE_CONFIG", str(tmp_path / "config"))
    (tmp_path / "config").write_text("omero.user=one\n")
    module = WrappedModule("imagej1:Invert", "Invert")
    target = Target(sys.executable, sys.prefix, {_meeting.WARM_VARIABLE: "60"})
    (tmp_path / "script").write_text(TOLD + script_source(module, target))
    jobs: list[dict[str, Any] | None] = []

    def work(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            _, streams, _, _ = socket.recv_fds(connection, 1, 2)
            jobs.append(_meeting.receive(connection))
            _meeting.send(connection, {"taken": True})
            os.write(streams[0], b"said by the worker\n")
            for one in streams:
                os.close(one)
            _meeting.send(connection, {"status": 3})

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(_meeting.socket_path()))
        listening.listen()
        worker = threading.Thread(target=work, args=(listening,))
        worker.start()
        command = [sys.executable, str(tmp_path / "script")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        worker.join(60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said by the worker\n[]\n", "")
    settings = str(tmp_path / "config")
    assert jobs == [{"identifier": "imagej1:Invert", "described": plain_module(module), "settings": settings}]


def test_a_process_that_ends_early_leaves_nothing_undone() -> None:
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "thread\nat exit\n", "a warning")
