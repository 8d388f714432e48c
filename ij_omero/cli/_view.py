"""Looking at images in a browser: view."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from ij_omero.errors import ImageNotFoundError, InvalidInputError, MissingDependencyError
from ij_omero.model import parse_address

from ._app import Command
from ._login import Login, login_options, open_connection

if TYPE_CHECKING:
    from ij_omero.images import Connection
    from ij_omero.model import ImageId

_PATIENCE_S = 20.0  # the pages of one person ask for many tiles at once and wait rather than come again


@click.command("view", cls=Command)
@click.argument("address")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; this machine only by default.")
@click.option("--no-browser", is_flag=True, help="Print the page's address and open no browser.")
@login_options
def view_command(address: str, port: int, host: str, no_browser: bool, login: Login) -> None:
    """Show the image at ADDRESS in a browser, or the images of a store, until Ctrl-C.

    The page's address holds a token, which the browser keeps as a cookie: only who has the address sees the images.
    """
    from ij_omero.images import split_address

    try:
        from ij_omero.services import ServiceSettings, serve
        from ij_omero.services.viewer import EntryCodes, viewer_app
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"ij-omero view needs {error.name}, which is not installed; pip install 'ij-omero[serve]'"
        ) from error

    parsed = parse_address(address)
    one = parsed.image_id is not None or parsed.scheme == "file"
    where, image_id = split_address(address) if one else (parsed, None)
    with open_connection(where, login) as connection:
        image_id = _only(connection) if image_id is None else image_id
        if image_id is not None:
            connection.store.describe(image_id)  # says now that there is no such image
        token, codes = secrets.token_urlsafe(32), EntryCodes()
        settings = ServiceSettings(host, token, patience=_PATIENCE_S)
        app = viewer_app(connection.store, settings, only=image_id, pixels_id=parsed.pixels_id, codes=codes)
        page = "" if image_id is None else f"view/{quote(str(image_id).replace('/', ':'))}"

        def ready(server: str) -> None:
            click.echo(f"{server}/{page}#token={token}")
            click.echo("Ctrl-C ends it.", err=True)
            if not no_browser and _somebody_has_a_screen():
                opening = f"{server}/{page}#code={codes.make()}"
                threading.Thread(target=webbrowser.open, args=(opening,), daemon=True).start()

        serve(lambda: app, host, port, on_ready=ready)


def _only(connection: Connection) -> ImageId | None:
    """Return the only image of a store, or None where it has several."""
    try:
        return connection.only_image_id()
    except InvalidInputError:
        return None
    except ImageNotFoundError:
        if connection.address.scheme == "file":
            raise
        return None


def _somebody_has_a_screen() -> bool:
    """Tell whether a browser would open in a window; one for terminals would take this one."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
