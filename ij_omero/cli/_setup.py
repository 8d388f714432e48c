"""Bringing what the machine lacks into the cache folder: setup."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time

import click

from ij_omero.errors import SetupError

from ._app import Command
from ._bars import Lines
from ._output import json_option, print_json

PARTS = {
    "imagej": "the embedded ImageJ's jars, and its Java (6 MB; Java comes with pip)",
    "omero": "Ice, built for this Python (about a minute once)",
    "server": "what a local OMERO.server needs",
}


@click.command("setup", cls=Command)
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "all"]))
@json_option
def setup_command(parts: tuple[str, ...], as_json: bool) -> None:
    """Fetch and build what is not a Python package, into the user's cache folder.

    PARTS are imagej (the default), omero, server or all. What is already there is only checked; nothing needs root.
    """
    lines = Lines(always=not as_json)
    chosen = list(PARTS) if "all" in parts else list(dict.fromkeys(parts or ("imagej",)))
    done = []
    for part in chosen:
        began = time.perf_counter()
        if not as_json:
            click.echo(f"{part}: {PARTS[part]}")
        facts = {"imagej": _imagej, "omero": _omero, "server": _server}[part](lines)
        seconds = time.perf_counter() - began
        done.append({"part": part, "seconds": round(seconds, 2), **facts})
        if not as_json:
            click.echo(f"{part}: ready ({', '.join(facts.values())}; {seconds:.1f} s)")
    if as_json:
        print_json(done)


def _imagej(lines: Lines) -> dict[str, str]:
    from ij_omero.provision import find_java, imagej_class_path

    java = find_java()
    jars = imagej_class_path(lines)
    return {"java": f"Java {java.version} at {java.home}", "jars": f"{len(jars)} jars"}


def _omero(lines: Lines) -> dict[str, str]:
    from ij_omero.provision import ice_wheel

    if importlib.util.find_spec("Ice") is None:
        _pip_install(str(ice_wheel(sys.executable, lines)))
    if importlib.util.find_spec("omero") is None:
        lines("installing omero-py")
        _pip_install("omero-py>=5.20,<6")
    importlib.invalidate_caches()
    from importlib.metadata import version

    return {"ice": f"Ice {version('zeroc-ice')}", "omero-py": f"omero-py {version('omero-py')}"}


def _pip_install(what: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip of this Python
    if result.returncode:
        raise SetupError(f"pip could not install {what}: {' '.join(result.stderr.split())[-400:]}")


def _server(lines: Lines) -> dict[str, str]:
    from ij_omero.provision import fetch_ice_services, fetch_jars, find_ice_services, find_postgres, read_lock

    jars = fetch_jars(read_lock("server"), lines)
    if find_ice_services() is None:
        fetch_ice_services(lines)
    return {"jars": f"{len(jars)} jars", "postgres": f"PostgreSQL at {find_postgres()}"}
