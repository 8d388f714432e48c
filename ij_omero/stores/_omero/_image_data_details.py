"""What OMERO.web's ``imgData`` tells of an image beside what its description holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._describing import chosen_pixels, image_number, not_found
from ._ice import omero
from ._session import ALL_GROUPS
from ._values import value_of

if TYPE_CHECKING:
    from ij_omero.model import ImageId

    from ._session import Connection, OmeroSession

_IMAGE = """
    select i from Image i join fetch i.details.owner join fetch i.details.creationEvent
    join fetch i.pixels p left outer join fetch p.channels ch left outer join fetch ch.statsInfo
    left outer join fetch i.datasetLinks dl left outer join fetch dl.parent ds
    left outer join fetch ds.projectLinks pl left outer join fetch pl.parent
    left outer join fetch i.wellSamples ws
    left outer join fetch i.objectiveSettings os left outer join fetch os.objective
    where i.id = :id
    """


def image_data_details(session: OmeroSession, image_id: ImageId, pixels_id: int | None = None) -> dict[str, Any]:
    """Ask for them, in one call.

    Parameters
    ----------
    session
        The login; ``perms`` are its own.
    image_id, pixels_id
        The image, and which of its Pixels.

    Returns
    -------
    dict
        ``meta``, ``perms``, ``channels`` with the least and greatest pixel values that the server knows of, and
        ``nominalMagnification`` where there is one; keys and values are those of ``imgData``.

    Raises
    ------
    ImageNotFoundError
        No such image, or no pixels of that id in it.
    """
    number = image_number(image_id)

    def ask(connection: Connection) -> Any:
        parameters = omero.sys.ParametersI().addId(number)
        return connection.service("Query").findByQuery(_IMAGE, parameters, ALL_GROUPS)

    image = session.call(f"reading what else is known of image {number}", ask)
    if image is None:
        raise not_found(session, number)
    pixels = chosen_pixels(image, number, pixels_id)
    channels = [*pixels.copyChannels(), *[None] * pixels.sizeC.val][: pixels.sizeC.val]
    details: dict[str, Any] = {
        "meta": _meta(image),
        "perms": _permissions(image.details.permissions),
        "channels": [_statistics(channel) for channel in channels],
    }
    objective = image.objectiveSettings.objective if image.objectiveSettings is not None else None
    magnification = value_of(objective.nominalMagnification) if objective is not None else None
    return {**details, "nominalMagnification": magnification} if magnification else details


def _meta(image: Any) -> dict[str, Any]:
    owner = image.details.owner
    datasets = {link.parent.id.val: link.parent for link in image.copyDatasetLinks()}
    projects = [link.parent for dataset in datasets.values() for link in dataset.copyProjectLinks()]
    # of several OMERO.web names none
    dataset = next(iter(datasets.values())) if len(datasets) == 1 else None
    project = projects[0] if len(projects) == 1 else None
    wells = [sample.well for sample in image.copyWellSamples()]
    meta = {
        "imageAuthor": f"{owner.firstName.val} {owner.lastName.val}",
        "imageArchived": bool(value_of(image.archived)),
        "wellId": wells[0].id.val if len(wells) == 1 and wells[0] is not None else "",
        **_container("dataset", dataset),
        **_container("project", project),
    }
    if not value_of(image.acquisitionDate):
        meta["imageTimestamp"] = float(image.details.creationEvent.time.val // 1000)
    return meta


def _container(kind: str, container: Any) -> dict[str, Any]:
    if container is None:
        return {f"{kind}Name": "Multiple", f"{kind}Id": None, f"{kind}Description": ""}
    return {
        f"{kind}Name": container.name.val or "Multiple",
        f"{kind}Id": container.id.val,
        f"{kind}Description": value_of(container.description) or "",
    }


def _permissions(permissions: Any) -> dict[str, bool]:
    return {name: bool(getattr(permissions, name)()) for name in ("canAnnotate", "canEdit", "canDelete", "canLink")}


def _statistics(channel: Any) -> dict[str, Any]:
    if channel is None or channel.statsInfo is None:
        return {}
    stats = channel.statsInfo
    return {"window": {"min": stats.globalMin.val, "max": stats.globalMax.val}}
