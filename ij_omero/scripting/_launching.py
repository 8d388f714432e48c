"""What a wrapper calls: the job goes to a warm worker where there is one, else it runs here.

Nothing dear is imported before that is decided.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ij_omero.errors import ScriptError

from ._ahead import start_imagej_ahead
from ._description import FUNCTION
from ._meeting import FOLDER_VARIABLE, call, idle_limit, meeting_folder, receive, send, socket_path

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOST = 1


def begin_job(identifier: str, described: Mapping[str, Any] | None = None) -> int | None:
    """Do the job in a process that waits with ImageJ, or begin to start ImageJ in this one.

    To be called first of all, since importing omero-py takes as long as a small job: nothing of it is imported here,
    and where a warm worker (`run_job`) does the job it need never be. The worker reads the job's settings itself from
    the file that ``$ICE_CONFIG`` names, which OMERO's processor wrote for this user alone.

    Parameters
    ----------
    identifier
        The module's identifier.
    described
        What the wrapper knows of the module; ImageJ is asked without it.

    Returns
    -------
    int or None
        The exit status of the job that is done; None where `run_job` is to do it.
    """
    try:
        status = _hand_over(identifier, described) if idle_limit() > 0 else None
    except ScriptError as error:
        sys.stderr.write(f"{error}; the job runs without a warm worker.\n")
        status = None
    if status is None and not identifier.startswith(FUNCTION):
        start_imagej_ahead(identifier)
    return status


def run_job(client: Any, identifier: str, described: Mapping[str, Any] | None = None) -> int:
    """Run an ImageJ module as the job of an OMERO script.

    The module runs once for each image that the inputs name; an image that fails does not end the others. New images
    go to the dataset of the image that they were made from, tables and ROIs are attached to it. The outputs are those
    that the module declares, ``Message`` for people, and objects that OMERO.web shows as links.

    Where ``$IJ_OMERO_WARM`` is set, a process of this user keeps ImageJ for that many seconds after a job; a next job
    of the same version runs there, if it begins with `begin_job`.

    Parameters
    ----------
    client
        The ``omero.client`` of the job, which joined its session; it is closed at the end.
    identifier
        The module's identifier.
    described
        What the wrapper knows of the module; ImageJ is asked without it.

    Returns
    -------
    int
        The exit status: 0, or 1 where something failed; what, is in ``Message`` and on standard error.
    """
    from ._job import run_here

    status = run_here(client, identifier, described)
    with contextlib.suppress(ScriptError):  # `begin_job` told it
        if idle_limit() > 0:
            start_worker()
    return status


def end_job(status: int) -> NoReturn:
    """End the process with an exit status, without the quarter of a second in which Python takes apart omero-py.

    What Python does at an end it does here, too: it waits for threads, calls what `atexit` knows and writes what is
    still to be written. Only the modules and their objects are left to the system.

    Parameters
    ----------
    status
        What `run_job` returned.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def start_worker() -> None:
    """Start a worker for the jobs to come, unless there is one; it lives on when this process ends.

    Raises
    ------
    ScriptError
        The folder for its socket cannot be used.
    """
    log = meeting_folder() / "worker.log"
    environment = {name: value for name, value in os.environ.items() if name not in ("ICE_CONFIG", "OMERO_HOME")}
    environment.setdefault(FOLDER_VARIABLE, str(meeting_folder()))
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        subprocess.Popen(
            [sys.executable, "-I", "-m", "ij_omero.scripting", "--worker"],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(handle)


def _hand_over(identifier: str, described: Mapping[str, Any] | None) -> int | None:
    """Let a worker run the job and return its status; None where there is none that can."""
    settings = os.environ.get("ICE_CONFIG")
    connection = call(socket_path()) if settings else None
    if settings is None or connection is None:
        return None
    with connection:
        job = {"identifier": identifier, "described": described, "settings": str(Path(settings).absolute())}
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            # the worker prints to where this process would
            socket.send_fds(connection, [b"+"], [1, 2])
            send(connection, job)
            answer = receive(connection)
        except OSError:
            answer = None
        if answer is None or answer.get("taken") is not True:
            return None
        answer = receive(connection)
        if answer is None:
            sys.stderr.write("The process in which ImageJ ran ended before the job did; run the script again.\n")
            return _LOST
        return int(answer["status"])
