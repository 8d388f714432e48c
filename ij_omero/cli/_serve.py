"""Serving a store by HTTP: serve."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ij_omero.errors import InvalidInputError, MissingDependencyError
from ij_omero.model import parse_address

from ._app import Command
from ._login import Login, login_options, open_connection
from ._omeis import DEFAULT_STORE, repository_folder

TOKEN_VARIABLE = "IJ_OMERO_TOKEN"  # noqa: S105  its name


@click.command("serve", cls=Command)
@click.argument("store", default=DEFAULT_STORE)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; others need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes any free one.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes; of a folder only."
)
@click.option("--name", "names", multiple=True, help="A name by which this machine may be asked; may be repeated.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A file with the token that clients must send.  [env: {TOKEN_VARIABLE}, the token itself]",
)
@login_options
def serve_command(
    store: str,
    host: str,
    port: int,
    workers: int,
    names: tuple[str, ...],
    token_file: Path | None,
    login: Login,
) -> None:
    """Serve the images of STORE until Ctrl-C: as OMEIS, by DVID's interface, and in the viewer's page.

    STORE is a folder of images, ~/images unless given, or an OMERO.server (omero://host). What belongs to the
    interfaces alone is kept beside a folder, in STORE.omeis and STORE.dvid.
    """
    try:
        from functools import partial

        from ij_omero.services import ServiceSettings, serve
        from ij_omero.services.everything import make_app, make_app_at
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"ij-omero serve needs {error.name}, which is not installed; pip install 'ij-omero[serve]'"
        ) from error

    token = token_file.read_text().strip() if token_file else os.environ.get(TOKEN_VARIABLE)
    settings = ServiceSettings(host, token or None, names)
    address = str(Path(store).expanduser()) if parse_address(store).scheme == "file" else store
    omeis_folder = repository_folder(address, None)
    dvid_folder = omeis_folder.with_suffix(".dvid")

    def ready(server: str) -> None:
        click.echo(f"{server}/                  the images, in a browser")
        click.echo(f"{server}/cgi-bin/omeis     OMEIS")
        click.echo(f"{server}/api/repos/info    DVID's interface")
        click.echo("Ctrl-C ends it.", err=True)

    if workers > 1:
        if parse_address(address).scheme != "file":
            raise InvalidInputError("--workers is for a folder of images; a server's images are served by one process")
        with open_connection(address, login):
            pass  # says now what is wrong with the folder
        made = partial(make_app_at, address, omeis_folder, dvid_folder, settings)
        serve(made, host, port, workers=workers, on_ready=ready)
        return
    with open_connection(address, login) as connection:
        app = make_app(connection.store, omeis_folder, dvid_folder, settings)
        serve(lambda: app, host, port, on_ready=ready)
