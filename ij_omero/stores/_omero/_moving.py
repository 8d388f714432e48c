"""Pixels of one image become further pixels of another.

The server deletes no Pixels by themselves, so they are written into a marked image of their own, which a crash leaves
to be removed like any other; only when they are whole they change over, and the image left behind is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.model import PixelType

from ._completing import NewImage, annotation_link, map_annotation, source_facts
from ._deleting import delete_objects
from ._ice import omero
from ._marks import PIXELS, PIXELS_TYPE, PROVENANCE

if TYPE_CHECKING:
    from ._session import Connection

_TARGET = "select i from Image i join fetch i.pixels where i.id = :id"
_PIXELS = "select p from Pixels p where p.id = :id"


def move_pixels(connection: Connection, new: NewImage, image_id: int) -> None:
    """Give whole pixels to another image, with a note of where they come from, and delete the image that held them."""
    query = connection.service("Query")
    target = query.findByQuery(_TARGET, omero.sys.ParametersI().addId(image_id), new.context)
    pixels = query.findByQuery(_PIXELS, omero.sys.ParametersI().addId(new.pixels_id), new.context)
    pixels.methodology = omero.rtypes.rstring(new.description.name[:255])
    target.addPixels(pixels)
    facts = [(PIXELS, str(new.pixels_id)), *source_facts(new)]
    if new.description.pixel_type is PixelType.BIT:
        facts.append((PIXELS_TYPE, PixelType.BIT.value))
    note = annotation_link(image_id, map_annotation(PROVENANCE, facts))
    connection.service("Update").saveCollection([target, note], new.context)
    delete_objects(connection, "Image", [new.image_id], new.context)
