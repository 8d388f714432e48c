"""Volumes by DVID's interface: serving a store, and the commands that DVID itself has."""

from __future__ import annotations

import contextlib
import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ij_omero.errors import InvalidInputError, MissingDependencyError

from ._app import Command
from ._bars import Bar
from ._output import json_option, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ij_omero.stores import DvidClient

WHERE_VARIABLE, TOKEN_VARIABLE = "IJ_OMERO_DVID", "IJ_OMERO_TOKEN"
_DEFAULT = "dvid://127.0.0.1:8000"

_at_option = click.option(
    "--at",
    "where",
    default=lambda: os.environ.get(WHERE_VARIABLE, _DEFAULT),
    help=f"A server (dvid://host:port), or a store's folder; ${WHERE_VARIABLE}, else {_DEFAULT}.",
)


@click.group("dvid")
def dvid_command() -> None:
    """Keep versioned volumes of voxels, and serve them by DVID's interface."""


@dvid_command.command("serve", cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; others need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer.")
@click.option("--cache", type=click.IntRange(0), default=256, show_default=True, help="MB of answers that each keeps.")
@click.option("--read-only", is_flag=True, help="Refuse everything but reading.")
@click.option(
    "--grid", "grids", multiple=True, metavar="NAME=ADDRESS", help="A precomputed volume, for GridStore=NAME."
)
def serve_command(
    folder: Path, host: str, port: int, workers: int, cache: int, read_only: bool, grids: tuple[str, ...]
) -> None:
    """Serve the store in FOLDER until Ctrl-C; it is made where there is none.

    A token that clients must send is taken from the environment: IJ_OMERO_TOKEN.
    """
    with _needs_serve():
        from functools import partial

        from ij_omero.services import ServiceSettings, serve
        from ij_omero.services.dvid import Limits, VoxelStore, make_app
    VoxelStore(folder).close()  # says now that the folder cannot be used
    settings = ServiceSettings(host, os.environ.get(TOKEN_VARIABLE) or None)
    limits = Limits(cache=cache * 1_000_000, read_only=read_only, grids=dict(_setting(grid) for grid in grids))

    def ready(address: str) -> None:
        click.echo(address)
        click.echo("Ctrl-C ends it.", err=True)

    serve(partial(make_app, folder, settings, limits), host, port, workers=workers, on_ready=ready)


@dvid_command.command("repos", cls=Command)
@click.argument("words", nargs=-1)
@_at_option
@json_option
def repos_command(words: tuple[str, ...], where: str, as_json: bool) -> None:
    """List repositories, or make one: `repos new ALIAS [DESCRIPTION]`."""
    if words and (words[0] != "new" or len(words) > 3):
        raise click.UsageError("expected: repos new ALIAS [DESCRIPTION]")
    with _client(where) as client:
        if words:
            root = client.new_repo(*words[1:])
            print_json({"root": root}) if as_json else click.echo(root)
            return
        repos = client.repos()
        if as_json:
            print_json(repos)
            return
        rows = [(root, told["Alias"], ", ".join(told["DataInstances"] or ())) for root, told in repos.items()]
        print_table(("root", "alias", "data"), rows)


@dvid_command.command("repo", cls=Command)
@click.argument("uuid")
@click.argument("words", nargs=-1, required=True)
@_at_option
def repo_command(uuid: str, words: tuple[str, ...], where: str) -> None:
    """Make an instance of data: `repo UUID new TYPE NAME [KEY=VALUE ...]`; delete one: `repo UUID delete NAME`."""
    with _client(where) as client:
        if words[0] == "new" and len(words) >= 3:
            settings = dict(_setting(word) for word in words[3:])
            client.new_instance(uuid, words[2], words[1], **settings)
            click.echo(f"Added {words[2]} [{words[1]}] to node {uuid}")
        elif words[0] == "delete" and len(words) == 2:
            client.delete_instance(uuid, words[1])
            click.echo(f"Deleted {words[1]} at all versions")
        else:
            raise click.UsageError("expected: repo UUID new TYPE NAME [KEY=VALUE ...], or repo UUID delete NAME")


@dvid_command.command("node", cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("uuid")
@click.argument("words", nargs=-1, required=True)
@_at_option
def node_command(uuid: str, words: tuple[str, ...], where: str) -> None:
    """Work on a version, or on an instance of data at it.

    \b
    node UUID NAME load OFFSET FILES ...              XY pictures behind each other
    node UUID NAME put local DIMS OFFSET FILES ...    DIMS is xy, xz or yz
    node UUID NAME put remote DIMS OFFSET FILES ...   the same: files are sent to the server
    node UUID NAME roi ROI 0,255                      the blocks with anything but these values
    node UUID commit [NOTE]
    node UUID newversion [NOTE]
    node UUID branch BRANCH [NOTE]

    OFFSET is x,y,z. FILES may be quoted patterns.
    """  # noqa: D301 - click's own mark
    with _client(where) as client:
        match words:
            case ("commit", *rest) if len(rest) <= 1:
                click.echo(client.commit(uuid, "".join(rest)))
            case ("newversion", *rest) if len(rest) <= 1:
                click.echo(client.new_version(uuid, "".join(rest)))
            case ("branch", branch, *rest) if len(rest) <= 1:
                click.echo(client.new_version(uuid, "".join(rest), branch))
            case (name, "load", offset, first, *more):
                _put(client, uuid, name, "xy", offset, [first, *more])
            case (name, "put", "local" | "remote", dims, offset, first, *more):
                _put(client, uuid, name, dims, offset, [first, *more])
            case (name, "roi", roi, background):
                values = [_whole(value, "background values") for value in background.split(",")]
                with Bar() as bar:
                    count = client.foreground_roi(uuid, name, roi, values, bar)
                click.echo(f"{roi}: {count} blocks")
            case _:
                raise click.UsageError("expected a command for the node, such as: node UUID NAME load OFFSET FILES")


def _put(client: DvidClient, uuid: str, name: str, dims: str, offset: str, patterns: Sequence[str]) -> None:
    numbers = [_whole(number, "the offset") for number in offset.split(",")]
    if len(numbers) != 3:
        raise InvalidInputError(f"the offset is three numbers x,y,z, not {offset!r}")
    found = [sorted(glob.glob(os.path.expanduser(pattern))) for pattern in patterns]  # noqa: PTH111, PTH207
    for pattern, names in zip(patterns, found, strict=True):
        if not names:
            raise InvalidInputError(f"no file matches {pattern!r}")
    files = [Path(each) for names in found for each in names]
    with Bar() as bar:
        client.put_pictures(uuid, name, dims, (numbers[0], numbers[1], numbers[2]), files, bar)
    click.echo(f"{name}: {len(files)} picture{'' if len(files) == 1 else 's'}")


def _whole(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInputError(f"{what} must be whole numbers joined by commas, not {text!r}") from None


def _setting(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{word!r} is no setting; expected KEY=VALUE, as in BlockSize=32,32,32")
    return key, value


@contextlib.contextmanager
def _client(where: str) -> Iterator[DvidClient]:
    """Give a client of a server; a folder is served for as long as the command runs."""
    with _needs_serve():
        from ij_omero.stores import DvidClient
    token = os.environ.get(TOKEN_VARIABLE) or None
    if "://" in where:
        address = where.replace("http://", "dvid://", 1)
        with DvidClient(address, token=token) as client:
            yield client
        return
    folder = Path(where).expanduser()
    with _needs_serve():
        from functools import partial

        from ij_omero.services import Background
        from ij_omero.services.dvid import make_app
    with (
        Background(partial(make_app, folder)) as address,
        DvidClient(address.replace("http://", "dvid://", 1)) as client,
    ):
        yield client


@contextlib.contextmanager
def _needs_serve() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"ij-omero dvid needs {error.name}, which is not installed; pip install 'ij-omero[serve]'"
        ) from error
