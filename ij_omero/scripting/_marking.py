"""What a result says of how it was made: one set of key-value pairs on images, tables and ROIs of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ij_omero.errors import OperationTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUN_NAMESPACE = "ij_omero/run"
_DELETING_S = 60.0
_POLL_S = 0.05


def mark(
    client: Any,
    pairs: Sequence[tuple[str, str]],
    *,
    group_id: int,
    images: Sequence[int] = (),
    attachments: Sequence[int] = (),
    rois: Sequence[int] = (),
) -> int | None:
    """Annotate the results of a run and return the annotation's id; None where there is nothing to annotate.

    Parameters
    ----------
    pairs
        Keys with their values, in their order.
    group_id
        The group in which the results lie.
    images, rois
        Ids of new images and ROIs.
    attachments
        Ids of the file annotations that attach tables.
    """
    from omero.model import (
        AnnotationAnnotationLinkI,
        FileAnnotationI,
        ImageAnnotationLinkI,
        ImageI,
        MapAnnotationI,
        NamedValue,
        RoiAnnotationLinkI,
        RoiI,
    )
    from omero.rtypes import rstring

    targets: list[tuple[Any, Any, int]] = [
        *((ImageAnnotationLinkI, ImageI, one) for one in images),
        *((RoiAnnotationLinkI, RoiI, one) for one in rois),
        *((AnnotationAnnotationLinkI, FileAnnotationI, one) for one in attachments),
    ]
    if not targets:
        return None
    context = {"omero.group": str(group_id)}
    update = client.sf.getUpdateService()
    annotation = MapAnnotationI()
    annotation.setNs(rstring(RUN_NAMESPACE))
    annotation.setMapValue([NamedValue(key, value) for key, value in pairs])
    links = [_link(*target) for target in targets]
    # the first link brings the annotation with it, for each call costs the server milliseconds
    links[0].setChild(annotation)
    saved = int(update.saveAndReturnObject(links[0], context).child.id.val)
    for start in range(1, len(links), 500):
        for link in links[start : start + 500]:
            link.setChild(MapAnnotationI(saved, False))
        update.saveArray(links[start : start + 500], context)
    return saved


def _link(link_class: Any, parent_class: Any, parent_id: int) -> Any:
    link = link_class()
    link.setParent(parent_class(parent_id, False))
    return link


def attach_also(client: Any, attachment: int, images: Sequence[int], group_id: int) -> None:
    """Attach what is attached to one image to others as well."""
    from omero.model import FileAnnotationI, ImageAnnotationLinkI, ImageI

    links = [_link(ImageAnnotationLinkI, ImageI, one) for one in images]
    for link in links:
        link.setChild(FileAnnotationI(attachment, False))
    if links:
        client.sf.getUpdateService().saveArray(links, {"omero.group": str(group_id)})


def put_also_into(client: Any, image_id: int, datasets: Sequence[int], group_id: int) -> None:
    """Put an image that lies in one dataset into others as well."""
    from omero.model import DatasetI, DatasetImageLinkI, ImageI

    links = [_link(DatasetImageLinkI, DatasetI, one) for one in datasets]
    for link in links:
        link.setChild(ImageI(image_id, False))
    if links:
        client.sf.getUpdateService().saveArray(links, {"omero.group": str(group_id)})


def delete(client: Any, objects: Mapping[str, Sequence[int]], group_id: int) -> None:
    """Delete objects of the server with what hangs on them alone.

    Parameters
    ----------
    objects
        ``{class: ids}``, such as ``{"Roi": [3, 4]}``.

    Raises
    ------
    omero.CmdError
        The server refused.
    OperationTimeoutError
        It takes the server very long.
    """
    import omero
    import omero.cmd

    wanted = {kind: list(ids) for kind, ids in objects.items() if ids}
    if not wanted:
        return
    handle = client.sf.submit(omero.cmd.Delete2(targetObjects=wanted), {"omero.group": str(group_id)})
    try:
        until = time.monotonic() + _DELETING_S
        while (response := handle.getResponse()) is None:
            if time.monotonic() > until:
                raise OperationTimeoutError(f"the server has not deleted {wanted} within {_DELETING_S:g} s")
            time.sleep(_POLL_S)
        if isinstance(response, omero.cmd.ERR):
            raise omero.CmdError(response, f"{wanted} could not be deleted: {response.name}")
    finally:
        handle.close()


def attachments_of(client: Any, files: Sequence[int]) -> list[int]:
    """Return the ids of the file annotations that attach files, in the order of the files."""
    if not files:
        return []
    import omero.sys

    parameters = omero.sys.ParametersI()
    parameters.addIds(list(files))
    query = "select a.file.id, a.id from FileAnnotation a where a.file.id in (:ids)"
    rows = client.sf.getQueryService().projection(query, parameters, {"omero.group": "-1"})
    found = {file.val: annotation.val for file, annotation in rows}
    return [found[one] for one in files if one in found]


def shown_image(image_id: int, name: str) -> Any:
    """Return an image as OMERO.web shows an output: a link with a name.

    Only id and name are set: the server cannot give back an output that carries the details of its owner and group.
    """
    from omero.model import ImageI
    from omero.rtypes import rlong, robject, rstring

    image = ImageI()
    image.setId(rlong(image_id))
    image.setName(rstring(name))
    return robject(image)


def shown_file(attachment_id: int, file_id: int, name: str) -> Any:
    """Return an attached file as OMERO.web shows an output: a link that downloads it."""
    from omero.model import FileAnnotationI, OriginalFileI
    from omero.rtypes import rlong, robject, rstring

    file = OriginalFileI()
    file.setId(rlong(file_id))
    file.setName(rstring(name))
    file.setMimetype(rstring("OMERO.tables"))
    annotation = FileAnnotationI()
    annotation.setId(rlong(attachment_id))
    annotation.setFile(file)
    return robject(annotation)
