"""ROIs and their shapes, both ways."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AttachmentNotFoundError, InvalidInputError, StorageError, WriteError
from ij_omero.model import (
    AffineTransform,
    Ellipse,
    Label,
    Line,
    Mask,
    Point,
    Polygon,
    Polyline,
    Quantity,
    Rectangle,
    Roi,
    Shape,
)

from ._deleting import delete_objects
from ._ice import omero
from ._mask_bits import pack_bits, unpack_bits
from ._session import ALL_GROUPS
from ._values import color_of_int, int_of_color, length_for, optional, quantity_of, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._session import Connection, OmeroSession

PAGE = 1000
_ROIS = """
    select r from Roi r left outer join fetch r.shapes s left outer join fetch s.transform
    where r.id in (:ids) order by r.id
    """
_IDS = "select r.id from Roi r where r.image.id = :id order by r.id"

_CLASSES: dict[type, str] = {
    Rectangle: "RectangleI",
    Ellipse: "EllipseI",
    Line: "LineI",
    Point: "PointI",
    Polygon: "PolygonI",
    Polyline: "PolylineI",
    Label: "LabelI",
    Mask: "MaskI",
}
# Ours and OMERO's names of what is a number in both.
_NUMBERS: dict[type, dict[str, str]] = {
    Rectangle: {"x": "x", "y": "y", "width": "width", "height": "height"},
    Ellipse: {"x": "x", "y": "y", "radius_x": "radiusX", "radius_y": "radiusY"},
    Line: {"x1": "x1", "y1": "y1", "x2": "x2", "y2": "y2"},
    Point: {"x": "x", "y": "y"},
    Polygon: {},
    Polyline: {},
    Label: {"x": "x", "y": "y"},
    Mask: {"x": "x", "y": "y", "width": "width", "height": "height"},
}
_TRANSFORM = ("a00", "a01", "a02", "a10", "a11", "a12")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def read_rois(session: OmeroSession, image_id: int, group_id: int) -> list[Roi]:
    """Return the ROIs of an image."""
    context = {"omero.group": str(group_id)}

    def read(connection: Connection) -> list[Roi]:
        return [roi_of(stored) for stored in _stored(connection, image_id, context)]

    return session.call(f"reading the ROIs of image {image_id}", read)


def save_rois(
    session: OmeroSession, image_id: int, group_id: int, rois: Sequence[Roi], *, in_place: bool = False
) -> list[int | str]:
    """Save ROIs, all or none of each thousand; with ``in_place`` those that exist keep their ids."""
    context = {"omero.group": str(group_id)}

    def save(connection: Connection) -> list[int | str]:
        known = _without_dropped(connection, image_id, context, rois) if in_place else {}
        ids: list[int | str] = []
        update = connection.service("Update")
        for start in range(0, len(rois), PAGE):
            batch = [_filled(roi, image_id, known) for roi in rois[start : start + PAGE]]
            ids.extend(saved.id.val for saved in update.saveAndReturnArray(batch, context))
        return ids

    return session.call(f"saving {len(rois)} ROIs of image {image_id}", save, again=False, otherwise=WriteError)


def delete_rois(session: OmeroSession, roi_ids: Sequence[int | str]) -> None:
    """Delete ROIs; an unknown one raises AttachmentNotFoundError and nothing is deleted."""
    ids = [int(roi_id) if str(roi_id).isdecimal() else 0 for roi_id in roi_ids]
    if not ids:
        return

    def delete(connection: Connection) -> None:
        parameters = omero.sys.ParametersI().addIds(ids)
        hql = "select r.id from Roi r where r.id in (:ids)"
        found = {row[0].val for row in connection.service("Query").projection(hql, parameters, ALL_GROUPS)}
        missing = [roi_id for roi_id, number in zip(roi_ids, ids, strict=True) if number not in found]
        if missing:
            raise AttachmentNotFoundError(f"there is no ROI {missing[0]!r} at {session.login.server}")
        delete_objects(connection, "Roi", ids, ALL_GROUPS)

    session.call(f"deleting {len(ids)} ROIs", delete, otherwise=StorageError)


def roi_of(stored: Any) -> Roi:
    """Return an OMERO ROI as ours; shapes of kinds that the model has not (Path) are left out."""
    shapes = [_shape_of(shape) for shape in stored.copyShapes() if shape is not None]
    return Roi(
        tuple(shape for shape in shapes if shape is not None),
        value_of(stored.name),
        value_of(stored.description),
        stored.id.val,
    )


def _stored(connection: Connection, image_id: int, context: dict[str, str]) -> list[Any]:
    query = connection.service("Query")
    rows = query.projection(_IDS, omero.sys.ParametersI().addId(image_id), context)
    ids = [row[0].val for row in rows]
    stored: dict[int, Any] = {}
    for start in range(0, len(ids), PAGE):
        parameters = omero.sys.ParametersI().addIds(ids[start : start + PAGE])
        # The join gives a ROI once for each of its shapes.
        for roi in query.findAllByQuery(_ROIS, parameters, context):
            stored[roi.id.val] = roi
    return list(stored.values())


def _without_dropped(
    connection: Connection, image_id: int, context: dict[str, str], rois: Sequence[Roi]
) -> dict[int, Any]:
    """Remove the shapes that the new ROIs lack and return what is stored then.

    In one step with new shapes the server would insert these at places of the list that are still taken.
    """
    stored = {roi.id.val: roi for roi in _stored(connection, image_id, context)}
    changed = []
    for roi in rois:
        old = stored.get(_number_of(roi))
        if old is None:
            continue
        kept = {(shape.shape_id, _CLASSES[type(shape)]) for shape in roi.shapes}
        dropped = [s for s in old.copyShapes() if s is not None and (s.id.val, type(s).__name__) not in kept]
        for shape in dropped:
            old.removeShape(shape)
        if dropped:
            changed.append(old)
    if not changed:
        return stored
    connection.service("Update").saveCollection(changed, context)
    return {roi.id.val: roi for roi in _stored(connection, image_id, context)}


def _number_of(roi: Roi) -> int:
    """Return a ROI's id as a number, 0 where it has none."""
    text = str(roi.roi_id)
    return int(text) if text.isdecimal() else 0


