"""Edits that were not saved, of this session or a crashed one: edits list, recover, discard."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import click

from ij_omero.errors import InvalidInputError

from ._app import Command
from ._bars import Bar
from ._login import Login, login_options, open_connection
from ._output import bytes_text, json_option, print_json, print_table

if TYPE_CHECKING:
    from ij_omero.cells import EditInfo


@click.group("edits")
def edits_command() -> None:
    """Edited pixels that were not saved: list them, save them as a new image, or throw them away."""


def _facts(info: EditInfo) -> dict[str, Any]:
    return {
        "id": info.edit_id,
        "address": info.address,
        "name": info.image_name,
        "modified": datetime.datetime.fromtimestamp(info.modified).astimezone().isoformat(timespec="seconds"),
        "bytes": info.nbytes,
        "in_use": info.in_use,
        "folder": info.folder,
    }


@edits_command.command("list", cls=Command)
@json_option
def list_edits_command(as_json: bool) -> None:
    """List the edits that are kept on this machine."""
    from ij_omero.cells import list_edits

    found = [_facts(info) for info in list_edits()]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no unsaved edits")
    else:
        rows = [
            (f["id"], f["modified"], bytes_text(f["bytes"]), "in use" if f["in_use"] else "", f["address"] or f["name"])
            for f in found
        ]
        print_table(("EDITS", "MODIFIED", "SIZE", "", "IMAGE"), rows)


@edits_command.command("recover", cls=Command)
@click.argument("edit_id")
@click.option("--to", "store", metavar="STORE", help="Where to save; the edited image's own store without it.")
@click.option("--name", help="The new image's name; that of the edited image without it.")
@login_options
@json_option
def recover_command(edit_id: str, store: str | None, name: str | None, login: Login, as_json: bool) -> None:
    """Save the image with the edits EDIT_ID as a new image, then drop the edits."""
    from ij_omero.cells import list_edits
    from ij_omero.images import split_address

    info = next((info for info in list_edits() if info.edit_id == edit_id), None)
    if info is None:
        raise InvalidInputError(f"there are no edits {edit_id!r}; ij-omero edits list shows those there are")
    if info.address is None:
        raise InvalidInputError(f"the edits {edit_id} are of an image without an address; recover them in Python")
    home, _ = split_address(info.address)
    with open_connection(home, login) as connection, Bar() as bar:
        target = connection if store is None else open_connection(store, login)
        try:
            with connection.recover_image(edit_id) as edited:
                new = target.save_image(edited, name=name, progress=bar)  # closing drops edits that were saved
            facts = {"edits": edit_id, "id": new.image_id, "address": str(new.address), "name": new.name}
        finally:
            if target is not connection:
                target.close()
    if as_json:
        print_json(facts)
    else:
        click.echo(f"{edit_id} -> {facts['address']}")


@edits_command.command("discard", cls=Command)
@click.argument("edit_ids", nargs=-1, metavar="EDIT_ID...")
@click.option("--all", "everything", is_flag=True, help="All that no process uses.")
def discard_command(edit_ids: tuple[str, ...], everything: bool) -> None:
    """Throw edits away. This cannot be undone."""
    from ij_omero.cells import discard_edits, list_edits

    if not edit_ids and not everything:
        raise click.UsageError("which edits? Give an EDIT_ID of `ij-omero edits list`, or --all")
    chosen = list(edit_ids) or [info.edit_id for info in list_edits() if not info.in_use]
    for edit_id in chosen:
        discard_edits(edit_id)
        click.echo(f"{edit_id} discarded")
