"""The first thing that a wrapper calls: the job goes to a warm worker where there is one, else it runs here.

Nothing dear is imported before that is decided.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ScriptError

from ._meeting import FOLDER_VARIABLE, call, idle_limit, meeting_folder, receive, send, socket_path

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)
_LOST = 1
# The session's own, and what the job has no business to hand on.
_KEPT_BACK = ("omero.pass", "omero.user", "omero.ClientCallback")


def run_job(client: Any, identifier: str, described: Mapping[str, Any] | None = None) -> int:
    """Run an ImageJ module as the job of an OMERO script.

    The module runs once for each image that the inputs name; an image that fails does not end the others. New images
    go to the dataset of the image that they were made from, tables and ROIs are attached to it. The outputs are those
    that the module declares, ``Message`` for people, and objects that OMERO.web shows as links.

    Where ``$IJ_OMERO_WARM`` is set, a process of this user keeps ImageJ for that many seconds after a job; a next job
    of the same version runs there. Where there is none, or it is busy, ImageJ is started here.

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
    warm = False
    try:
        warm = idle_limit() > 0
        status = _hand_over(client, identifier, described) if warm else None
    except ScriptError as error:
        sys.stderr.write(f"{error}; the job runs without a warm worker.\n")
        warm, status = False, None
    if status is not None:
        client.closeSession()
        return status
    from ._job import run_here

    status = run_here(client, identifier, described)
    if warm:
        start_worker()
    return status


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


def _hand_over(client: Any, identifier: str, described: Mapping[str, Any] | None) -> int | None:
    """Let a worker run the job and return its status; None where there is none that can."""
    connection = call(socket_path())
    if connection is None:
        return None
    with connection:
        job = {
            "identifier": identifier,
            "described": described,
            "session": client.getSessionId(),
            "properties": _properties(client),
        }
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


def _properties(client: Any) -> dict[str, str]:
    """Return what a client needs to reach the same server, and the job's number."""
    ice = client.getProperties()
    found = {str(name): str(value) for name, value in ice.getPropertiesForPrefix("omero.").items()}
    found["Ice.Default.Router"] = str(ice.getProperty("Ice.Default.Router"))
    return {name: value for name, value in found.items() if value and not name.startswith(_KEPT_BACK)}
