"""Warm workers, which keep ImageJ between the jobs of a server: scripts worker start, stop, status."""

from __future__ import annotations

import os

import click

from ._app import Command
from ._output import json_option, print_json, print_table


@click.group("worker")
def worker_command() -> None:
    """Keep ImageJ between jobs, for scripts that were generated with --warm.

    Jobs start a worker by themselves. It belongs to one user, the server's, so run these as that user.
    """


@worker_command.command("start", cls=Command)
@click.argument("omerodir", required=False, metavar="[OMERODIR]")
@click.option("--idle", default=600.0, show_default=True, metavar="SECONDS", help="End after so long without a job.")
def start_command(omerodir: str | None, idle: float) -> None:
    """Start a worker now, with the ImageJ that the scripts of OMERODIR use."""
    from ij_omero import scripting

    folder = omerodir or os.environ.get("OMERODIR")
    os.environ.update(scripting.server_environment())
    if folder:
        os.environ.update(scripting.server_imagej(folder))
    os.environ["IJ_OMERO_WARM"] = f"{idle:g}"
    scripting.start_worker()
    click.echo("starting; `ij-omero scripts worker status` shows it once it takes jobs")


@worker_command.command("stop", cls=Command)
def stop_command() -> None:
    """Have this user's workers end when their jobs are over."""
    from ij_omero.scripting import stop_workers

    stopped = stop_workers()
    for one in stopped:
        click.echo(f"{one['pid']} ends{' when its job is over' * bool(one['busy'])}")
    if not stopped:
        click.echo("no worker runs")


@worker_command.command("status", cls=Command)
@json_option
def status_command(as_json: bool) -> None:
    """Show this user's workers."""
    from ij_omero.scripting import workers

    found = workers()
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no worker runs")
    else:
        rows = [
            (one["pid"], "busy" if one["busy"] else f"ends in {one['ends_in']:.0f} s", one["jobs"], one["memory"] >> 20)
            for one in found
        ]
        print_table(("process", "state", "jobs", "MiB"), rows)
