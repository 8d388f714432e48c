"""``imgData`` from an OME-XML file, as the Minerva programs make it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from ij_omero.errors import InvalidInputError, NotFoundError
from ij_omero.model import LENGTH_UNITS

from ._split_channels import split_channel_grids

_TILE = 1024
_BITS = {"bit": 1, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "float": 32}
_BITS |= {"double": 64, "complex": 64, "double-complex": 128}
_NOT_KEPT = (
    "projectDescription",
    "datasetDescription",
    "imageTimestamp",
    "wellSampleId",
    "datasetName",
    "projectName",
    "projectId",
    "datasetId",
    "wellId",
)
_METRES = {symbol: metres for symbol, metres in LENGTH_UNITS.values() if metres}


def image_data_from_ome_xml(xml: str | bytes, image: str | None = None, *, levels: int = 1) -> dict[str, Any]:
    """Describe an image of an OME-XML document as ``imgData``; ready for JSON.

    Parameters
    ----------
    xml
        The document; any release of the OME schema.
    image
        The image's id without ``Image:``; None is the first.
    levels
        How many resolution levels there are, each half as large as the one before.

    Returns
    -------
    dict
        The keys of the Minerva programs' ``imgData``, which are OMERO.web's with ``deltaT``; sizes in micrometres,
        None where the document does not give them.

    Raises
    ------
    InvalidInputError
        It is not OME-XML, or declares entities, or a size is missing or no number.
    NotFoundError
        It has no such image.
    """
    root = _parse(xml)
    images = root.findall("{*}Image")
    chosen = next((found for found in images if image is None or _uuid(found) == image), None)
    if chosen is None:
        known = ", ".join(_uuid(found) for found in images[:10]) or "none"
        raise NotFoundError(f"the document has no image {image or ''}; it has {known}")
    pixels = chosen.find("{*}Pixels")
    if pixels is None:
        raise InvalidInputError(f"image {_uuid(chosen)} of the document has no Pixels")
    size = {key: _whole(pixels, f"Size{axis}") for key, axis in zip("ctz", "CTZ", strict=True)}
    size |= {"width": _whole(pixels, "SizeX"), "height": _whole(pixels, "SizeY")}
    pixels_type = pixels.get("Type", "")
    if pixels_type not in _BITS:
        raise InvalidInputError(f"unknown pixel type {pixels_type!r}; expected one of {', '.join(_BITS)}")
    bits = _whole(pixels, "SignificantBits") if "SignificantBits" in pixels.attrib else _BITS[pixels_type]
    top = 2**bits
    return {
        "id": _uuid(chosen),
        "size": size,
        "levels": levels,
        "channels": [_channel(channel, top) for channel in pixels.findall("{*}Channel")],
        "meta": _meta(chosen, pixels_type),
        "zoomLevelScaling": {str(level): 1.0 / 2**level for level in range(levels)},
        "pixel_range": [0, top],
        "pixel_size": {axis.lower(): _micrometres(pixels, f"PhysicalSize{axis}") for axis in "XYZ"},
        "deltaT": [_number(plane, "DeltaT") for plane in pixels.findall("{*}Plane")[:1]],
        "split_channel": split_channel_grids(size["c"], size["width"], size["height"], layout="minerva"),
        "tile_size": {"width": _TILE, "height": _TILE},
        "init_zoom": 0,
        "tiles": True,
        "interpolate": True,
        "perms": {"canAnnotate": False, "canDelete": False, "canEdit": False, "canLink": False},
        "rdefs": {"defaultT": 0, "defaultZ": 0, "model": "color", "invertAxis": False, "projection": "normal"},
    }


def _parse(xml: str | bytes) -> ElementTree.Element:
    head = xml if isinstance(xml, bytes) else xml.encode()
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise InvalidInputError("the document declares a document type, which OME-XML has none of; it is not read")
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise InvalidInputError(f"the document is not XML: {error}") from error
    if root.tag.rpartition("}")[2] != "OME":
        raise InvalidInputError(f"the document begins with {root.tag}; expected OME")
    return root


def _uuid(image: ElementTree.Element) -> str:
    return image.get("ID", "").rpartition(":")[2]


def _whole(element: ElementTree.Element, name: str) -> int:
    text = element.get(name, "")
    if not text.isdecimal() or not text.isascii() or len(text) > 10 or int(text) < 1:
        raise InvalidInputError(f"{name} is {text!r}; expected a whole number from 1")
    return int(text)


def _number(element: ElementTree.Element, name: str) -> float | None:
    try:
        return float(element.get(name, ""))
    except ValueError:
        return None


def _micrometres(pixels: ElementTree.Element, name: str) -> float | None:
    size, metres = _number(pixels, name), _METRES.get(pixels.get(f"{name}Unit", "µm"))
    if size is None or metres is None:
        return None
    return size if metres == _METRES["µm"] else size * metres / _METRES["µm"]


def _channel(channel: ElementTree.Element, top: int) -> dict[str, Any]:
    return {
        "label": channel.get("Name") or channel.get("ID", ""),
        "window": {"min": 0, "start": 0, "end": top, "max": top},
        "emissionWave": _number(channel, "EmissionWavelength"),
        "reverseIntensity": False,
        "inverted": False,
        "coefficient": 1,
        "family": "linear",
        "color": "FFFFFF",
        "active": True,
    }


def _meta(image: ElementTree.Element, pixels_type: str) -> dict[str, Any]:
    description = image.find("{*}Description")
    return {
        "imageId": _uuid(image),
        "imageName": image.get("Name", ""),
        "pixelsType": pixels_type,
        "imageAuthor": "Minerva",
        "imageDescription": (description.text or "") if description is not None else "",
        **dict.fromkeys(_NOT_KEPT, ""),
    }
