"""Image descriptions as OME-XML (schema 2016-06), for OME-TIFF files; read and written."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ij_omero.errors import InvalidInputError
from ij_omero.model import Channel, ImageDescription, KeyValue, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLOR = re.compile(r"-?\d{1,11}")
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def description_to_ome_xml(description: ImageDescription) -> str:
    """Return the OME-XML of a TIFF file whose pages are the image's planes, z fastest, then channel, then timepoint."""
    root = ElementTree.Element("OME", {"xmlns": NAMESPACE, "Creator": "ij_omero"})
    image = ElementTree.SubElement(root, "Image", {"ID": "Image:0", "Name": _text(description.name)})
    if description.acquired is not None:
        acquired = description.acquired
        if acquired.tzinfo is not None:
            acquired = acquired.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        ElementTree.SubElement(image, "AcquisitionDate").text = acquired.isoformat()
    if description.description:
        ElementTree.SubElement(image, "Description").text = _text(description.description)
    attributes = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYZCT",
        "Type": description.pixel_type.value,
        **{f"Size{axis}": str(size) for axis, size in zip("XYZCT", description.sizes, strict=True)},
        **_quantity("PhysicalSizeX", description.physical_size_x),
        **_quantity("PhysicalSizeY", description.physical_size_y),
        **_quantity("PhysicalSizeZ", description.physical_size_z),
        **_quantity("TimeIncrement", description.time_increment),
    }
    pixels = ElementTree.SubElement(image, "Pixels", attributes)
    for index, channel in enumerate(description.channels):
        ElementTree.SubElement(pixels, "Channel", _channel_attributes(index, channel))
    ElementTree.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(description.plane_count)})
    _add_annotations(root, image, description)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, encoding="unicode")


def _channel_attributes(index: int, channel: Channel) -> dict[str, str]:
    attributes = {"ID": f"Channel:0:{index}", "SamplesPerPixel": "1"}
    if channel.name is not None:
        attributes["Name"] = _text(channel.name)
    if channel.color is not None:
        red, green, blue, alpha = channel.color
        packed = (red << 24) | (green << 16) | (blue << 8) | alpha
        attributes["Color"] = str(packed - (1 << 32) if packed >= 1 << 31 else packed)  # a signed int in the schema
    return attributes | _quantity("ExcitationWavelength", channel.excitation) | _quantity(
        "EmissionWavelength", channel.emission
    )  # fmt: skip


def _add_annotations(root: ElementTree.Element, image: ElementTree.Element, description: ImageDescription) -> None:
    if not description.key_values and not description.tags:
        return
    annotations = ElementTree.SubElement(root, "StructuredAnnotations")
    for index, tag in enumerate(description.tags):
        annotation = ElementTree.SubElement(annotations, "TagAnnotation", {"ID": f"Annotation:Tag:{index}"})
        ElementTree.SubElement(annotation, "Value").text = _text(tag)
        ElementTree.SubElement(image, "AnnotationRef", {"ID": f"Annotation:Tag:{index}"})
    if description.key_values:
        annotation = ElementTree.SubElement(annotations, "MapAnnotation", {"ID": "Annotation:Map:0"})
        value = ElementTree.SubElement(annotation, "Value")
        for key, text in description.key_values:
            ElementTree.SubElement(value, "M", {"K": _text(key)}).text = _text(text)
        ElementTree.SubElement(image, "AnnotationRef", {"ID": "Annotation:Map:0"})


def _quantity(name: str, quantity: Quantity | None) -> dict[str, str]:
    return {} if quantity is None else {name: repr(quantity.value), f"{name}Unit": quantity.unit}


def _text(text: str) -> str:
    """Return text with what XML 1.0 cannot hold replaced."""
    return _NOT_XML.sub("\ufffd", text)


def description_from_ome_xml(xml: str, found: ImageDescription, series: int = 0) -> ImageDescription:
    """Return what a file's pixels are like, completed with what its OME-XML says.

    Parameters
    ----------
    xml
        The text; one that does not parse changes nothing.
    found
        What the file's pixels are: sizes and pixel type are not changed.
    series
        Which image of the text.
    """
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - expat refuses entity expansion since 2.4.1
    except ElementTree.ParseError:
        return found
    images = [element for element in root if _tag(element) == "Image"]
    if series >= len(images):
        return found
    image = images[series]
    pixels = next(_children(image, "Pixels"), None)
    if pixels is None:
        return found
    changes: dict[str, Any] = {}
    for axis in "XYZ":
        changes[f"physical_size_{axis.lower()}"] = _to_quantity(pixels, f"PhysicalSize{axis}", "µm")
    changes["time_increment"] = _to_quantity(pixels, "TimeIncrement", "s")
    channels = _channels(list(_children(pixels, "Channel")), found.size_c)
    if channels:
        changes["channels"] = channels
    if image.get("Name"):
        changes["name"] = image.get("Name")
    changes["description"] = next((each.text or "" for each in _children(image, "Description")), "")
    changes["acquired"] = _date(next((each.text for each in _children(image, "AcquisitionDate")), None))
    changes |= _annotations(root, image)
    return found.replace(**changes)


def _channels(elements: list[ElementTree.Element], count: int) -> tuple[Channel, ...]:
    channels: list[Channel] = []
    for element in elements:
        samples = int(element.get("SamplesPerPixel") or 1)
        color = element.get("Color")
        packed = int(color) & 0xFFFFFFFF if color is not None and _COLOR.fullmatch(color) else None
        channel = Channel(
            name=element.get("Name"),
            color=None if packed is None else (packed >> 24, packed >> 16 & 255, packed >> 8 & 255, packed & 255),
            excitation=_to_quantity(element, "ExcitationWavelength", "nm"),
            emission=_to_quantity(element, "EmissionWavelength", "nm"),
        )
        channels.extend([channel] if samples == 1 else rgb_channels(samples))
    return tuple(channels) if len(channels) == count else ()


def rgb_channels(samples: int) -> tuple[Channel, ...]:
    """Return the channels of pixels that are colours: red, green, blue, and what is beyond them."""
    known = (
        Channel("Red", (255, 0, 0, 255)),
        Channel("Green", (0, 255, 0, 255)),
        Channel("Blue", (0, 0, 255, 255)),
        Channel("Alpha", (255, 255, 255, 255), active=False),
    )
    return (known + tuple(Channel(active=False) for _ in range(samples)))[:samples]


def _annotations(root: ElementTree.Element, image: ElementTree.Element) -> dict[str, Any]:
    linked = [each.get("ID") for each in _children(image, "AnnotationRef")]
    known = {each.get("ID"): each for block in _children(root, "StructuredAnnotations") for each in block}
    pairs: list[KeyValue] = []
    tags: list[str] = []
    for annotation in (known[each] for each in linked if each in known):
        value = next(_children(annotation, "Value"), None)
        if value is None:
            continue
        if _tag(annotation) == "TagAnnotation" and value.text:
            tags.append(value.text)
        if _tag(annotation) == "MapAnnotation":
            pairs.extend(KeyValue(each.get("K") or "", each.text or "") for each in _children(value, "M"))
    return {"key_values": tuple(pairs), "tags": tuple(tags)}


def _to_quantity(element: ElementTree.Element, name: str, default_unit: str) -> Quantity | None:
    value = element.get(name)
    try:
        return None if value is None else Quantity(float(value), element.get(f"{name}Unit") or default_unit)
    except (InvalidInputError, ValueError):
        return None


def _date(text: str | None) -> datetime.datetime | None:
    try:
        return None if not text else datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    return (child for child in element if _tag(child) == tag)
