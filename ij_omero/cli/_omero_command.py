"""What ``omero ij`` does: this package's commands with the session of the omero command."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_IMAGE = re.compile(r"Image:(\d+)")
_SERVER = "omero:"


def run_for_omero(arguments: Sequence[str], connect: Callable[[], Any]) -> int:
    """Run one of ij-omero's commands on the server of a login.

    Parameters
    ----------
    arguments
        The command with its arguments; ``Image:42`` stands for an image of the server and ``omero:`` for the server,
        which is also where `list` looks and `import` writes where nothing else is named.
    connect
        Gives the ``omero.client`` of the login, and logs in first where that is needed; called only where a command
        reaches the server. The client's session stays open.

    Returns
    -------
    int
        The exit code of `main`.
    """
    from ._app import main

    given = ["--help"] if list(arguments[:1]) in ([], ["help"]) else _with_server(list(arguments))
    if not any(one == _SERVER or _IMAGE.fullmatch(one) for one in given):
        return main(given)
    client = connect()
    host, port = (client.getProperty(f"omero.{name}") for name in ("host", "port"))
    address = f"omero://{host}:{port or 4064}"
    expanded = [address if one == _SERVER else _IMAGE.sub(rf"{address}/image/\1", one) for one in given]
    login = {"OMERO_HOST": host, "OMERO_PORT": port or "4064", "OMERO_SESSION": client.getSessionId()}
    with _environment(login):
        return main(expanded)


def _with_server(arguments: list[str]) -> list[str]:
    """Name the server where a command needs a store and none is named."""
    command, *rest = arguments
    # options of `list` that take a value are --dataset and the login's, so a store stands first or nowhere
    if command == "list" and (not rest or rest[0].startswith("-")) and "--help" not in rest:
        return [command, _SERVER, *rest]
    if command == "import" and not any(one == "--help" or one.split("=")[0] == "--to" for one in rest):
        return [command, "--to", _SERVER, *rest]
    return arguments


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the time of a command."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