def _filled(roi: Roi, image_id: int, known: dict[int, Any]) -> Any:
    if not roi.shapes:
        raise InvalidInputError(f"ROI {roi.name!r} has no shapes; OMERO and its viewers need at least one")
    stored = known.get(_number_of(roi))
    if stored is None:
        stored = omero.model.RoiI()
        stored.image = omero.model.ImageI(image_id, False)
    old = {shape.id.val: shape for shape in stored.copyShapes() if shape is not None}
    stored.name = optional(omero.rtypes.rstring, roi.name)
    stored.description = optional(omero.rtypes.rstring, roi.description)
    for shape in roi.shapes:
        target = old.get(shape.shape_id) if shape.shape_id is not None else None
        if target is not None and type(target).__name__ == _CLASSES[type(shape)]:
            _fill_shape(shape, target)
        else:
            stored.addShape(_fill_shape(shape, None))
    return stored


def _fill_shape(shape: Shape, target: Any) -> Any:
    kind = type(shape)
    if kind not in _CLASSES:
        raise InvalidInputError(f"OMERO has no shape {kind.__name__}; expected one of {[c.__name__ for c in _CLASSES]}")
    if target is None:
        target = getattr(omero.model, _CLASSES[kind])()
    for ours, theirs in _NUMBERS[kind].items():
        setattr(target, theirs, omero.rtypes.rdouble(float(getattr(shape, ours))))
    if isinstance(shape, Polygon | Polyline):
        text = " ".join(f"{float(x)!r},{float(y)!r}" for x, y in shape.points)
        target.points = omero.rtypes.rstring(text)
    if isinstance(shape, Mask):
        target.setBytes(pack_bits(shape.bits))
    for ours, theirs in (("z", "theZ"), ("c", "theC"), ("t", "theT")):
        position = getattr(shape, ours)
        if position is not None and position < 0:
            raise InvalidInputError(f"{ours}={position} of a shape is below 0; None means all")
        setattr(target, theirs, optional(omero.rtypes.rint, position))
    target.textValue = optional(omero.rtypes.rstring, shape.text)
    target.strokeColor = optional(omero.rtypes.rint, int_of_color(shape.stroke_color))
    target.fillColor = optional(omero.rtypes.rint, int_of_color(shape.fill_color))
    target.strokeWidth = length_for(None if shape.stroke_width is None else Quantity(shape.stroke_width, "pixel"))
    target.fontSize = length_for(None if shape.font_size is None else Quantity(shape.font_size, "pt"))
    target.transform = None
    if shape.transform is not None:
        target.transform = omero.model.AffineTransformI()
        for name in _TRANSFORM:
            setattr(target.transform, name, omero.rtypes.rdouble(float(getattr(shape.transform, name))))
    return target


def _shape_of(stored: Any) -> Shape | None:
    name = type(stored).__name__
    kind = next((ours for ours, theirs in _CLASSES.items() if theirs == name), None)
    if kind is None:
        return None
    transform = stored.transform
    stroke_width, font_size = quantity_of(stored.strokeWidth), quantity_of(stored.fontSize)
    values: dict[str, Any] = {
        "z": _position(stored.theZ),
        "c": _position(stored.theC),
        "t": _position(stored.theT),
        "text": value_of(stored.textValue),
        "stroke_color": color_of_int(value_of(stored.strokeColor)),
        "fill_color": color_of_int(value_of(stored.fillColor)),
        "stroke_width": stroke_width.value if stroke_width is not None else None,
        "font_size": font_size.value if font_size is not None else None,
        "shape_id": stored.id.val,
    }
    if transform is not None:
        values["transform"] = AffineTransform(*(getattr(transform, name).val for name in _TRANSFORM))
    numbers = {ours: value_of(getattr(stored, theirs)) or 0.0 for ours, theirs in _NUMBERS[kind].items()}
    if kind is Mask:
        width, height = round(numbers.pop("width")), round(numbers.pop("height"))
        values["bits"] = unpack_bits(bytes(stored.getBytes()), width, height)
    if kind in (Polygon, Polyline):
        values["points"] = points_of(value_of(stored.points) or "")
    shape: Shape = kind(**numbers, **values)
    return shape


def points_of(text: str) -> tuple[tuple[float, float], ...]:
    """Return the points of ``x,y x,y ..``; the form of old clients, ``points[x,y x,y] points1[..``, is read too."""
    old = re.match(r"\s*points\[([^\]]*)\]", text)
    numbers = [float(number) for number in _NUMBER.findall(old.group(1) if old else text)]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _position(value: Any) -> int | None:
    """Return a position; old clients wrote -1 for all."""
    position = value_of(value)
    return None if position is None or position < 0 else int(position)
