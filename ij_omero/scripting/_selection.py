"""Which images a script works on: ids of images, or of what contains them, and where those images lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ij_omero.errors import AccessDeniedError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ALL_GROUPS = {"omero.group": "-1"}
# Container -> the images in it, as (container id, image id) in the order in which people see them.
_IMAGES_OF = {
    "Dataset": "select l.parent.id, l.child.id from DatasetImageLink l where l.parent.id in (:ids)",
    "Project": "select p.parent.id, l.child.id from ProjectDatasetLink p, DatasetImageLink l "
    "where p.child.id = l.parent.id and p.parent.id in (:ids)",
    "Well": "select s.well.id, s.image.id from WellSample s where s.well.id in (:ids)",
    "Plate": "select s.well.plate.id, s.image.id from WellSample s where s.well.plate.id in (:ids)",
    "Screen": "select l.parent.id, s.image.id from ScreenPlateLink l, WellSample s "
    "where s.well.plate.id = l.child.id and l.parent.id in (:ids)",
}


_PLACES = "select i.id, i.name, i.details.group.id from Image i where i.id in (:ids)"
_DATASET = "select d, d.name, d.details.group.id, d.details.group.name from Dataset d where d.id in (:ids)"
_DATASETS = "select l.child.id, l.parent from DatasetImageLink l where l.child.id in (:ids)"


@dataclass(frozen=True)
class Place:
    """Where an image lies: its group, and those of its datasets that this user may fill."""

    image_id: int
    name: str
    group_id: int
    dataset_ids: tuple[int, ...] = ()


def images_of(client: Any, data_type: str, ids: Iterable[int]) -> list[int]:
    """Return the ids of the images that are in containers, or are named themselves; each once, in the given order.

    Images that are named are not looked for; `places_of` does.

    Raises
    ------
    InvalidInputError
        There is no such kind of container.
    NotFoundError
        A container is unknown or not visible to this user, or there is no image in what was given.
    """
    wanted = list(dict.fromkeys(int(one) for one in ids))
    if data_type != "Image" and data_type not in _IMAGES_OF:
        raise InvalidInputError(f"Data_Type is {data_type!r}; expected Image or one of {', '.join(_IMAGES_OF)}")
    if data_type == "Image":
        return wanted  # whether this user may see them shows when it is asked where they lie
    if not wanted:
        return []
    visible = f"select o.id from {data_type} o where o.id in (:ids)"  # noqa: S608 - one of the six words above
    seen = {row[0] for row in _query(client, visible, wanted)}
    unknown = [one for one in wanted if one not in seen]
    if unknown:
        raise _not_visible(data_type, unknown)
    found: dict[int, list[int]] = {one: [] for one in wanted}
    for container, image in _query(client, _IMAGES_OF[data_type], wanted):
        found[container].append(image)
    images = list(dict.fromkeys(image for one in wanted for image in sorted(found[one])))
    if not images:
        raise NotFoundError(f"{data_type} {', '.join(map(str, wanted))} holds no images")
    return images


def places_of(client: Any, image_ids: Sequence[int]) -> dict[int, Place]:
    """Return where images lie.

    Raises
    ------
    NotFoundError
        An image is unknown or not visible to this user.
    """
    if not image_ids:
        return {}
    ids = list(dict.fromkeys(image_ids))
    rows, links = _queries(client, [_PLACES, _DATASETS], ids)
    datasets: dict[int, list[int]] = {}
    for image, dataset in links:
        if dataset.details.permissions.canLink():
            datasets.setdefault(image, []).append(dataset.id.val)
    places = {image: Place(image, name, group, tuple(sorted(datasets.get(image, ())))) for image, name, group in rows}
    unknown = [one for one in ids if one not in places]
    if unknown:
        raise _not_visible("Image", unknown)
    return places


def check_dataset(client: Any, dataset_id: int, places: Iterable[Place]) -> None:
    """See that this user may put new images of some images into a dataset, before anything is computed for it.

    Raises
    ------
    NotFoundError
        The dataset is unknown or not visible to this user.
    AccessDeniedError
        It is somebody else's, and may not be filled.
    InvalidInputError
        It lies in another group than an image; results lie in the group of what they were made from.
    """
    rows = _query(client, _DATASET, [dataset_id])
    if not rows:
        raise NotFoundError(
            f"no Dataset with id {dataset_id} is visible to this user; check Dataset_ID, or leave it out"
        )
    dataset, name, group_id, group = rows[0]
    if not dataset.details.permissions.canLink():
        raise AccessDeniedError(
            f"Dataset {dataset_id} ({name}) is somebody else's, and this user may not put images into it; "
            "set Dataset_ID to another one, or leave it out"
        )
    elsewhere = [place for place in places if place.group_id != group_id]
    if elsewhere:
        raise InvalidInputError(
            f"Dataset {dataset_id} ({name}) lies in the group {group}, and image {elsewhere[0].image_id} "
            f"({elsewhere[0].name}) in another one; set Dataset_ID to a dataset of the image's group, or leave it out"
        )


def _not_visible(data_type: str, ids: Iterable[int]) -> NotFoundError:
    return NotFoundError(
        f"no {data_type} with id {', '.join(map(str, ids))} is visible to this user; "
        f"check the IDs, and that Data_Type ({data_type}) is what they are of"
    )


def image_of_roi(client: Any, roi_id: int) -> int:
    """Return the id of the image that an ROI lies on.

    Raises
    ------
    NotFoundError
        The ROI is unknown or not visible, or lies on no image.
    """
    rows = _query(client, "select r.id, r.image.id from Roi r where r.id in (:ids)", [roi_id])
    if not rows:
        raise NotFoundError(f"no ROI with id {roi_id} on an image is visible to this user; check the id")
    return int(rows[0][1])


def _query(client: Any, query: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """Return the rows of a projection."""
    return _queries(client, [query], ids)[0]


def _queries(client: Any, queries: Sequence[str], ids: Sequence[int]) -> list[list[tuple[Any, ...]]]:
    """Return the rows of projections, asked for side by side and for a thousand ids at a time."""
    import omero.rtypes
    import omero.sys

    service = client.sf.getQueryService()
    rows: list[list[tuple[Any, ...]]] = [[] for _ in queries]
    for start in range(0, len(ids), 1000):
        parameters = omero.sys.ParametersI()
        parameters.addIds(list(ids[start : start + 1000]))
        asked = [service.begin_projection(query, parameters, _ctx=_ALL_GROUPS) for query in queries]
        for found, answer in zip(rows, asked, strict=True):
            found += [tuple(omero.rtypes.unwrap(one) for one in row) for row in service.end_projection(answer)]
    return rows
