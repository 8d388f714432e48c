"""The SCIFIO format of image addresses, for ImageJ with SCIFIO: ``ImgOpener``, ``ImgSaver``, ``DatasetIOService``.

Images open over the cells of their cache, so nothing is read before it is touched, whatever the size.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ij_omero.errors import IJOmeroError, UnsupportedPixelTypeError
from ij_omero.model import PixelType

from ._addresses import address_or_error, is_address, location_of
from ._dataset import image_axes
from ._java_proxies import JavaPlugin, implement
from ._runtime import java_class
from ._scifio_utilities import register_utilities

if TYPE_CHECKING:
    from ij_omero.model import ImageAddress, ImageDescription

    from ._addresses import Doors
    from ._runtime import Runtime

FORMAT_NAME = "OMERO"
SUFFIX = "omero"
PIXEL_TYPES = {
    PixelType.INT8: "INT8",
    PixelType.UINT8: "UINT8",
    PixelType.INT16: "INT16",
    PixelType.UINT16: "UINT16",
    PixelType.INT32: "INT32",
    PixelType.UINT32: "UINT32",
    PixelType.FLOAT: "FLOAT",
    PixelType.DOUBLE: "DOUBLE",
    PixelType.BIT: "UINT8",
}
"""SCIFIO's names; it has no bits, which read as 0 and 255."""


def register_format(runtime: Runtime, doors: Doors) -> None:
    """Add the format to SCIFIO, let its dataset service take addresses, and its savers tell what they save."""
    runtime.service("io.scif.services.FormatService").addFormat(_format_class()(doors))
    service = runtime.service("io.scif.services.DatasetIOService")
    runtime.context.getServiceIndex().add(_service_class()(service, doors))
    register_utilities(runtime)


def metadata_of(description: ImageDescription, address: ImageAddress, image_format: Any) -> Any:
    """Return SCIFIO's metadata of an image: axes X, Y, Channel, Z, Time with their calibration, and its name.

    Raises
    ------
    UnsupportedPixelTypeError
        The pixels are complex numbers.
    """
    import jpype

    if description.pixel_type not in PIXEL_TYPES:
        raise UnsupportedPixelTypeError(
            f"{description.name!r} has {description.pixel_type.value} pixels, which SCIFIO cannot hold"
        )
    image = java_class("io.scif.DefaultImageMetadata")()
    image.setName(description.name)
    x, y, z, c, t = description.sizes
    image.setAxes(image_axes(description), jpype.JArray(jpype.JLong)([x, y, c, z, t]))
    image.setPixelType(getattr(java_class("io.scif.util.FormatTools"), PIXEL_TYPES[description.pixel_type]))
    image.setBitsPerPixel(8 * description.pixel_type.dtype.itemsize)
    image.setPlanarAxisCount(2)
    for complete in (image.setLittleEndian, image.setOrderCertain, image.setMetadataComplete, image.setFalseColor):
        complete(True)
    for pair in description.key_values:
        image.getTable().put(pair.key, pair.value)
    images = java_class("java.util.ArrayList")()
    images.add(image)
    metadata = java_class("io.scif.DefaultMetadata")(images)
    metadata.setContext(image_format.getContext())
    metadata.setSourceLocation(location_of(address))
    metadata.setDatasetName(description.name)
    return metadata


class FormatPart(JavaPlugin):
    """What checker, parser, reader and writer have in common (``io.scif.HasFormat``).

    Parameters
    ----------
    image_format
        The format that they belong to.
    doors
        What opens and saves images.
    """

    def __init__(self, image_format: Any, doors: Doors) -> None:
        JavaPlugin.__init__(self)
        self.image_format = image_format
        self.doors = doors

    def getFormat(self) -> Any:
        """Return the format."""
        return self.image_format

    def getFormatName(self) -> str:
        """Return the format's name."""
        return FORMAT_NAME

    def hasCompanionFiles(self) -> bool:
        """Tell that an image is one thing."""
        return False

    def isSingleFile(self, where: Any) -> bool:
        """Tell that an image is one thing."""
        return True

    def fileGroupOption(self, where: Any) -> Any:
        """Tell that images are not grouped."""
        return java_class("io.scif.util.FormatTools").CANNOT_GROUP


