"""OMEIS as a command: omeis Method=... Key=value ..., data on standard input, the answer on standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ij_omero.errors import InvalidInputError, MissingDependencyError

from ._app import Command
from ._login import Login, login_options, open_connection

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_STORE = "~/images"
DEFAULT_REPOSITORY = "~/images.omeis"


@click.command("omeis", cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--store", default=DEFAULT_STORE, show_default=True, help="Where the images are.")
@click.option(
    "--repository",
    default=None,
    metavar="FOLDER",
    help=f"Where files and unfinished pixels are kept: STORE.omeis, or {DEFAULT_REPOSITORY} for images of a server.",
)
@click.argument("parameters", nargs=-1, required=True, metavar="Method=NAME [KEY=VALUE ...]")
@login_options
def omeis_command(store: str, repository: str | None, parameters: tuple[str, ...], login: Login) -> None:
    """Call a method of OMEIS, as over HTTP: 'omeis Method=PixelsInfo PixelsID=42'.

    Data of an upload (Set..., UploadFile with its UploadSize) is read from standard input, or with IsLocalFile=1 from
    the file that File names.
    """
    try:
        from ij_omero.services.omeis import MethodFailure, Omeis, Parameters, Repository
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"ij-omero omeis needs {error.name}, which is not installed; pip install 'ij-omero[serve]'"
        ) from error
    pairs = [_pair(text) for text in parameters]
    given = Parameters(pairs, _input(dict(pairs).get("Method", "")))
    with open_connection(str(Path(store).expanduser()) if "://" not in store else store, login) as connection:
        omeis = Omeis(connection.store, Repository(repository_folder(store, repository)))
        try:
            answer = omeis.call(given, is_local=True, is_command=True)
            _print([answer.body] if isinstance(answer.body, bytes) else answer.body)
        except MethodFailure as failure:
            click.echo(str(failure), err=True, nl=False)
            sys.exit(1)
        finally:
            omeis.close()


def repository_folder(store: str, repository: str | None) -> Path:
    """Return where an OMEIS server over a store keeps what is its own."""
    if repository is not None:
        return Path(repository).expanduser()
    if "://" in store and not store.startswith("file://"):
        return Path(DEFAULT_REPOSITORY).expanduser()
    folder = Path(store.removeprefix("file://")).expanduser().resolve()
    return folder.with_name(f"{folder.name}.omeis")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInputError(f"{text!r} is no parameter; they are KEY=VALUE, as in Method=PixelsInfo PixelsID=42")
    return name, value


def _input(method: str) -> BinaryIO | None:
    takes_data = method.startswith(("Set", "Save")) or method in ("UploadFile", "ExportOMEfile")
    return sys.stdin.buffer if takes_data else None


def _print(pieces: Iterable[bytes | memoryview]) -> None:
    out = sys.stdout.buffer
    for piece in pieces:
        out.write(piece)
    out.flush()
