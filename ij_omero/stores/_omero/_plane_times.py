"""When each plane was acquired: the deltaT of the server's PlaneInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError, WriteError

from ._ice import omero
from ._values import quantity_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageDescription

    from ._session import Connection, OmeroSession

_PLANES = "select i from PlaneInfo i where i.pixels.id = :id order by i.id"
_PER_CALL = 2000


def read_plane_times(
    session: OmeroSession, description: ImageDescription, context: dict[str, str]
) -> npt.NDArray[np.float64]:
    """Return (T, C, Z) seconds since the first plane's clock started, not-a-number where the server knows none."""
    doing = f"reading the times of image {description.image_id}"
    found = session.call(doing, lambda connection: _planes(connection, description, context))
    times = np.full(description.shape[:3], np.nan)
    for plane in found:
        position = (plane.theT.val, plane.theC.val, plane.theZ.val)
        time = quantity_of(plane.deltaT)
        if time is not None and all(0 <= at < size for at, size in zip(position, times.shape, strict=True)):
            times[position] = time.to("s")
    return times


def save_plane_times(
    session: OmeroSession, description: ImageDescription, seconds: npt.ArrayLike, context: dict[str, str]
) -> None:
    """Set the times of an image's planes; those that are not-a-number stay as they are."""
    times = np.asarray(seconds, np.float64)
    if times.shape != description.shape[:3]:
        raise InvalidInputError(
            f"times have shape {times.shape}; image {description.image_id} needs (T, C, Z) {description.shape[:3]}"
        )

    def save(connection: Connection) -> None:
        known = {(p.theT.val, p.theC.val, p.theZ.val): p for p in _planes(connection, description, context)}
        wanted = [(int(t), int(c), int(z)) for t, c, z in np.argwhere(np.isfinite(times))]
        update = connection.service("Update")
        for start in range(0, len(wanted), _PER_CALL):
            changed = [
                _with_time(known.get(position), position, float(times[position]), description)
                for position in wanted[start : start + _PER_CALL]
            ]
            update.saveCollection(changed, context)

    session.call(f"saving the times of image {description.image_id}", save, otherwise=WriteError)


def _with_time(known: Any, position: tuple[int, int, int], seconds: float, description: ImageDescription) -> Any:
    plane = known
    if plane is None:
        plane = omero.model.PlaneInfoI()
        plane.theT, plane.theC, plane.theZ = (omero.rtypes.rint(at) for at in position)
        plane.pixels = omero.model.PixelsI(description.pixels_id, False)
    plane.deltaT = omero.model.TimeI(seconds, omero.model.enums.UnitsTime.SECOND)
    return plane


def _planes(connection: Connection, description: ImageDescription, context: dict[str, str]) -> list[Any]:
    parameters = omero.sys.ParametersI().addId(description.pixels_id)
    return list(connection.service("Query").findAllByQuery(_PLANES, parameters, context))
