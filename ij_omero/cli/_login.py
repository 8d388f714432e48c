"""Options with which commands reach images on a server, and opening what an address names."""

from __future__ import annotations

import contextlib
import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ij_omero.errors import LoginError
from ij_omero.model import ImageAddress, parse_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ij_omero.images import Connection, Image

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass
class Login:
    """Who asks, where the command line says so; the store asks the environment for the rest."""

    user: str | None = None
    password: str | None = None
    session_id: str | None = None
    group: str | None = None

    def given(self) -> dict[str, Any]:
        """Return what was given, as keyword arguments of `ij_omero.open_store`."""
        return {name: value for name, value in vars(self).items() if value is not None}


def login_options(command: F) -> F:
    """Add --user, --password-file, --session and --group; the command gets them as one ``login``."""

    @click.option("--user", help="The user on an OMERO.server.  [env: OMERO_USER]")
    @click.option(
        "--password-file",
        metavar="FILE",
        help="A file that holds the password; - is standard input.  [env: OMERO_PASSWORD, the password itself]",
    )
    @click.option("--session", help="The id of a session to join.  [env: OMERO_SESSION]")
    @click.option("--group", help="The group to work in, by name.  [env: OMERO_GROUP]")
    @functools.wraps(command)
    def with_login(
        *args: Any, user: str | None, password_file: str | None, session: str | None, group: str | None, **kwargs: Any
    ) -> Any:
        password = _read_password(password_file) if password_file else None
        return command(*args, login=Login(user, password, session, group), **kwargs)

    return with_login  # type: ignore[return-value] # options were added, parameters taken away


def _read_password(path: str) -> str:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot read --password-file {path}: {error.strerror}") from None
    password = text.rstrip("\r\n")
    if not password:
        raise click.UsageError(f"--password-file {path} is empty; it holds the password alone, in one line")
    return password


def open_connection(address: str | ImageAddress, login: Login) -> Connection:
    """Open a store; where a server wants a login and somebody sits at the terminal, ask for it."""
    import ij_omero

    where = parse_address(address)
    given = login.given() if where.scheme == "omero" else {}
    try:
        return ij_omero.open_store(where, **given)
    except LoginError:
        if login.user or login.password or login.session_id or where.user or not sys.stdin.isatty():
            raise
        login.user = click.prompt("User", err=True)
        return ij_omero.open_store(where, **login.given())


@contextlib.contextmanager
def opened_image(address: str, login: Login) -> Iterator[Image]:
    """Open an image by its address for the time of a command."""
    from dataclasses import replace

    from ij_omero.images import split_address

    parsed = parse_address(address)
    pixels_id = parsed.pixels_id
    if parsed.image_id is None and pixels_id is not None:
        store, image_id = replace(parsed, pixels_id=None, name=None), None
    else:
        store, image_id = split_address(parsed)
    with open_connection(store, login) as connection:
        if image_id is None:
            image_id = connection.only_image_id() if pixels_id is None else connection.image_of_pixels(pixels_id)
        yield connection.open_image(image_id, pixels_id=pixels_id)


def login_for(address: str | ImageAddress, login: Login, other: str | ImageAddress) -> Login:
    """Return the login for a second server: what the command line gave for one is never sent to another."""
    here, there = parse_address(address), parse_address(other)
    if there.scheme == "omero" and (here.host, here.port) != (there.host, there.port):
        return Login()
    return login
