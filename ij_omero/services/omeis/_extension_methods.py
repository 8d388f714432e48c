"""Methods that OMEIS never had: what an image has beside its pixels, in JSON, and which images there are.

With them another program of this package sees and saves everything; a client that does not know them misses nothing of
what OMEIS is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ij_omero.errors import CorruptedDataError
from ij_omero.stores.json_codec import (
    description_from_json,
    description_to_json,
    json_text,
    roi_from_json,
    roi_to_json,
    table_from_json,
    table_to_json,
)

from ._service import Answer, Call, Service, text

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = "application/json"
LONGEST_DOCUMENT = 256 << 20


def list_pixels(service: Service, call: Call) -> Answer:
    """ListPixels: the images of the store, those of one ``Dataset`` where it is given."""
    images = [
        {"id": image.image_id, "name": image.name, "sizes": image.sizes, "type": image.pixel_type.value}
        for image in service.store.list_images(call.parameters.text("Dataset"))
        if isinstance(image.image_id, int)
    ]
    return _answer(images)


def get_description(service: Service, call: Call) -> Answer:
    """GetDescription: everything that is known of an image."""
    description = service.store.describe(service.image_id(call))
    kept = description_to_json(description)
    return _answer({"image": kept, "source": description.source_id, "dataset": description.dataset_name})


def set_description(service: Service, call: Call) -> Answer:
    """SetDescription: what unfinished pixels will be called, and all else that belongs to them."""
    pending = service.pending(call)
    document = _document(call)
    given = _parsed(call, lambda: description_from_json(document["image"]))
    if (given.sizes, given.pixel_type) != (pending.description.sizes, pending.description.pixel_type):
        raise call.parameters.failure("the description is of pixels of another size or type")
    source = document.get("source")
    if source is not None:
        service.store.describe(source)
    service.repository.describe_pending(call.parameters.pixels_id, json_text(document))
    return text(call.parameters.pixels_id)


def get_tables(service: Service, call: Call) -> Answer:
    """GetTables: the tables of an image, without their rows."""
    found = service.store.tables(service.image_id(call))
    return _answer(
        [
            {"id": table.table_id, "name": table.name, "columns": table.column_names, "rows": table.row_count}
            for table in found
        ]
    )


def read_table(service: Service, call: Call) -> Answer:
    """ReadTable: a whole table, by its ``TableID``."""
    table_id = call.parameters.text("TableID") or ""
    if not table_id:
        raise call.parameters.failure("TableID must be specified!")
    known: int | str = int(table_id) if table_id.isdecimal() and len(table_id) < 19 else table_id
    return _answer(table_to_json(service.store.read_table(known)))


def save_table(service: Service, call: Call) -> Answer:
    """SaveTable: attach a table to an image, and tell its id."""
    image_id = service.image_id(call)
    document = _document(call)
    table = _parsed(call, lambda: table_from_json(document))
    return _answer(service.store.save_table(image_id, table))


def get_rois(service: Service, call: Call) -> Answer:
    """GetROIs: the ROIs of an image."""
    return _answer([roi_to_json(roi) for roi in service.store.rois(service.image_id(call))])


def save_rois(service: Service, call: Call) -> Answer:
    """SaveROIs: add ROIs to an image, and tell their ids."""
    image_id = service.image_id(call)
    document = _document(call)
    rois = _parsed(call, lambda: [roi_from_json(roi) for roi in document])
    return _answer(service.store.save_rois(image_id, rois))


def _answer(value: Any) -> Answer:
    return Answer(json_text(value).encode(), JSON)


def _document(call: Call) -> Any:
    binary = call.parameters.binary
    content = b"" if binary is None else binary.read(LONGEST_DOCUMENT + 1)
    if len(content) > LONGEST_DOCUMENT:
        raise call.parameters.failure(f"the document is longer than {LONGEST_DOCUMENT} bytes", status=413)
    try:
        return json.loads(content)
    except ValueError as error:
        raise call.parameters.failure("File must be a JSON document", str(error)) from None


def _parsed(call: Call, parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except (CorruptedDataError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise call.parameters.failure("the document does not hold what it should", str(error)) from None


EXTENSION_METHODS: dict[str, Callable[[Service, Call], Answer]] = {
    "ListPixels": list_pixels,
    "GetDescription": get_description,
    "SetDescription": set_description,
    "GetTables": get_tables,
    "ReadTable": read_table,
    "SaveTable": save_table,
    "GetROIs": get_rois,
    "SaveROIs": save_rois,
}
