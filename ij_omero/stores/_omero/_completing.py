"""What makes written pixels an image: statistics, calibration, channels, rendering settings, annotations, links.

The name is set last, in one transaction with the links: until then the image is marked as unfinished.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ij_omero.model import Channel, ChannelRendering, ImageDescription, PixelType, RenderingSettings

from ._describing import milliseconds_of
from ._ice import omero
from ._marks import KEY_VALUES, PROVENANCE
from ._values import length_for, optional, time_for

if TYPE_CHECKING:
    from ._session import Connection
    from ._statistics import ChannelRanges

_PIXELS = """
    select p from Pixels p join fetch p.channels ch left outer join fetch ch.logicalChannel
    left outer join fetch ch.statsInfo where p.id = :id
    """
_RENDERING = """
    select r from RenderingDef r join fetch r.pixels p join fetch r.model
    join fetch r.waveRendering cb join fetch cb.family left outer join fetch cb.spatialDomainEnhancement
    where p.id = :id
    """
_TAGS = "select a from TagAnnotation a where a.textValue in (:tags) and a.details.owner.id = :owner and a.ns is null"


@dataclass(frozen=True)
class NewImage:
    """An image whose pixels are on the server and that is not finished yet."""

    image_id: int
    pixels_id: int
    description: ImageDescription
    context: dict[str, str]
    owner_id: int
    dataset_id: int | None
    source_id: int | None
    ranges: ChannelRanges
    named: bool = True
    """False for pixels that another image will have: no name of their own, no annotations, no dataset."""


def complete_image(connection: Connection, image: NewImage) -> None:
    """Give an image everything that belongs to it, and then its name."""
    query, update = connection.service("Query"), connection.service("Update")
    pixels_parameters = omero.sys.ParametersI().addId(image.pixels_id)
    pixels = query.findByQuery(_PIXELS, pixels_parameters, image.context)
    _fill_pixels(pixels, image.description, image.ranges)
    update.saveObject(pixels, image.context)
    settings_service = connection.service("RenderingSettings")
    settings_service.resetDefaultsInSet("Pixels", [image.pixels_id], image.context)

    settings = query.begin_findByQuery(_RENDERING, pixels_parameters, _ctx=image.context)
    stored = query.begin_get("Image", image.image_id, _ctx=image.context) if image.named else None
    tags = _begin_tags(query, image) if image.named else None
    changed: list[Any] = []
    rendering = query.end_findByQuery(settings)
    if rendering is not None:
        _fill_rendering(rendering, image.description, image.ranges, _enumerations(connection))
        # As a mere reference: with loaded pixels the server mixes up the ids of image and pixels where they differ.
        rendering.pixels = omero.model.PixelsI(image.pixels_id, False)
        changed.append(rendering)
    if stored is not None:
        changed.append(_named(query.end_get(stored), image.description))
        changed += _links(image, query.end_findAllByQuery(tags) if tags is not None else [])
    update.saveCollection(changed, image.context)


def _named(stored: Any, description: ImageDescription) -> Any:
    stored.name = omero.rtypes.rstring(description.name)
    stored.description = optional(omero.rtypes.rstring, description.description or None)
    if description.acquired is not None:
        stored.acquisitionDate = omero.rtypes.rtime(milliseconds_of(description.acquired))
    return stored


def _fill_pixels(pixels: Any, description: ImageDescription, ranges: ChannelRanges) -> None:
    pixels.physicalSizeX = length_for(description.physical_size_x)
    pixels.physicalSizeY = length_for(description.physical_size_y)
    pixels.physicalSizeZ = length_for(description.physical_size_z)
    pixels.timeIncrement = time_for(description.time_increment)
    for index, (stored, channel) in enumerate(zip(pixels.copyChannels(), description.channels, strict=True)):
        low, high = ranges.of(index)
        stored.statsInfo = omero.model.StatsInfoI()
        stored.statsInfo.globalMin = omero.rtypes.rdouble(low)
        stored.statsInfo.globalMax = omero.rtypes.rdouble(high)
        stored.lookupTable = optional(omero.rtypes.rstring, channel.lookup_table)
        if channel.color is not None:
            _set_color(stored, channel.color)
        logical = stored.logicalChannel
        logical.name = optional(omero.rtypes.rstring, channel.name)
        logical.excitationWave = length_for(channel.excitation)
        logical.emissionWave = length_for(channel.emission)


def _set_color(target: Any, color: tuple[int, int, int, int]) -> None:
    target.red, target.green, target.blue, target.alpha = (omero.rtypes.rint(part) for part in color)


def _fill_rendering(
    rendering: Any, description: ImageDescription, ranges: ChannelRanges, enums: dict[str, Any]
) -> None:
    wanted = description.rendering
    if wanted is not None and len(wanted.channels) != description.size_c:
        wanted = None
    for index, binding in enumerate(rendering.copyWaveRendering()):
        if wanted is not None:
            _fill_binding(binding, wanted.channels[index], enums)
        else:
            _fill_from_channel(binding, description.channels[index], ranges.of(index))
    if wanted is not None:
        _fill_planes(rendering, wanted, description, enums)
    elif description.size_c > 1 or any(channel.color or channel.lookup_table for channel in description.channels):
        rendering.model = enums["rgb"]


def _fill_planes(
    rendering: Any, wanted: RenderingSettings, description: ImageDescription, enums: dict[str, Any]
) -> None:
    rendering.model = enums.get(wanted.model, rendering.model)
    rendering.defaultZ = omero.rtypes.rint(min(max(wanted.z, 0), description.size_z - 1))
    rendering.defaultT = omero.rtypes.rint(min(max(wanted.t, 0), description.size_t - 1))


def _fill_binding(binding: Any, wanted: ChannelRendering, enums: dict[str, Any]) -> None:
    _set_window(binding, wanted.window)
    _set_color(binding, wanted.color)
    binding.active = omero.rtypes.rbool(wanted.active)
    binding.lookupTable = optional(omero.rtypes.rstring, wanted.lookup_table)
    binding.family = enums.get(wanted.family, binding.family)
    binding.coefficient = omero.rtypes.rdouble(wanted.coefficient)
    if wanted.inverted:
        reverse = omero.model.ReverseIntensityContextI()
        reverse.reverse = omero.rtypes.rbool(True)
        binding.addCodomainMapContext(reverse)


def _fill_from_channel(binding: Any, channel: Channel, found: tuple[float, float]) -> None:
    window = channel.window or found
    if window[0] < window[1]:
        _set_window(binding, window)
    if channel.color is not None:
        _set_color(binding, channel.color)
    binding.active = omero.rtypes.rbool(channel.active)
    if channel.lookup_table:
        binding.lookupTable = omero.rtypes.rstring(channel.lookup_table)


def _set_window(binding: Any, window: tuple[float, float]) -> None:
    binding.inputStart, binding.inputEnd = omero.rtypes.rdouble(window[0]), omero.rtypes.rdouble(window[1])


def _enumerations(connection: Connection) -> dict[str, Any]:
    types = connection.service("Types")
    model = types.begin_allEnumerations("omero.model.RenderingModel")
    family = types.begin_allEnumerations("omero.model.Family")
    values = types.end_allEnumerations(model) + types.end_allEnumerations(family)
    return {value.value.val: value for value in values}


def _begin_tags(query: Any, image: NewImage) -> Any:
    if not image.description.tags:
        return None
    parameters = omero.sys.ParametersI().addLong("owner", image.owner_id)
    parameters.add("tags", omero.rtypes.rlist([omero.rtypes.rstring(tag) for tag in set(image.description.tags)]))
    return query.begin_findAllByQuery(_TAGS, parameters, _ctx=image.context)


def _links(image: NewImage, known_tags: list[Any]) -> list[Any]:
    links = []
    if image.description.key_values:
        links.append(annotation_link(image.image_id, map_annotation(KEY_VALUES, list(image.description.key_values))))
    facts = []
    if image.source_id is not None:
        facts.append(("source image", str(image.source_id)))
    if image.description.pixel_type is PixelType.BIT:
        facts.append(("pixel type", PixelType.BIT.value))
    if facts:
        links.append(annotation_link(image.image_id, map_annotation(PROVENANCE, facts)))
    tags = {tag.textValue.val: omero.model.TagAnnotationI(tag.id.val, False) for tag in known_tags}
    for text in dict.fromkeys(image.description.tags):
        tag = tags.get(text)
        if tag is None:
            tag = omero.model.TagAnnotationI()
            tag.textValue = omero.rtypes.rstring(text)
        links.append(annotation_link(image.image_id, tag))
    if image.dataset_id is not None:
        link = omero.model.DatasetImageLinkI()
        link.parent = omero.model.DatasetI(image.dataset_id, False)
        link.child = omero.model.ImageI(image.image_id, False)
        links.append(link)
    return links


def map_annotation(namespace: str, pairs: list[Any]) -> Any:
    """Return a new MapAnnotation with these pairs, in this order."""
    annotation = omero.model.MapAnnotationI()
    annotation.ns = omero.rtypes.rstring(namespace)
    annotation.setMapValue([omero.model.NamedValue(str(key), str(value)) for key, value in pairs])
    return annotation


def annotation_link(image_id: int, annotation: Any) -> Any:
    """Return a new link of an image to an annotation."""
    link = omero.model.ImageAnnotationLinkI()
    link.parent = omero.model.ImageI(image_id, False)
    link.child = annotation
    return link
