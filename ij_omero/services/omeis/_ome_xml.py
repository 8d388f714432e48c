"""OME-XML documents that hold pixels: taken in, given out, recognised; read as a stream, without document types."""

from __future__ import annotations

import base64
import bz2
import io
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, PixelType, PlaneIndex

from ._parameters import ID, LARGEST_SIZE, Box

if TYPE_CHECKING:
    from pathlib import Path

    from ._pending import PendingPixels
    from ._service import Service

NAMESPACE = "openmicroscopy.org/"
MOST_DATA = 256 << 20
TRUE = ("true", "t", "1")
# attributes that say where pixels lie, of no meaning in a document that holds them
PLACES = {"ImageServerID", "Repository", "FileSHA1", "DimensionOrder", "BigEndian"}


def is_ome_xml(path: Path) -> bool:
    """Whether a file's root element is OME's."""
    handler = _Root()
    try:
        _parse(path, handler)
    except _Enough:
        return handler.is_ome
    except (SAXException, ValueError):
        return False
    return handler.is_ome


def import_xml(path: Path, service: Service) -> tuple[bytes, list[int]]:
    """Make pixels of all that a document holds.

    Returns
    -------
    document, pixels_ids
        The document without its pixels, in which each Pixels has their id and digest; and the ids.

    Raises
    ------
    InvalidInputError
        It is no OME-XML document, or its pixels are not what it says. Nothing of it is kept.
    """
    out = io.StringIO()
    handler = _Importer(out, service)
    try:
        _parse(path, handler)
    except SAXException as error:
        handler.undo()
        raise InvalidInputError(f"it is no XML document: {_told(error)}") from None
    except BaseException:
        handler.undo()
        raise
    return out.getvalue().encode() + b"\n", handler.imported


def _told(error: SAXException) -> str:
    """Return what a parser found, and where in the document, without the place of the file."""
    if not isinstance(error, SAXParseException):
        return error.getMessage()
    return f"{error.getMessage()} (line {error.getLineNumber()}, column {error.getColumnNumber()})"


def export_xml(path: Path, service: Service, out: BinaryIO, *, big_endian: bool) -> None:
    """Write a document with the pixels that its ``ImageServerID`` name, plane by plane, compressed.

    Raises
    ------
    InvalidInputError
        It is no XML document, or names pixels that cannot be read.
    """
    text = io.TextIOWrapper(out, "utf-8", write_through=True)
    try:
        _parse(path, _Exporter(text, service, big_endian))
        text.write("\n")
    except SAXException as error:
        raise InvalidInputError(f"it is no XML document: {_told(error)}") from None
    finally:
        text.detach()


class _Enough(Exception):
    """All that was to be known is known."""


class _Root(ContentHandler):
    is_ome = False

    def startElement(self, name: str, attrs: AttributesImpl[str]) -> None:
        declared = " ".join(value for key, value in attrs.items() if key.startswith("xmlns") or "schemaLocation" in key)
        self.is_ome = name.rpartition(":")[2] == "OME" and (NAMESPACE in declared or not declared)
        raise _Enough


class _Copy(XMLGenerator):
    """Copies a document; what is below Pixels and holds them is left out."""

    def __init__(self, out: Any) -> None:
        super().__init__(out, "utf-8", short_empty_elements=True)


