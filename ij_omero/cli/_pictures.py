"""Looking at images and moving them: info, list, import, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ij_omero.errors import IJOmeroError
from ij_omero.model import parse_address

from ._app import Command
from ._bars import Bar
from ._login import Login, login_for, login_options, open_connection, opened_image
from ._output import bytes_text, json_option, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from ij_omero.images import Connection, Image
    from ij_omero.model import Channel, ImageDescription, ImageSummary


@click.command("info", cls=Command)
@click.argument("address")
@login_options
@json_option
def info_command(address: str, login: Login, as_json: bool) -> None:
    """Show what the image at ADDRESS is, without reading its pixels."""
    with opened_image(address, login) as image:
        facts = image_facts(image)
        if as_json:
            print_json(facts)
        else:
            _print_facts(image, facts)


def image_facts(image: Image) -> dict[str, Any]:
    """Return what is known of an image, as plain values."""
    description = image.description
    return {
        "address": str(image.address),
        "id": image.image_id,
        "name": image.name,
        "sizes": dict(zip("xyzct", description.sizes, strict=True)),
        "pixel_type": description.pixel_type.value,
        "bytes": description.nbytes,
        "physical_sizes": _quantities(description),
        "channels": [_channel_facts(channel) for channel in description.channels],
        "levels": [{"width": level.width, "height": level.height} for level in image.levels],
        "description": description.description,
        "key_values": [list(pair) for pair in description.key_values],
        "tags": list(description.tags),
        "acquired": description.acquired,
        "dataset": {"id": description.dataset_id, "name": description.dataset_name},
        "project": {"id": description.project_id, "name": description.project_name},
        "owner": description.owner,
        "group": description.group,
        "source": _source(image),
        "tables": [
            {"id": table.table_id, "name": table.name, "columns": list(table.column_names), "rows": table.row_count}
            for table in image.tables()
        ],
        "roi_count": len(image.rois()),
    }


def _source(image: Image) -> str | None:
    """Return the address of the image that one was made from."""
    source_id = image.description.source_id
    if source_id is None:
        return image.description.source_address
    return str(image.store.store.address_of(source_id))


def _quantities(description: ImageDescription) -> dict[str, Any]:
    given = {
        "x": description.physical_size_x,
        "y": description.physical_size_y,
        "z": description.physical_size_z,
        "t": description.time_increment,
    }
    return {axis: {"value": size.value, "unit": size.unit} if size else None for axis, size in given.items()}


def _channel_facts(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "color": channel.color,
        "emission": str(channel.emission) if channel.emission else None,
        "excitation": str(channel.excitation) if channel.excitation else None,
        "window": channel.window,
    }


def _print_facts(image: Image, facts: dict[str, Any]) -> None:
    sizes, physical = facts["sizes"], facts["physical_sizes"]
    pixel_sizes = [f"{axis} {size['value']:g} {size['unit']}" for axis, size in physical.items() if size]
    print_pairs(
        [
            ("name", facts["name"]),
            ("address", facts["address"]),
            ("id", facts["id"]),
            ("sizes", "  ".join(f"{axis.upper()} {size}" for axis, size in sizes.items())),
            ("pixels", f"{facts['pixel_type']}, {bytes_text(facts['bytes'])}"),
            ("pixel size", ", ".join(pixel_sizes) or "unknown"),
            ("channels", ", ".join(c["name"] or f"Channel {i}" for i, c in enumerate(facts["channels"]))),
            ("levels", ", ".join(f"{level.width} x {level.height}" for level in image.levels)),
            ("dataset", facts["dataset"]["name"]),
            ("project", facts["project"]["name"]),
            ("owner", facts["owner"]),
            ("group", facts["group"]),
            ("acquired", facts["acquired"]),
            ("made from", facts["source"]),
            ("tags", ", ".join(facts["tags"])),
            *((f"  {key}", value) for key, value in facts["key_values"]),
            *(("table", f"{t['name']} (id {t['id']}): {', '.join(t['columns'])}") for t in facts["tables"]),
            ("ROIs", facts["roi_count"] or None),
            ("description", facts["description"]),
        ]
    )


def _summary_facts(summary: ImageSummary, address: str) -> dict[str, Any]:
    return {
        "id": summary.image_id,
        "address": address,
        "name": summary.name,
        "sizes": dict(zip("xyzct", summary.sizes, strict=True)),
        "pixel_type": summary.pixel_type.value,
        "dataset": summary.dataset_name,
    }


@click.command("list", cls=Command)
@click.argument("store")
@click.option("--dataset", type=int, help="Only the images of this dataset.")
@login_options
@json_option
def list_command(store: str, dataset: int | None, login: Login, as_json: bool) -> None:
    """List the images of STORE: a folder, or omero://host."""
    with open_connection(store, login) as connection:
        images = list(connection.list_images(dataset))
        if as_json:
            print_json([_summary_facts(one, str(connection.store.address_of(one.image_id))) for one in images])
            return
        rows = [
            (one.image_id, " x ".join(map(str, one.sizes)), one.pixel_type.value, one.name, one.dataset_name)
            for one in images
        ]
        print_table(("ID", "X x Y x Z x C x T", "PIXELS", "NAME", "DATASET"), rows)


