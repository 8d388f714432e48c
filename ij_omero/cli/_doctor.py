"""What is installed and what to do about what is not: doctor."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, replace

import click

from ._app import EXIT_ERROR, Command
from ._checks import Check, all_checks
from ._output import json_option, print_json

_MARKS = {"ok": ("ok", "green"), "missing": ("missing", "red"), "optional": ("-", "yellow"), "note": ("note", "cyan")}


@click.command("doctor", cls=Command)
@click.option("--server", "servers", multiple=True, metavar="HOST[:PORT]", help="Also try whether this server answers.")
@json_option
def doctor_command(servers: tuple[str, ...], as_json: bool) -> int:
    """Tell what is installed, which Java, which jars, which server answers, and what to do about what is missing.

    Downloads nothing. The exit code is 1 when something is missing that the embedded default needs, or a server that
    was asked for does not answer.
    """
    checks = [*all_checks(), *(_server(name) for name in servers)]
    if host := os.environ.get("OMERO_HOST"):
        found = _server(f"{host}:{os.environ.get('OMERO_PORT') or 4064}")
        checks.append(replace(found, name=f"{found.name} (OMERO_HOST)", state="ok" if found.state == "ok" else "note"))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        _print(checks)
    return EXIT_ERROR if any(check.state == "missing" for check in checks) else 0


def _print(checks: list[Check]) -> None:
    group = ""
    width = max(len(check.name) for check in checks)
    for check in checks:
        if check.group != group:
            group = check.group
            click.secho(group, bold=True)
        mark, color = _MARKS[check.state]
        click.echo(f"  {click.style(mark.ljust(7), fg=color)}  {check.name.ljust(width)}  {check.detail}".rstrip())
        if check.advice:
            click.echo(f"{' ' * (width + 13)}{check.advice}")
    missing = [check.name for check in checks if check.state == "missing"]
    click.echo(f"\nmissing: {', '.join(missing)}" if missing else "\nThe embedded default is ready: ij-omero demo")


def _server(name: str) -> Check:
    """Try whether something listens where a server should."""
    from ij_omero.model import parse_address

    address = parse_address(name if "://" in name else f"omero://{name}")
    host, port = address.host or "localhost", address.port or 4064
    try:
        with socket.create_connection((host, port), timeout=5):
            return Check("Servers", f"{host}:{port}", "ok", "answers")
    except OSError as error:
        advice = "check the name, the port and the network; ij-omero server up starts one on this machine"
        return Check("Servers", f"{host}:{port}", "missing", f"does not answer ({error.strerror or error})", advice)
