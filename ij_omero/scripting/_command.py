"""Running a script on a server the way a person does: with the command `omero script launch`."""

from __future__ import annotations

import difflib
import functools
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ij_omero.errors import MissingDependencyError, OperationTimeoutError, ScriptError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The `omero` program refuses to run for root, who is nobody's scientist but often a container's only user; its entry
# point in Python does not.
_OMERO = "import sys; from omero.cli import argv; sys.argv[0] = 'omero'; sys.exit(argv())"
# new scripts are entered by whoever lists them first, and a server fails where two do so at once
_TWO_AT_ONCE = "could not insert: [ome.model.core.OriginalFile]"
_STREAM = re.compile(r"\t\*\*\* start (stdout|stderr) \(id=(\d+)\)\*\*\*\n(.*?)\n\t\*\*\* end \1 \*\*\*", re.S)
_OUTPUTS = re.compile(r"\t\*\*\* out parameters \*\*\*\n(.*)\t\*\*\*  done \*\*\*", re.S)
_OUTPUT = re.compile(r"^\t\* ([A-Za-z0-9_.]+)=", re.M)
_OBJECT = re.compile(
    r"object #0 \(::omero::model::(\w+)\)\n\{\n\s+_id = object #\d+ \(::omero::RLong\)\s+\{\s+_val = (\d+)"
)
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


@dataclass(frozen=True)
class LaunchResult:
    """What `omero script launch` printed.

    Parameters
    ----------
    outputs
        The script's outputs: numbers and lists of numbers as such, objects as ``"Image:7"``, everything else as text.
    stdout, stderr
        What the script printed.
    job_id
        The job's id on the server.
    text
        All that the command printed.
    """

    outputs: dict[str, Any] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    job_id: int | None = None
    text: str = ""

    @property
    def message(self) -> str:
        """The output ``Message``."""
        return str(self.outputs.get("Message", ""))

    @property
    def image_ids(self) -> list[int]:
        """The new images."""
        found = self.outputs.get("Image_IDs", self.outputs.get("Image_ID", []))
        return [int(one) for one in (found if isinstance(found, list) else [found])]


def launch(
    script: str | int,
    inputs: Mapping[str, Any] | None = None,
    *,
    host: str,
    port: int = 4064,
    user: str | None = None,
    password: str | None = None,
    session_id: str | None = None,
    group: str | None = None,
    timeout: float = 3600.0,
) -> LaunchResult:
    """Run a script on a server with `omero script launch` and wait for it.

    Parameters
    ----------
    script
        Its id, or its path as `omero script list` shows it.
    inputs
        ``{parameter: value}``; lists become ``1,2,3``.
    host, port, user, password, session_id, group
        The server, and who runs the script.
    timeout
        Seconds to wait at most.

    Raises
    ------
    ScriptError
        The server refused, there is no such script, a parameter is wrong, or the script failed; the message holds what
        was said.
    OperationTimeoutError
        It took longer than ``timeout``.
    """
    login: dict[str, Any] = {
        "host": host,
        "port": port,
        "user": user,
        "password": password,
        "session_id": session_id,
        "group": group,
    }
    if isinstance(script, str) and not script.isdecimal():
        # a path is only known to the server after the scripts were listed once
        script = _find(list_scripts(**login), script)
    given = [f"{key}={_argument(key, value)}" for key, value in (inputs or {}).items()]
    done = run_omero(["script", "launch", str(script), *given], **login, timeout=timeout)
    result = parse_launch(done.stdout)
    if done.returncode != 0 or result.job_id is None:
        raise ScriptError(f"omero script launch {script} failed: {_said(done)}")
    if not result.outputs and result.stderr:
        raise ScriptError(f"the script {script} failed (job {result.job_id}): {_last_line(result.stderr)}")
    return result


def list_scripts(
    *,
    host: str,
    port: int = 4064,
    user: str | None = None,
    password: str | None = None,
    session_id: str | None = None,
    group: str | None = None,
) -> dict[str, int]:
    """Return what `omero script list` lists: ``{path: id}`` of the server's official scripts.

    Raises
    ------
    ScriptError
        The server refused; the message holds what was said.
    """
    ask = functools.partial(run_omero, ["script", "list"], host=host, port=port)
    done = ask(user=user, password=password, session_id=session_id, group=group)
    if done.returncode != 0 and _TWO_AT_ONCE in done.stderr:
        done = ask(user=user, password=password, session_id=session_id, group=group)
    if done.returncode != 0:
        raise ScriptError(f"omero script list failed: {_said(done)}")
    rows = re.findall(r"^\s*(\d+)\s*\|\s*(.+?)\s*$", done.stdout, re.M)
    return {path if path.startswith("/") else f"/{path}": int(number) for number, path in rows}