@click.command("import", cls=Command)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--to", "store", required=True, metavar="STORE", help="A folder, or omero://host.")
@click.option("--name", help="The image's name; the file's without it.")
@click.option("--dataset", type=int, help="The dataset to link the images to.")
@login_options
@json_option
def import_command(
    files: tuple[str, ...], store: str, name: str | None, dataset: int | None, login: Login, as_json: bool
) -> int:
    """Import pictures (TIFF, OME-TIFF, PNG, JPEG, ...) into a store as new images.

    The address of an image, or an OME-Zarr folder, is copied with its tables and ROIs; options of the login are for
    STORE, and for the address where that is the only server or the same one.

    A file that cannot be imported is reported and the others still are; the exit code is then 1.
    """
    done: list[dict[str, Any]] = []
    failed = 0
    with open_connection(store, login) as connection, Bar() as bar:
        for file in files:
            try:
                if _is_image_of_a_store(file):
                    image = _copied(connection, file, login_for(file, login, store), name, dataset, bar)
                else:
                    image = connection.import_picture(file, name=name, dataset=dataset, progress=bar)
            except IJOmeroError as error:
                bar.close()
                click.echo(f"error: {file}: {error}", err=True)
                failed += 1
                continue
            with image:
                done.append({"file": file, "id": image.image_id, "address": str(image.address), "name": image.name})
            bar.close()
            if not as_json:
                click.echo(f"{file} -> {done[-1]['address']}")
    if as_json:
        print_json(done)
    return 1 if failed else 0


def _is_image_of_a_store(text: str) -> bool:
    path = Path(text).expanduser()
    return not path.is_file() and (path.is_dir() or parse_address(text).scheme != "file")


def _copied(
    connection: Connection, address: str, login: Login, name: str | None, dataset: int | None, bar: Bar
) -> Image:
    """Copy an image of another store, or of this one, with what is attached to it."""
    with opened_image(address, login) as image:
        tables = [image.store.read_table(table.table_id) for table in image.tables()]
        return connection.save_image(image, name=name, dataset=dataset, tables=tables, rois=image.rois(), progress=bar)


@click.command("export", cls=Command)
@click.argument("address")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@login_options
def export_command(address: str, file: Path, force: bool, login: Login) -> None:
    """Export the image at ADDRESS to FILE: .ome.tif or .tif (OME-TIFF), .zarr (OME-Zarr), .png, .npy."""
    if file.exists() and not force:
        raise click.UsageError(f"{file} exists; --force replaces it")
    with opened_image(address, login) as image, Bar() as bar:
        image.export(file, overwrite=force, progress=bar)
    click.echo(f"{address} -> {file}")
