"""Bringing what the machine lacks into the cache folder: setup."""

from __future__ import annotations

import time

import click

from ._app import Command
from ._bars import Lines
from ._output import json_option, print_json

PARTS = {
    "imagej": "the embedded ImageJ: its packages, a Java runtime where there is none, and jars",
    "omero": "OMERO over Ice, which is built for this Python once (one to two minutes)",
    "server": "what a local OMERO.server needs",
    "web": "OMERO.web with OMERO.iviewer and OMERO.figure beside it",
}


@click.command("setup", cls=Command)
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "all"]))
@json_option
def setup_command(parts: tuple[str, ...], as_json: bool) -> None:
    """Install packages into this Python, and fetch or build what is no package into the user's cache folder.

    PARTS are imagej (the default), omero, server, web or all. What is there is only checked; nothing needs root.
    """
    from ij_omero.provision import set_up

    lines = Lines(always=not as_json)
    chosen = list(PARTS) if "all" in parts else list(dict.fromkeys(parts or ("imagej",)))
    done = []
    for part in chosen:
        began = time.perf_counter()
        if not as_json:
            click.echo(f"{part}: {PARTS[part]}")
        set_up([part], progress=lines)
        facts = _found(part)
        seconds = time.perf_counter() - began
        done.append({"part": part, "seconds": round(seconds, 2), **facts})
        if not as_json:
            click.echo(f"{part}: ready ({', '.join(facts.values())}; {seconds:.1f} s)")
    if as_json:
        print_json(done)


def _found(part: str) -> dict[str, str]:
    """Tell what a part consists of, once it is set up."""
    from importlib.metadata import version

    from ij_omero.provision import find_java, find_postgres, read_lock

    if part == "imagej":
        java = find_java()
        return {"java": f"Java {java.version} at {java.home}", "jars": f"{len(read_lock('imagej'))} jars"}
    facts = {"ice": f"Ice {version('zeroc-ice')}", "omero-py": f"omero-py {version('omero-py')}"}
    if part == "server":
        facts |= {"jars": f"{len(read_lock('server'))} jars", "postgres": f"PostgreSQL at {find_postgres()}"}
    if part == "web":
        facts["omero-web"] = f"omero-web {version('omero-web')}"
    return facts
