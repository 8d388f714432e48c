"""Listings of images, in pages, without opening any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.model import ImageSummary, PixelType

from ._ice import omero
from ._marks import PROVENANCE, UNFINISHED, UnfinishedImage, read_mark
from ._session import ALL_GROUPS
from ._sink import being_written
from ._values import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._session import Connection, OmeroSession

PAGE = 500

_IMAGES = """
    select i.id, i.name, p.sizeX, p.sizeY, p.sizeZ, p.sizeC, p.sizeT, t.value
    from Image i join i.pixels p join p.pixelsType t {join}
    where i.id > :after and (i.description is null or substring(i.description, 1, :length) <> :mark) {condition}
    order by i.id, p.id
    """
_DATASETS = "select l.child.id, l.parent.name from DatasetImageLink l where l.child.id in (:ids) order by l.parent.id"
_BITS = """
    select l.parent.id from ImageAnnotationLink l, MapAnnotation a join a.mapValue v
    where l.child.id = a.id and a.ns = :ns and v.name = 'pixel type' and v.value = 'bit' and l.parent.id in (:ids)
    """
_UNFINISHED = """
    select i.id, i.description from Image i
    where i.details.owner.id = :owner and substring(i.description, 1, :length) = :mark order by i.id
    """


def list_images(session: OmeroSession, dataset_id: int | None, context: dict[str, str]) -> Iterator[ImageSummary]:
    """Yield images in the order of their ids; unfinished ones are left out."""
    after = 0
    while True:
        page = session.call("listing images", lambda connection: _page(connection, dataset_id, context, after))  # noqa: B023
        yield from page
        if not page:
            return
        after = int(page[-1].image_id)


def find_unfinished(session: OmeroSession) -> list[UnfinishedImage]:
    """Return the user's unfinished images, in all their groups."""
    parameters = _marked().addLong("owner", session.identity.user_id)
    rows = session.call(
        "looking for unfinished images",
        lambda connection: connection.service("Query").projection(_UNFINISHED, parameters, ALL_GROUPS),
    )
    active = {image_id for server, image_id in being_written if server == session.login.server}
    return [read_mark(row[0].val, row[1].val, active) for row in rows]


def _marked() -> Any:
    parameters = omero.sys.ParametersI().addString("mark", UNFINISHED)
    return parameters.add("length", omero.rtypes.rint(len(UNFINISHED)))


def _page(connection: Connection, dataset_id: int | None, context: dict[str, str], after: int) -> list[ImageSummary]:
    query = connection.service("Query")
    parameters = _marked().addLong("after", after).page(0, PAGE)
    join, condition = "", ""
    if dataset_id is not None:
        join, condition = "join i.datasetLinks dl", "and dl.parent.id = :dataset"
        parameters.addLong("dataset", dataset_id)
    rows = query.projection(_IMAGES.format(join=join, condition=condition), parameters, context)
    if not rows:
        return []
    ids = omero.sys.ParametersI().addIds(sorted({row[0].val for row in rows}))
    names = query.begin_projection(_DATASETS, ids, _ctx=context)
    flagged = query.begin_projection(_BITS, ids.addString("ns", PROVENANCE), _ctx=context)
    datasets = {row[0].val: row[1].val for row in reversed(query.end_projection(names))}
    bits = {row[0].val for row in query.end_projection(flagged)}
    summaries: dict[int, ImageSummary] = {}
    for row in rows:
        image_id, name, *sizes, pixel_type = (value_of(value) for value in row)
        kind = PixelType.BIT if image_id in bits and pixel_type == "uint8" else PixelType.named(pixel_type)
        size_x, size_y, size_z, size_c, size_t = sizes
        extent = (size_x, size_y, size_z, size_c, size_t)
        summary = ImageSummary(image_id, name or "", extent, kind, datasets.get(image_id))
        # Of several Pixels of an image the first counts, as everywhere.
        summaries.setdefault(image_id, summary)
    return list(summaries.values())
