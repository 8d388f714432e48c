"""What an image is, read from the server in one round of three queries that run side by side."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import ImageNotFoundError, InvalidInputError
from ij_omero.model import (
    Channel,
    ChannelRendering,
    ImageDescription,
    ImageId,
    KeyValue,
    PixelType,
    RenderingSettings,
)

from ._ice import omero
from ._marks import PIXELS, PIXELS_TYPE, PROVENANCE, SOURCE, is_unfinished
from ._session import ALL_GROUPS
from ._values import quantity_of, value_of

if TYPE_CHECKING:
    from ._session import Connection, OmeroSession

_IMAGE = """
    select i from Image i
    join fetch i.details.owner join fetch i.details.group
    join fetch i.pixels p join fetch p.pixelsType
    left outer join fetch p.channels ch
    left outer join fetch ch.logicalChannel left outer join fetch ch.statsInfo
    left outer join fetch i.datasetLinks dl left outer join fetch dl.parent ds
    left outer join fetch ds.projectLinks pl left outer join fetch pl.parent
    where {condition}
    """
_ANNOTATIONS = """
    select l from ImageAnnotationLink l join fetch l.child a
    where l.parent.id = :id and a.class in (MapAnnotation, TagAnnotation) order by l.id
    """
_RENDERING = """
    select r from RenderingDef r join fetch r.pixels p join fetch r.details.owner join fetch r.model
    left outer join fetch r.waveRendering cb left outer join fetch cb.family
    left outer join fetch cb.spatialDomainEnhancement
    where p.image.id = :id
    """


class Described(NamedTuple):
    """An image, and what only this store needs to know of it."""

    description: ImageDescription
    group_id: int
    imported: bool
    """Whether the server reads the pixels out of files that were imported."""


def image_number(image_id: ImageId) -> int:
    """Return an image id as the number that it is on a server.

    Raises
    ------
    ImageNotFoundError
        It is no number above 0.
    """
    if isinstance(image_id, str) and image_id.isdecimal():
        image_id = int(image_id)
    if isinstance(image_id, bool) or not isinstance(image_id, int) or image_id < 1:
        raise ImageNotFoundError(f"Invalid image ID: {image_id!r}; images of an OMERO.server have numbers from 1")
    if image_id >= 1 << 63:
        raise ImageNotFoundError(f"Invalid image ID: {image_id}; it does not fit into 64 bits")
    return image_id


def describe(session: OmeroSession, image_id: ImageId, pixels_id: int | None = None) -> Described:
    """Read what an image is.

    Parameters
    ----------
    session
        The login.
    image_id
        The image.
    pixels_id
        Which of its Pixels, where it has more than one; None is the first.

    Raises
    ------
    ImageNotFoundError
        No such image, or no pixels of that id in it, or it is still being written.
    """
    number = image_number(image_id)

    def ask(connection: Connection) -> tuple[Any, list[Any], list[Any]]:
        query = connection.service("Query")
        parameters = omero.sys.ParametersI().addId(number)
        image = query.begin_findByQuery(_IMAGE.format(condition="i.id = :id"), parameters, _ctx=ALL_GROUPS)
        notes = query.begin_findAllByQuery(_ANNOTATIONS, parameters, _ctx=ALL_GROUPS)
        settings = query.begin_findAllByQuery(_RENDERING, parameters, _ctx=ALL_GROUPS)
        return query.end_findByQuery(image), query.end_findAllByQuery(notes), query.end_findAllByQuery(settings)

    image, links, settings = session.call(f"describing image {number}", ask)
    if image is None:
        raise not_found(session, number)
    text = value_of(image.description)
    if is_unfinished(text):
        raise ImageNotFoundError(
            f"image {number} at {session.login.server} is not whole: it is still being written, or its writer died; "
            "see unfinished() and remove_unfinished() of the store"
        )
    pixels = chosen_pixels(image, number, pixels_id)
    notes = [link.child for link in links]
    settings = [setting for setting in settings if setting.pixels.id.val == pixels.id.val]
    return _described(session, image, pixels, text or "", notes, settings)


def not_found(session: OmeroSession, number: int) -> ImageNotFoundError:
    """Return the error for an image that is not there or not to be seen."""
    return ImageNotFoundError(
        f"Invalid image ID: {number}; there is no such image at {session.login.server}, or {session.identity.user} may "
        "not see it: check the id, or log in as a member of its group"
    )


def chosen_pixels(image: Any, number: int, pixels_id: int | None) -> Any:
    all_pixels = [pixels for pixels in image.copyPixels() if pixels is not None]
    if pixels_id is None:
        return all_pixels[0]
    for pixels in all_pixels:
        if pixels.id.val == pixels_id:
            return pixels
    raise ImageNotFoundError(
        f"image {number} has no pixels {pixels_id}; it has {', '.join(str(p.id.val) for p in all_pixels)}"
    )


def _described(
    session: OmeroSession, image: Any, pixels: Any, text: str, notes: list[Any], settings: list[Any]
) -> Described:
    key_values: list[KeyValue] = []
    tags: list[str] = []
    source: str | None = None
    first = str(next(p.id.val for p in image.copyPixels() if p is not None))
    pixel_type = PixelType.named(pixels.pixelsType.value.val)
    for note in notes:
        if isinstance(note, omero.model.MapAnnotation):
            pairs = [KeyValue(pair.name, pair.value) for pair in note.getMapValue() or [] if pair is not None]
            if value_of(note.ns) == PROVENANCE:
                facts = dict(pairs)
                if facts.get(PIXELS, first) != str(pixels.id.val):
                    continue
                stored_as = facts.get(PIXELS_TYPE, facts.get("pixel type"))
                if stored_as == PixelType.BIT.value and pixel_type is PixelType.UINT8:
                    pixel_type = PixelType.BIT
                source = facts.get(SOURCE, source)
            else:
                key_values.extend(pairs)
        elif note.textValue is not None:
            tags.append(note.textValue.val)
    owner = image.details.owner
    rendering = _rendering(settings, session.identity.user_id, owner.id.val, pixels.sizeC.val)
    datasets = sorted((link.parent for link in image.copyDatasetLinks()), key=lambda dataset: dataset.id.val)
    projects = sorted(
        (link.parent.id.val, link.parent.name.val) for dataset in datasets[:1] for link in dataset.copyProjectLinks()
    )
    description = ImageDescription(
        value_of(image.name) or "",
        pixel_type,
        pixels.sizeX.val,
        pixels.sizeY.val,
        pixels.sizeZ.val,
        pixels.sizeC.val,
        pixels.sizeT.val,
        text,
        quantity_of(pixels.physicalSizeX),
        quantity_of(pixels.physicalSizeY),
        quantity_of(pixels.physicalSizeZ),
        quantity_of(pixels.timeIncrement),
        _channels(pixels, rendering),
        tuple(key_values),
        tuple(tags),
        _date(image.acquisitionDate),
        rendering,
        image.id.val,
        pixels.id.val,
        datasets[0].id.val if datasets else None,
        datasets[0].name.val if datasets else None,
        owner.omeName.val,
        image.details.group.name.val,
        int(source) if source is not None and source.isdecimal() else None,
        None if source is None or source.isdecimal() else source,
        projects[0][0] if projects else None,
        projects[0][1] if projects else None,
    )
    return Described(description, image.details.group.id.val, image.fileset is not None)


def _channels(pixels: Any, rendering: RenderingSettings | None) -> tuple[Channel, ...]:
    channels = []
    for index, channel in enumerate(pixels.copyChannels()[: pixels.sizeC.val]):
        shown = rendering.channels[index] if rendering is not None else None
        logical = channel.logicalChannel
        color: tuple[int, int, int, int] | None = None
        parts = [value_of(part) for part in (channel.red, channel.green, channel.blue, channel.alpha)]
        if all(part is not None for part in parts):
            color = (parts[0], parts[1], parts[2], parts[3])
        if shown is not None and rendering is not None and rendering.model != "greyscale":
            # settings have a colour in shades of grey too, red as a rule, which nobody chose and nobody sees
            color = shown.color
        stats = channel.statsInfo
        window = (stats.globalMin.val, stats.globalMax.val) if stats is not None else None
        channels.append(
            Channel(
                value_of(logical.name) if logical is not None else None,
                color,
                quantity_of(logical.excitationWave) if logical is not None else None,
                quantity_of(logical.emissionWave) if logical is not None else None,
                shown.window if shown is not None else window,
                shown.active if shown is not None else True,
                shown.lookup_table if shown is not None else value_of(channel.lookupTable) or None,
            )
        )
    channels.extend(Channel() for _ in range(pixels.sizeC.val - len(channels)))
    return tuple(channels)


def _rendering(settings: list[Any], user_id: int, owner_id: int, size_c: int) -> RenderingSettings | None:
    """Return the user's own settings, else the owner's; anybody else's are theirs alone."""
    ranked = sorted(settings, key=lambda setting: (setting.details.owner.id.val != user_id, -setting.id.val))
    chosen = next((s for s in ranked if s.details.owner.id.val in (user_id, owner_id)), None)
    if chosen is None:
        return None
    bindings = chosen.copyWaveRendering()
    if len(bindings) != size_c or any(binding is None for binding in bindings):
        return None
    channels = tuple(
        ChannelRendering(
            (binding.inputStart.val, binding.inputEnd.val),
            (binding.red.val, binding.green.val, binding.blue.val, binding.alpha.val),
            binding.active.val,
            value_of(binding.lookupTable) or None,
            binding.family.value.val,
            binding.coefficient.val,
            any(isinstance(s, omero.model.ReverseIntensityContext) for s in binding.copySpatialDomainEnhancement()),
        )
        for binding in bindings
    )
    return RenderingSettings(channels, chosen.model.value.val, chosen.defaultZ.val, chosen.defaultT.val)


def _date(time: Any) -> datetime.datetime | None:
    """Return an OMERO time, which is milliseconds since 1970 in UTC."""
    milliseconds = value_of(time)
    if not milliseconds:
        return None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    try:
        return epoch + datetime.timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def milliseconds_of(date: datetime.datetime) -> int:
    """Return a date as OMERO keeps it; one without a time zone is taken as UTC."""
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.timezone.utc)
    return round(date.timestamp() * 1000)


def check_dataset_id(dataset: ImageId) -> int:
    """Return a dataset id as a number, or raise InvalidInputError."""
    text = str(dataset)
    if isinstance(dataset, bool) or not text.isdecimal() or int(text) < 1:
        raise InvalidInputError(f"dataset {dataset!r} is not an id; datasets of an OMERO.server have numbers from 1")
    return int(text)
