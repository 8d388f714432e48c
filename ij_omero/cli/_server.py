"""A real OMERO.server on this machine: server up, down, status, wipe, env."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from ._app import EXIT_NOT_RUNNING, Command
from ._bars import Lines
from ._output import json_option, print_json, print_pairs

if TYPE_CHECKING:
    from ij_omero.localserver import LocalServer, ServerStatus

_home_option = click.option(
    "--home", metavar="DIR", help="The folder that holds everything of the server.  [env: IJ_OMERO_SERVER_HOME]"
)


@click.group("server")
def server_command() -> None:
    """Run a real OMERO.server on this machine, for trying things out; it listens on the loopback only."""


def _server(home: str | None, **options: Any) -> LocalServer:
    from ij_omero.localserver import LocalServer

    return LocalServer(home, **options)


def _print_status(status: ServerStatus, as_json: bool) -> None:
    if as_json:
        print_json(status.to_json())
        return
    where = f"{status.host}:{status.port}" if status.port else None
    stopped = [name for name, pid in status.processes.items() if pid is None]
    print_pairs(
        [
            ("state", status.state),
            ("address", f"omero://{where}" if where and status.state == "up" else where),
            ("web", status.web_address),
            ("home", status.home),
            ("OMERODIR", status.omerodir),
            ("data", status.data_folder),
            ("logs", status.log_folder),
            ("running", ", ".join(f"{name} {pid}" for name, pid in status.processes.items() if pid)),
            ("stopped", ", ".join(stopped)),
        ]
    )


@server_command.command("up", cls=Command)
@_home_option
@click.option("--port", type=click.IntRange(0, 65535), default=4064, show_default=True, help="0 takes any free one.")
@click.option("--password", default="omero", show_default=True, help="Root's, when the database is made.")
@click.option("--web", is_flag=True, help="Also OMERO.web with OMERO.iviewer and OMERO.figure.")
@click.option("--web-port", type=click.IntRange(0, 65535), default=4080, show_default=True)
@click.option("--indexer", is_flag=True, help="Also the search indexer.")
@click.option("--pixeldata", is_flag=True, help="Also the process that makes pyramids of imported files.")
@json_option
def up_command(home: str | None, as_json: bool, **options: Any) -> None:
    """Start the server, or what of it does not run; what it needs is fetched the first time."""
    began = time.perf_counter()
    server = _server(home, progress=Lines(always=not as_json), **options)
    status = server.up()
    _print_status(status, as_json)
    if not as_json:
        seconds = time.perf_counter() - began
        click.echo(f"up after {seconds:.1f} s: log in as root with the password {options['password']!r}")


@server_command.command("down", cls=Command)
@_home_option
@json_option
def down_command(home: str | None, as_json: bool) -> None:
    """Stop the server; its data stays."""
    _print_status(_server(home, progress=Lines(always=not as_json)).down(), as_json)


@server_command.command("status", cls=Command)
@_home_option
@json_option
def status_command(home: str | None, as_json: bool) -> int:
    """Tell what runs and where its logs are. The exit code is 3 when it is not up."""
    status = _server(home).status()
    _print_status(status, as_json)
    return 0 if status.state == "up" else EXIT_NOT_RUNNING


@server_command.command("wipe", cls=Command)
@_home_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def wipe_command(home: str | None, yes: bool) -> None:
    """Stop the server and delete it with all its data. This cannot be undone."""
    server = _server(home, progress=Lines(always=True))
    if not yes:
        click.confirm(f"Delete {server.home} with all images in it?", abort=True, err=True)
    server.wipe()


@server_command.command("env", cls=Command)
@_home_option
@json_option
def env_command(home: str | None, as_json: bool) -> None:
    """Print the environment with which omero-py finds the server: eval "$(ij-omero server env)"."""
    variables = _server(home).env()
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
