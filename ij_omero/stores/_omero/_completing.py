"""What makes written pixels an image: statistics, rendering settings, annotations, links.

The name is set last, in one transaction with the links: until then the image is marked as unfinished.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ij_omero.model import Channel, ChannelRendering, ImageDescription, PixelType, RenderingSettings

from ._enumerations import enumerations
from ._ice import omero
from ._marks import KEY_VALUES, PROVENANCE, SOURCE
from ._values import optional, set_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._creating import CreatedImage
    from ._session import Connection
    from ._statistics import ChannelRanges

_RENDERING = """
    select r from RenderingDef r join fetch r.pixels p join fetch r.model
    join fetch r.waveRendering cb join fetch cb.family left outer join fetch cb.spatialDomainEnhancement
    where p.id = :id
    """
_TAGS = "select a from TagAnnotation a where a.textValue in (:tags) and a.details.owner.id = :owner and a.ns is null"


@dataclass(frozen=True)
class NewImage:
    """An image whose pixels are on the server and that is not finished yet."""

    created: CreatedImage
    description: ImageDescription
    context: dict[str, str]
    owner_id: int
    dataset_id: int | None
    source_id: int | None
    ranges: ChannelRanges
    named: bool = True
    """False for pixels that another image will have: no name of their own, no annotations, no dataset."""
    notes: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    @property
    def image_id(self) -> int:
        """The image."""
        return self.created.image_id

    @property
    def pixels_id(self) -> int:
        """Its Pixels."""
        return self.created.pixels_id


def save_appearance(connection: Connection, image: NewImage) -> None:
    """Set statistics and rendering settings.

    They lie in rows of their own, so this may be done while the server still saves the pixels below its plane limit.
    """
    update = connection.service("Update")
    enums = enumerations(connection, "RenderingModel", "Family")
    for index, statistics in enumerate(image.created.statistics):
        low, high = image.ranges.of(index)
        statistics.globalMin, statistics.globalMax = omero.rtypes.rdouble(low), omero.rtypes.rdouble(high)
    wanted = _wanted(image.description)
    if wanted is not None and wanted.model in enums and all(one.family in enums for one in wanted.channels):
        # nothing is left to the server, which would take three calls to say what it proposes and to have it changed
        whole = _new_rendering(wanted, image, enums)
        update.saveCollection([*image.created.statistics, whole], image.context)
        return
    update.saveCollection(list(image.created.statistics), image.context)
    # What a channel without a colour gets, and what the server itself expects of settings, is left to it.
    settings_service = connection.service("RenderingSettings")
    settings_service.resetDefaultsInSet("Pixels", [image.pixels_id], image.context)
    parameters = omero.sys.ParametersI().addId(image.pixels_id)
    rendering = connection.service("Query").findByQuery(_RENDERING, parameters, image.context)
    if rendering is not None and _fill_rendering(rendering, image.description, image.ranges, enums):
        # As a mere reference: with loaded pixels the server mixes up the ids of image and pixels where they differ.
        rendering.pixels = omero.model.PixelsI(image.pixels_id, False)
        update.saveCollection([rendering], image.context)


def complete_image(connection: Connection, image: NewImage) -> None:
    """Give an image whose pixels are saved its annotations and links, and its name."""
    if not image.named:
        return
    query = connection.service("Query")
    tags = _begin_tags(query, image)
    stored = image.created.row
    stored.name = omero.rtypes.rstring(image.description.name)
    stored.description = optional(omero.rtypes.rstring, image.description.description or None)
    links = _links(image, query.end_findAllByQuery(tags) if tags is not None else [])
    connection.service("Update").saveCollection([stored, *links], image.context)


def _wanted(description: ImageDescription) -> RenderingSettings | None:
    """Return the settings of a description where they are settings of all its channels."""
    wanted = description.rendering
    return wanted if wanted is not None and len(wanted.channels) == description.size_c else None


def _new_rendering(wanted: RenderingSettings, image: NewImage, enums: dict[str, Any]) -> Any:
    """Return new settings as the server makes them: eight bits, no noise reduction."""
    rendering, depth = omero.model.RenderingDefI(), omero.model.QuantumDefI()
    depth.cdStart, depth.cdEnd, depth.bitResolution = (omero.rtypes.rint(one) for one in (0, 255, 255))
    rendering.quantization = depth
    rendering.version = omero.rtypes.rint(0)  # the server counts it up when somebody changes them, and fails without
    rendering.pixels = omero.model.PixelsI(image.pixels_id, False)
    _fill_planes(rendering, wanted, image.description, enums)
    for shown in wanted.channels:
        binding = omero.model.ChannelBindingI()
        binding.noiseReduction = omero.rtypes.rbool(False)
        _fill_binding(binding, shown, enums)
        rendering.addChannelBinding(binding)
    return rendering


def _fill_rendering(
    rendering: Any, description: ImageDescription, ranges: ChannelRanges, enums: dict[str, Any]
) -> bool:
    """Change the server's own choice into what is wanted; return whether that is anything else."""
    wanted = _wanted(description)
    for index, binding in enumerate(rendering.copyWaveRendering()):
        if wanted is not None:
            _fill_binding(binding, wanted.channels[index], enums)
        else:
            _fill_from_channel(binding, description.channels[index], ranges.of(index))
    if wanted is not None:
        _fill_planes(rendering, wanted, description, enums)
    elif description.size_c > 1 or any(channel.color or channel.lookup_table for channel in description.channels):
        rendering.model = enums["rgb"]
    else:
        return any(channel.window or not channel.active for channel in description.channels)
    return True


def _fill_planes(
    rendering: Any, wanted: RenderingSettings, description: ImageDescription, enums: dict[str, Any]
) -> None:
    rendering.model = enums.get(wanted.model, rendering.model)
    rendering.defaultZ = omero.rtypes.rint(min(max(wanted.z, 0), description.size_z - 1))
    rendering.defaultT = omero.rtypes.rint(min(max(wanted.t, 0), description.size_t - 1))


def _fill_binding(binding: Any, wanted: ChannelRendering, enums: dict[str, Any]) -> None:
    _set_window(binding, wanted.window)
    set_color(binding, wanted.color)
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
        set_color(binding, channel.color)
    binding.active = omero.rtypes.rbool(channel.active)
    if channel.lookup_table:
        binding.lookupTable = omero.rtypes.rstring(channel.lookup_table)


def _set_window(binding: Any, window: tuple[float, float]) -> None:
    binding.inputStart, binding.inputEnd = omero.rtypes.rdouble(window[0]), omero.rtypes.rdouble(window[1])


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
    for namespace, pairs in image.notes.items():
        links.append(annotation_link(image.image_id, map_annotation(namespace, list(pairs))))
    facts = source_facts(image)
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


def source_facts(image: NewImage) -> list[tuple[str, str]]:
    """Return what a note says of the image that a new one was made from: its id, or its address at another store."""
    source = image.source_id if image.source_id is not None else image.description.source_address
    return [] if source is None else [(SOURCE, str(source))]


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