def run_omero(
    arguments: Sequence[str],
    *,
    host: str,
    port: int = 4064,
    user: str | None = None,
    password: str | None = None,
    session_id: str | None = None,
    group: str | None = None,
    timeout: float = 600.0,
) -> subprocess.CompletedProcess[str]:
    """Run the `omero` command with a login of its own; nothing of it stays in the home folder.

    Raises
    ------
    MissingDependencyError
        omero-py is not installed.
    OperationTimeoutError
        It took longer than ``timeout``.
    """
    login = ["-s", host, "-p", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMERO_", "ICE_CONFIG"))}
    if session_id:
        login += ["-k", session_id]
    else:
        login += ["-u", user or "root"]
        environment["OMERO_PASSWORD"] = password or ""  # an argument would be seen by everybody on the machine
    if group:
        login += ["-g", group]
    with tempfile.TemporaryDirectory(prefix="ij-omero-") as folder:
        environment["OMERO_USERDIR"] = folder
        environment["OMERO_TMPDIR"] = folder
        at = 1 if tuple(arguments[:2]) == ("script", "list") else 2  # `list` alone takes its login before its name
        command = [sys.executable, "-W", "ignore", "-c", _OMERO, *arguments[:at], *login, *arguments[at:]]
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, with arguments and not a shell's line
                command, env=environment, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise OperationTimeoutError(
                f"omero {' '.join(arguments[:3])} did not end within {timeout:g} s; the job goes on on the server"
            ) from error
    if "No module named 'omero'" in done.stderr:
        raise MissingDependencyError("omero-py is not installed: get it, and Ice, with: ij-omero setup omero")
    return done


def parse_launch(text: str) -> LaunchResult:
    """Read what `omero script launch` printed."""
    streams = {name: _unstarred(body) for name, _, body in _STREAM.findall(text)}
    job = re.search(r"^Job (\d+) ready$", text, re.M)
    outputs: dict[str, Any] = {}
    block = _OUTPUTS.search(text)
    if block:
        pieces = _OUTPUT.split(block.group(1))[1:]
        outputs = {key: _value(value.rstrip("\n")) for key, value in zip(pieces[::2], pieces[1::2], strict=True)}
    return LaunchResult(
        outputs, streams.get("stdout", ""), streams.get("stderr", ""), int(job.group(1)) if job else None, text
    )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """Return why a command failed: the server's own message out of its exception, else what was printed last."""
    text = done.stderr.strip() or done.stdout.strip()
    message = re.search(r"^\s*message = (.*?)\n\}", text, re.M | re.S)
    if message:
        return " ".join(message.group(1).split())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("Created session")]
    return " ".join(" ".join(lines[-5:]).split()) or f"exit code {done.returncode}"


def _find(listed: Mapping[str, int], path: str) -> int:
    wanted = f"/{path.lstrip('/')}"
    if wanted not in listed:
        near = difflib.get_close_matches(wanted, listed, 3, 0.3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ScriptError(f"the server has no script {wanted}{hint} It lists {len(listed)} official scripts.")
    return listed[wanted]


def _argument(key: str, value: Any) -> str:
    """Return a value as `omero.scripts.parse_input` reads it, which splits lists at "," and drops what follows "="."""
    if isinstance(value, (list, tuple, set)):
        parts = [str(one) for one in value]
        if any("," in part for part in parts):
            raise ScriptError(f"{key}: `omero script launch` takes no list whose texts contain ','; got {value!r}")
        text = ",".join(parts)
    else:
        text = str(value)
    if "=" in text:
        raise ScriptError(f"{key}: `omero script launch` takes no value that contains '='; got {text!r}")
    return text


def _unstarred(body: str) -> str:
    return "\n".join(line.removeprefix("\t* ").removeprefix("\t*") for line in body.split("\n")).rstrip()


def _value(text: str) -> Any:
    found = _OBJECT.match(text)
    if found:
        return f"{found.group(1)}:{found.group(2)}"
    if _NUMBER.fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    if text.startswith("[") and text.endswith("]"):
        parts = [part.strip() for part in text[1:-1].split(",") if part.strip()]
        if all(_NUMBER.fullmatch(part) for part in parts):
            return [_value(part) for part in parts]
    return text


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else text