class _Checker(FormatPart):
    """``io.scif.Checker``: an image of this format is known by its address, never by its bytes."""

    def suffixNecessary(self) -> bool:
        """Tell that a file's name does not matter."""
        return False

    def suffixSufficient(self) -> bool:
        """Tell that a file's name does not matter: ``asdf.omero`` is a file."""
        return False

    def isFormat(self, where: Any, *config: Any) -> bool:
        """Tell whether this is an address."""
        return is_address(where)

    def checkHeader(self, block: Any) -> bool:
        """Tell that no bytes are of this format."""
        return False


class _Parser(FormatPart):
    """``io.scif.Parser``: tells what an image is."""

    def __init__(self, image_format: Any, doors: Doors) -> None:
        FormatPart.__init__(self, image_format, doors)
        self.metadata: Any = None
        self.where: Any = None

    def parse(self, where: Any, *arguments: Any) -> Any:
        """Open an image and describe it; no pixel is read."""
        address = address_or_error(where)
        opened = self.doors.open(address)
        try:
            self.metadata = metadata_of(opened.description, address, self.image_format)
        except IJOmeroError as error:
            raise java_class("io.scif.FormatException")(str(error)) from error
        self.where = where
        return self.metadata

    def getMetadata(self) -> Any:
        """Return what was told last."""
        return self.metadata

    def getSource(self) -> Any:
        """Return None: there is no stream of bytes."""
        return None

    def getSourceLocation(self) -> Any:
        """Return the address."""
        return self.where

    def updateSource(self, where: Any) -> None:
        """Take another address."""
        self.where = where

    def getUsedLocations(self, *arguments: Any) -> Any:
        """Return the address."""
        import jpype

        return jpype.JArray(java_class("org.scijava.io.location.Location"))([self.where])

    def getImageUsedFiles(self, *arguments: Any) -> Any:
        """Return the address."""
        import jpype

        return jpype.JArray(java_class("org.scijava.io.location.Location"))([self.where])

    def getAdvancedUsedLocations(self, *arguments: Any) -> Any:
        """Return nothing: an image has no files."""
        import jpype

        return jpype.JArray(java_class("io.scif.LocationInfo"))(0)

    def getAdvancedImageUsedLocations(self, *arguments: Any) -> Any:
        """Return nothing: an image has no files."""
        import jpype

        return jpype.JArray(java_class("io.scif.LocationInfo"))(0)

    def getSupportedMetadataLevels(self) -> Any:
        """Return nothing: all of it is told at once."""
        return java_class("java.util.HashSet")()

    def close(self, *arguments: Any) -> None:
        """Let the address go."""
        self.where = None


