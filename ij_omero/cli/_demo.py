"""The main job from end to end on real input: demo."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ij_omero.errors import MissingDependencyError
from ij_omero.model import Quantity

from ._app import Command
from ._bars import Lines
from ._output import json_option, print_json
from ._starting import start_imagej

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.images import Connection
    from ij_omero.localserver import LocalServer

DEFAULT_FOLDER = Path("~/ij-omero-demo")
_PICTURE = "ihc.png"
# The picture was scanned with a 20x objective, as its XMP says; its pixel size it does not say.
_ASSUMED = Quantity(0.46, "µm")


class Story:
    """Tells what is done, with the time since the beginning; notes the facts for --json."""

    def __init__(self, quiet: bool) -> None:
        self._began = time.perf_counter()
        self._quiet = quiet
        self.facts: dict[str, Any] = {}

    def tell(self, text: str, **facts: Any) -> None:
        """Say one line and note facts."""
        self.facts.update(facts)
        if not self._quiet:
            click.echo(f"{self.seconds:6.1f} s  {text}")

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began


@click.command("demo", cls=Command)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--server", "with_server", is_flag=True, help="On a real OMERO.server, brought up on this machine.")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where results go.")
@click.option("--home", metavar="DIR", help="The local server's folder.  [env: IJ_OMERO_SERVER_HOME]")
@click.option("--pixel-size", type=click.FloatRange(min=0, min_open=True), help="In µm, where FILE does not say.")
@json_option
def demo_command(
    file: Path | None, with_server: bool, folder: Path | None, home: str | None, pixel_size: float | None, as_json: bool
) -> None:
    """Do the main job from end to end on FILE, or on a microscopy picture that scikit-image carries.

    Imports it, opens it in ImageJ cell by cell, blurs, thresholds and analyses particles with ImageJ, edits pixels in
    place, saves the result as a new image with measurements and ROIs, reads all of it back and compares, and draws a
    before/after picture. Everything lies in ~/ij-omero-demo afterwards (or where --to says), and on the server.
    """
    from ._demo_steps import run_demo

    picture = file or _bundled_picture()
    assumed = Quantity(pixel_size, "µm") if pixel_size else _ASSUMED if file is None else None
    results = (folder or DEFAULT_FOLDER).expanduser().absolute()
    story = Story(quiet=as_json)
    lines = Lines(always=not as_json)
    _prepare(story, lines)
    with _opened_store(with_server, home, results, story, lines) as (connection, server):
        report = run_demo(connection, picture, assumed, results, story)
        if server is not None:
            from ._demo_script import run_as_script

            run_as_script(server, connection, report, story)
    story.facts["seconds"] = round(story.seconds, 2)
    if as_json:
        print_json(story.facts)
        return
    click.echo(f"\nAll of it was read back and compared: it is the same. {story.seconds:.1f} s in all.\nLook at:")
    click.echo(f"  {report.figure}")
    program = _program()
    for address in (report.original, report.result):
        click.echo(f"  {program} info {address}")
    if server is not None:
        where = f" --home {home}" if home else ""
        click.echo(f"The server still runs; root's password is {server.password!r}:")
        click.echo(f"  {program} server status{where}\n  {program} server down{where}")


def _program() -> str:
    """Return how this command is called from the shell that it was called from."""
    own = Path(sys.executable).with_name("ij-omero")
    return str(own) if own.exists() and shutil.which("ij-omero") is None else "ij-omero"


def _bundled_picture() -> Path:
    """Return the path of scikit-image's picture, without importing it."""
    spec = importlib.util.find_spec("skimage")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        if (Path(place) / "data" / _PICTURE).is_file():
            return Path(place) / "data" / _PICTURE
    raise MissingDependencyError(
        "the demo's picture comes with scikit-image, which is not installed: pip install 'ij-omero[demo]', "
        "or name a picture of your own: ij-omero demo FILE"
    )


def _prepare(story: Story, lines: Lines) -> None:
    runtime = start_imagej(lines)
    kind = "a complete ImageJ2" if runtime.is_full else "the embedded ImageJ"
    story.tell(
        f"started {kind} with ImageJ {runtime.imagej1_version} on Java {runtime.java_version}",
        imagej=runtime.imagej1_version,
        java=runtime.java_version,
    )


@contextlib.contextmanager
def _opened_store(
    with_server: bool, home: str | None, results: Path, story: Story, lines: Lines
) -> Iterator[tuple[Connection, LocalServer | None]]:
    """Open the store to work in: a folder, or a server that is brought up."""
    import ij_omero

    if not with_server:
        with ij_omero.open_store(results / "images") as connection:
            story.tell(f"opened the local store {connection.address}", store=str(connection.address))
            yield connection, None
        return
    from ij_omero.localserver import LocalServer

    server = LocalServer(home, port=0, progress=lines)
    status = server.up()
    story.tell(
        f"a real OMERO.server is up at {status.host}:{status.port}, in {status.home}",
        server_home=str(status.home),
    )
    with ij_omero.connect(server.host, port=server.port, user="root", password=server.password) as connection:
        story.tell(f"logged in to {connection.address}", store=str(connection.address))
        yield connection, server
