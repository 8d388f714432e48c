"""What a result says of how it was made: one set of key-value pairs on images, tables and ROIs of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN_NAMESPACE = "ij_omero/run"


def mark(
    client: Any,
    pairs: Sequence[tuple[str, str]],
    *,
    group_id: int,
    images: Sequence[int] = (),
    table_files: Sequence[int] = (),
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
    table_files
        Ids of tables' original files; the file annotations that attach them are marked.
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

    context = {"omero.group": str(group_id)}
    targets: list[tuple[Any, Any, int]] = [
        *((ImageAnnotationLinkI, ImageI, one) for one in images),
        *((RoiAnnotationLinkI, RoiI, one) for one in rois),
        *((AnnotationAnnotationLinkI, FileAnnotationI, one) for one in _attachments(client, table_files, context)),
    ]
    if not targets:
        return None
    update = client.sf.getUpdateService()
    annotation = MapAnnotationI()
    annotation.setNs(rstring(RUN_NAMESPACE))
    annotation.setMapValue([NamedValue(key, value) for key, value in pairs])
    saved = update.saveAndReturnObject(annotation, context)
    links = []
    for link_class, parent_class, parent_id in targets:
        link = link_class()
        link.setParent(parent_class(parent_id, False))
        link.setChild(MapAnnotationI(saved.id.val, False))
        links.append(link)
    for start in range(0, len(links), 500):
        update.saveArray(links[start : start + 500], context)
    return int(saved.id.val)


def _attachments(client: Any, files: Sequence[int], context: dict[str, str]) -> list[int]:
    if not files:
        return []
    import omero.sys

    parameters = omero.sys.ParametersI()
    parameters.addIds(list(files))
    query = "select a.id from FileAnnotation a where a.file.id in (:ids)"
    return [row[0].val for row in client.sf.getQueryService().projection(query, parameters, context)]
