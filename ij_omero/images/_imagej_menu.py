"""File > Import > OMERO... and File > Export > OMERO... of ImageJ: what its users fill in, as connecting and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ij_omero.errors import IJOmeroError, InvalidInputError, ModuleCanceledError
from ij_omero.model import ImageAddress, parse_address

from ._opening import kept_connection, split_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.model import Roi, Table

    from ._connection import Connection

TITLE = "OMERO..."
_PORT = 4064
_LIST = "java.util.List"


def add_to_menu() -> None:
    """Put both commands into the menu of the running ImageJ."""
    from ij_omero.imagej import register_module

    dataset = "net.imagej.Dataset"
    register_module(
        import_from_omero,
        title=TITLE,
        menu=("File", "Import"),
        limits={"port": (1, 65535)},
        styles={"password": "password"},
        java={"image": dataset, "rois": _LIST, "tables": _LIST},
        outputs={"image": object, "rois": object, "tables": object},
    )
    register_module(
        export_to_omero,
        title=TITLE,
        menu=("File", "Export"),
        limits={"port": (1, 65535)},
        styles={"password": "password"},
        java={"image": dataset, "rois": _LIST, "tables": _LIST},
        outputs={"image_id": int, "address": str},
    )


def import_from_omero(
    image_id: int,
    server: str = "localhost",
    port: int = _PORT,
    user: str = "",
    password: str = "",
    download_tables: bool = False,
    download_rois: bool = False,
) -> dict[str, Any]:
    """Open an image of an OMERO.server as a lazily loaded Dataset, with its ROIs and tables where wanted.

    Without a user or password a session that exists is joined, as ``omero login`` leaves one.
    """
    from ij_omero import imagej

    try:
        connection = _connection(server, port, user, password)
        image = connection.open_image(image_id)
        dataset = image.to_dataset()
        found = image.rois() if download_rois else []
        tables = (
            [imagej.to_scijava_table(connection.read_table(one.table_id)) for one in image.tables()]
            if download_tables
            else []
        )
    except IJOmeroError as error:
        raise _canceled(error) from error
    if found:
        imagej.attach_rois(dataset, found)
    return {"image": dataset, "rois": imagej.to_imagej_rois(found), "tables": tables}


def export_to_omero(
    image: Any,
    server: str = "localhost",
    port: int = _PORT,
    user: str = "",
    password: str = "",
    dataset_id: int = -1,
    upload_new_image: bool = True,
    upload_tables: bool = False,
    upload_rois: bool = False,
    update_rois: bool = False,
    table_names: str = "",
    rois: Any = None,
    tables: Any = None,
) -> dict[str, Any]:
    """Save a Dataset as a new image of an OMERO.server, or attach tables and ROIs to the image that it was opened from.

    Tables and ROIs are those given, else those that ImageJ shows. Table names are separated by commas; tables beyond
    the last name keep their own.
    """
    if upload_new_image and update_rois:
        raise ModuleCanceledError(
            "ROIs of a new image cannot be updated, since it has none yet; choose Upload rois instead of Update rois, "
            "or do not upload a new image"
        )
    try:
        connection = _connection(server, port, user, password)
        origin = _origin(image, connection.address)
        if not upload_new_image and origin is None:
            raise InvalidInputError(
                f"the image was not opened from {connection.address}, so there is nothing to attach tables and ROIs "
                "to; upload it as a new image"
            )
        chosen_tables = _tables(tables, table_names) if upload_tables else []
        chosen_rois = _rois(rois, image) if upload_rois or update_rois else []
        if upload_new_image:
            dataset = dataset_id if dataset_id > 0 else None
            with connection.save_image(
                image, dataset=dataset, source=origin, tables=chosen_tables, rois=chosen_rois
            ) as new:
                return {"image_id": int(new.image_id), "address": str(new.address)}
        if origin is None:
            raise InvalidInputError("the image was opened from no server")
        return _attach(connection, origin, chosen_tables, chosen_rois, update=update_rois)
    except IJOmeroError as error:
        raise _canceled(error) from error


def _attach(
    connection: Connection, image_id: int, tables: Sequence[Table], rois: Sequence[Roi], *, update: bool
) -> dict[str, Any]:
    from ij_omero.stores import OmeroStore

    store = connection.store
    for table in tables:
        store.save_table(image_id, table)
    if rois and update and isinstance(store, OmeroStore):
        store.update_rois(image_id, rois)
    elif rois:
        store.save_rois(image_id, rois)
    return {"image_id": image_id, "address": str(store.address_of(image_id))}


def _connection(server: str, port: int, user: str, password: str) -> Connection:
    address = parse_address(f"omero:server={quote(server.strip())}&port={port}")
    return kept_connection(address, user=user.strip() or None, password=password or None)


def _canceled(error: IJOmeroError) -> ModuleCanceledError:
    """Return what ImageJ shows as the reason."""
    return error if isinstance(error, ModuleCanceledError) else ModuleCanceledError(f"Error talking to OMERO: {error}")


def _origin(image: Any, store: ImageAddress) -> int | None:
    from ij_omero.imagej import source_address

    text = source_address(image)
    if text is None:
        return None
    where, image_id = split_address(text)
    same = (where.scheme, where.host, where.port) == (store.scheme, store.host, store.port)
    return int(image_id) if same and image_id is not None else None


def _tables(given: Any, names: str) -> list[Table]:
    from dataclasses import replace

    from ij_omero import imagej

    tables = [imagej.from_scijava_table(one) for one in given] if given is not None else imagej.shown_tables()
    wanted = [name.strip() for name in names.split(",")]
    return [
        replace(table, name=wanted[number]) if number < len(wanted) and wanted[number] else table
        for number, table in enumerate(tables)
    ]


def _rois(given: Any, image: Any) -> list[Roi]:
    from ij_omero import imagej

    return imagej.from_imagej_rois(given) if given is not None else imagej.shown_rois(image)