class _Format(JavaPlugin):
    """``io.scif.Format`` of image addresses."""

    def __init__(self, doors: Doors) -> None:
        JavaPlugin.__init__(self)
        self.doors = doors
        self.enabled = True

    def setEnabled(self, enabled: bool) -> None:
        """Switch the format on or off."""
        self.enabled = bool(enabled)

    def isEnabled(self) -> bool:
        """Tell whether the format is on."""
        return self.enabled

    def getFormatName(self) -> str:
        """Return its name."""
        return FORMAT_NAME

    def getSuffixes(self) -> Any:
        """Return the suffix that addresses of old may have; files with it are not opened."""
        import jpype

        return jpype.JArray(jpype.JString)([SUFFIX])

    def ownsLocationType(self, where: Any) -> bool:
        """Tell whether this is an address."""
        return is_address(where)

    def createMetadata(self) -> Any:
        """Return metadata to fill in."""
        metadata = _new_metadata()
        metadata.setContext(self.getContext())
        return metadata

    def createChecker(self) -> Any:
        """Return a checker."""
        return _part_classes()["Checker"](self, self.doors)

    def createParser(self) -> Any:
        """Return a parser."""
        return _part_classes()["Parser"](self, self.doors)

    def createReader(self) -> Any:
        """Return a reader."""
        return _part_classes()["Reader"](self, self.doors)

    def createWriter(self) -> Any:
        """Return a writer."""
        return _part_classes()["Writer"](self, self.doors)

    def getMetadataClass(self) -> Any:
        """Return the metadata's class."""
        return java_class("io.scif.DefaultMetadata").class_

    def getCheckerClass(self) -> Any:
        """Return the checkers' class."""
        return _java_class_of(self.createChecker(), "Checker")

    def getParserClass(self) -> Any:
        """Return the parsers' class."""
        return _java_class_of(self.createParser(), "Parser")

    def getReaderClass(self) -> Any:
        """Return the readers' class."""
        return _java_class_of(self.createReader(), "Reader")

    def getWriterClass(self) -> Any:
        """Return the writers' class."""
        return _java_class_of(self.createWriter(), "Writer")


def _new_metadata() -> Any:
    return java_class("io.scif.DefaultMetadata")()


def _java_class_of(part: Any, kind: str) -> Any:
    import jpype

    return jpype.JObject(part, java_class(f"io.scif.{kind}")).getClass()


class _DatasetService(JavaPlugin):
    """``io.scif.services.DatasetIOService`` before SCIFIO's own, which gets all that is no address.

    SCIFIO's takes addresses too, by the format, but knows no channels and saves bare pixels.
    """

    def __init__(self, java: Any, doors: Doors) -> None:
        JavaPlugin.__init__(self)
        self.java = java
        self.doors = doors

    def initialize(self) -> None:
        """Do nothing: SCIFIO's is initialized already."""

    def registerEventHandlers(self) -> None:
        """Do nothing: no events are handled."""

    def dispose(self) -> None:
        """Do nothing: SCIFIO's is disposed by itself."""

    def canOpen(self, where: Any) -> bool:
        """Tell whether something can be opened."""
        return is_address(where) or bool(self.java.canOpen(where))

    def canSave(self, where: Any) -> bool:
        """Tell whether something can be saved there."""
        return is_address(where) or bool(self.java.canSave(where))

    def open(self, where: Any, *config: Any) -> Any:
        """Open a Dataset; parts of an image, and images as another type, are made by SCIFIO."""
        if not is_address(where) or any(one.imgOpenerGetRegion() is not None for one in config):
            return self.java.open(where, *config)
        return self.doors.open(address_or_error(where)).to_dataset()

    def openAll(self, where: Any, *config: Any) -> Any:
        """Open all Datasets of a source; an address has one."""
        if not is_address(where):
            return self.java.openAll(where, *config)
        datasets = java_class("java.util.ArrayList")()
        datasets.add(self.open(where, *config))
        return datasets

    def save(self, dataset: Any, where: Any, *config: Any) -> Any:
        """Save a Dataset; at an address with all that belongs to it."""
        if not is_address(where):
            return self.java.save(dataset, where, *config)
        new = self.doors.save(dataset, address_or_error(where))
        metadata = _new_metadata()
        metadata.setContext(self.getContext())
        metadata.setSourceLocation(location_of(new))
        metadata.setDatasetName(dataset.getName())
        return metadata


@functools.cache
def _format_class() -> Any:
    return implement(_Format, "io.scif.Format")


@functools.cache
def _service_class() -> Any:
    return implement(_DatasetService, "io.scif.services.DatasetIOService", delegating=True)


@functools.cache
def _part_classes() -> dict[str, Any]:
    from ._scifio_reader import AddressReader
    from ._scifio_writer import AddressWriter

    parts = {"Checker": _Checker, "Parser": _Parser, "Reader": AddressReader, "Writer": AddressWriter}
    return {kind: implement(part, f"io.scif.{kind}") for kind, part in parts.items()}