class _Importer(_Copy):
    def __init__(self, out: Any, service: Service) -> None:
        super().__init__(out)
        self._service = service
        self._reading: _PixelsElement | None = None
        self._in_data = False
        self.imported: list[int] = []
        self._unfinished: int | None = None

    def startElement(self, name: str, attrs: AttributesImpl[str]) -> None:
        local = name.rpartition(":")[2]
        if local == "Pixels" and "SizeX" in attrs:
            self._begin(name, dict(attrs.items()))
        elif local == "BinData" and self._reading is not None:
            self._in_data = True
            self._reading.begin_data(dict(attrs.items()))
        elif self._reading is not None:
            self._reading.inside.append(("start", name, dict(attrs.items())))
        else:
            super().startElement(name, AttributesImpl(dict(attrs.items())))

    def characters(self, content: str) -> None:
        if self._in_data and self._reading is not None:
            self._reading.data(content)
        elif self._reading is not None:
            self._reading.inside.append(("text", content, {}))
        else:
            super().characters(content)

    def endElement(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if self._reading is None:
            super().endElement(name)
        elif local == "BinData" and self._in_data:
            self._in_data = False
            self._reading.end_data()
        elif local == "Pixels" and name == self._reading.name:
            self._end()
        else:
            self._reading.inside.append(("end", name, {}))

    def undo(self) -> None:
        """Delete what was made of a document that turned out to be wrong."""
        if self._unfinished is not None:
            self._service.repository.drop_pending(self._unfinished)
        for image_id in self.imported:
            self._service.images.forget(image_id)
            self._service.store.delete(image_id)
            self._service.repository.forget_image(image_id)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        description = _described(attributes)
        pixels_id = self._service.repository.new_pixels(description)
        self._unfinished = pixels_id
        pending = self._service.repository.pending(pixels_id)
        self._reading = _PixelsElement(name, attributes, pending)

    def _end(self) -> None:
        reading, self._reading = self._reading, None
        assert reading is not None and self._unfinished is not None  # noqa: S101  set together
        attributes = dict(reading.attributes)
        if reading.started:
            reading.check_complete()
            image_id, sha1, is_new = self._service.finish(self._unfinished)
            if is_new:
                self.imported.append(int(image_id))
            attributes |= {"ImageServerID": str(image_id), "FileSHA1": sha1, "DimensionOrder": "XYZCT"}
        else:
            self._service.repository.drop_pending(self._unfinished)
        self._unfinished = None
        super().startElement(reading.name, AttributesImpl(attributes))
        for kind, content, inner in reading.inside:
            if kind == "start":
                super().startElement(content, AttributesImpl(inner))
            elif kind == "end":
                super().endElement(content)
            else:
                super().characters(content)
        super().endElement(reading.name)


class _PixelsElement:
    """One Pixels that is being read, and where its planes go."""

    def __init__(self, name: str, attributes: dict[str, str], pending: PendingPixels) -> None:
        self.name = name
        self.attributes = attributes
        self.inside: list[tuple[str, str, dict[str, str]]] = []
        self.started = False
        self._pending = pending
        self._order = attributes.get("DimensionOrder", "XYZCT").upper()
        if sorted(self._order) != sorted("XYZCT") or not self._order.startswith("XY"):
            raise InvalidInputError(f"DimensionOrder {self._order!r} is none of OME's")
        self._big_endian = attributes.get("BigEndian", "true").lower() in TRUE
        self._plane_big_endian = self._big_endian
        of = pending.description
        self._plane_bytes = of.size_x * of.size_y * of.pixel_type.bytes_per_pixel
        self._planes = of.size_z * of.size_c * of.size_t
        self._next = 0
        self._encoded: list[str] = []
        self._length = 0
        self._compression = "none"

    def begin_data(self, attributes: dict[str, str]) -> None:
        self.started = True
        self._encoded, self._length = [], 0
        self._plane_big_endian = (
            attributes["BigEndian"].lower() in TRUE if "BigEndian" in attributes else self._big_endian
        )
        self._compression = attributes.get("Compression", "none").lower()
        if self._compression not in ("none", "zlib", "bzip2"):
            raise InvalidInputError(f"Compression {self._compression!r} cannot be read; zlib, bzip2 and none can")

    def data(self, content: str) -> None:
        self._encoded.append("".join(content.split()))
        self._length += len(self._encoded[-1])
        if self._length > 2 * MOST_DATA:
            raise InvalidInputError(f"one BinData holds more than {MOST_DATA} bytes; write one for each plane")

    def end_data(self) -> None:
        left = (self._planes - self._next) * self._plane_bytes
        data = self._decoded(min(left, MOST_DATA) + 1)
        if len(data) > left or len(data) % self._plane_bytes:
            raise InvalidInputError(f"a BinData holds {len(data)} bytes, and a plane {self._plane_bytes}")
        of = self._pending.description
        coming = of.pixel_type.dtype.newbyteorder(">" if self._plane_big_endian else "<")
        for first in range(0, len(data), self._plane_bytes):
            plane = np.frombuffer(data, coming, of.size_x * of.size_y, first).reshape(of.size_y, of.size_x)
            self._pending.write_plane(self._plane_at(self._next), plane)
            self._next += 1

    def check_complete(self) -> None:
        if self._next < self._planes:
            raise InvalidInputError(f"it holds {self._next} of the {self._planes} planes that it tells of")

    def _decoded(self, most: int) -> bytes:
        try:
            data = base64.b64decode("".join(self._encoded), validate=True)
            self._encoded = []
            if self._compression == "zlib":
                return zlib.decompressobj().decompress(data, most)
            if self._compression == "bzip2":
                return bz2.BZ2Decompressor().decompress(data, most)
        except (ValueError, zlib.error, OSError) as error:
            raise InvalidInputError(f"its BinData cannot be decoded: {error}") from None
        return data

    def _plane_at(self, number: int) -> PlaneIndex:
        of = self._pending.description
        sizes = {"Z": of.size_z, "C": of.size_c, "T": of.size_t}
        found = {}
        for axis in self._order[2:]:
            number, found[axis] = divmod(number, sizes[axis])
        return PlaneIndex(z=found["Z"], c=found["C"], t=found["T"])


class _Exporter(_Copy):
    def __init__(self, out: Any, service: Service, big_endian: bool) -> None:
        super().__init__(out)
        self._service = service
        self._big_endian = big_endian

    def startElement(self, name: str, attrs: AttributesImpl[str]) -> None:
        attributes = dict(attrs.items())
        if name.rpartition(":")[2] != "Pixels" or "ImageServerID" not in attributes:
            super().startElement(name, AttributesImpl(attributes))
            return
        image_id = self._image_id(attributes["ImageServerID"])
        kept = {key: value for key, value in attributes.items() if key not in PLACES}
        endian = "t" if self._big_endian else "f"
        super().startElement(name, AttributesImpl({**kept, "DimensionOrder": "XYZCT", "BigEndian": endian}))
        with self._service.images.lease(image_id) as source:
            x, y, z, c, t = source.description.sizes
            dtype = source.description.pixel_type.dtype.newbyteorder(">" if self._big_endian else "<")
        whole = Box(0, 0, 0, 0, 0, x - 1, y - 1, z - 1, c - 1, t - 1)
        for plane in whole.planes:
            with self._service.images.lease(image_id) as source:
                pixels = source.read(plane)
            data = zlib.compress(np.ascontiguousarray(pixels, dtype).tobytes())
            super().startElement("BinData", AttributesImpl({"Compression": "zlib"}))
            super().characters(base64.b64encode(data).decode())
            super().endElement("BinData")

    def _image_id(self, text: str) -> int:
        if not ID.fullmatch(text):
            raise InvalidInputError(f"ImageServerID {text[:40]!r} is no id of pixels")
        image = self._service.repository.image_of(int(text))
        if image is None:
            raise InvalidInputError(f"pixels {text} are not finished")
        return int(image)


def _described(attributes: dict[str, str]) -> ImageDescription:
    try:
        x, y, z, c, t = (int(attributes[f"Size{axis}"]) for axis in "XYZCT")
        name = attributes.get("PixelType") or attributes["Type"]
    except (KeyError, ValueError):
        raise InvalidInputError("a Pixels element does not tell its SizeX to SizeT and its type") from None
    if not all(0 < size <= LARGEST_SIZE for size in (x, y, z, c, t)):
        raise InvalidInputError("a Pixels element has a size that is not above 0, or too large")
    try:
        pixel_type = PixelType(name.lower())
    except ValueError:
        raise InvalidInputError(f"pixels of type {name[:40]!r} cannot be taken here") from None
    if pixel_type.dtype.kind not in "iuf" or pixel_type.bytes_per_pixel > 4:
        raise InvalidInputError(f"pixels of type {name[:40]!r} cannot be taken here")
    return ImageDescription("", pixel_type, size_x=x, size_y=y, size_z=z, size_c=c, size_t=t)


def _parse(path: Path, handler: ContentHandler) -> None:
    parser: Any = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(handler)
    try:
        with path.open("rb") as file:
            parser.parse(file)
    except DefusedXmlException as error:
        raise InvalidInputError(f"document types and entities are not taken here: {error}") from None
