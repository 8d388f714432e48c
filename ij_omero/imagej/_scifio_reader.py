"""The reader of image addresses in SCIFIO, and what lets ``ImgOpener`` hand out the cell image itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.model import PixelType, PlaneIndex, Region

from ._addresses import address_or_error
from ._cell_image import cell_image
from ._dataset import remember_cells
from ._java_proxies import implement
from ._primitive_arrays import to_java_array
from ._runtime import java_class
from ._scifio_format import FormatPart, metadata_of
from ._scifio_subclasses import subclass

if TYPE_CHECKING:
    from ._addresses import Doors, OpenedImage

_FACTORY = "io.scif.img.cell.SCIFIOCellImgFactory"


class AddressReader(FormatPart):
    """``io.scif.Reader`` of an image: reads planes and parts of them through its cells."""

    def __init__(self, image_format: Any, doors: Doors) -> None:
        FormatPart.__init__(self, image_format, doors)
        self.metadata: Any = None
        self.where: Any = None
        self.opened: OpenedImage | None = None
        self.normalized = False

    def setSource(self, where: Any, *config: Any) -> None:
        """Open an image; no pixel is read. Where SCIFIO may choose what holds the pixels, the cell image does."""
        address = address_or_error(where)
        self.opened = self.doors.open(address)
        self.metadata = metadata_of(self.opened.description, address, self.image_format)
        self.where = where
        for one in config:
            if one.imgOpenerGetImgFactoryHeuristic() is None:
                one.imgOpenerSetImgFactoryHeuristic(_heuristic_class()(self.opened, one.imgOpenerGetRegion()))

    def setMetadata(self, metadata: Any) -> None:
        """Take an image by its metadata."""
        self.setSource(metadata.getSourceLocation())

    def getMetadata(self) -> Any:
        """Return what the image is."""
        return self.metadata

    def openPlane(self, image_index: int, plane_index: int, *arguments: Any) -> Any:
        """Read a plane, or the part of it that is asked for."""
        image = self.metadata.get(image_index)
        bounds = next((one for one in arguments if isinstance(one, java_class("net.imglib2.Interval"))), None)
        if bounds is None:
            bounds = java_class("net.imglib2.FinalInterval")(image.getAxesLengthsPlanar())
        given = next((one for one in arguments if isinstance(one, java_class("io.scif.Plane"))), None)
        x, y, width, height = (
            int(number) for number in (bounds.min(0), bounds.min(1), bounds.dimension(0), bounds.dimension(1))
        )
        description = self._image().description
        t, rest = divmod(int(plane_index), description.size_z * description.size_c)
        z, c = divmod(rest, description.size_c)
        pixels = self._image().cache.read(PlaneIndex(z=z, c=c, t=t), Region(x, y, width, height))
        if description.pixel_type is PixelType.BIT:
            pixels = pixels.astype(np.uint8) * np.uint8(255)
        little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        plane = java_class("io.scif.ByteArrayPlane")() if given is None else given
        plane.populate(image, to_java_array(little.view(np.int8)), bounds)
        return plane

    def _image(self) -> OpenedImage:
        if self.opened is None:
            raise java_class("java.io.IOException")("no image was opened, or it was closed")
        return self.opened

    def getCurrentLocation(self) -> Any:
        """Return the address."""
        return self.where

    def getDomains(self) -> Any:
        """Return what kind of images these are."""
        import jpype

        return jpype.JArray(jpype.JString)(["Light Microscopy"])

    def getHandle(self) -> Any:
        """Return None: there is no stream of bytes."""
        return None

    def getOptimalTileWidth(self, image_index: int) -> int:
        """Return the width of a cell."""
        return self._cell_dimensions()[0]

    def getOptimalTileHeight(self, image_index: int) -> int:
        """Return the height of a cell."""
        return self._cell_dimensions()[1]

    def _cell_dimensions(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self._image().cache.grid.cell_dimensions)

    def setNormalized(self, normalized: bool) -> None:
        """Note whether floats are to be scaled, which nothing of this format needs."""
        self.normalized = bool(normalized)

    def isNormalized(self) -> bool:
        """Tell what was noted."""
        return self.normalized

    def getPlaneCount(self, image_index: int) -> Any:
        """Return how many planes there are."""
        return self.metadata.get(image_index).getPlaneCount()

    def getImageCount(self) -> int:
        """Return 1: an address has one image."""
        return 1

    def createPlane(self, *arguments: Any) -> Any:
        """Return an empty plane."""
        image = arguments[0] if len(arguments) > 1 else self.metadata.get(0)
        return java_class("io.scif.ByteArrayPlane")(image, arguments[-1])

    def castToTypedPlane(self, plane: Any) -> Any:
        """Return the plane: there is one kind."""
        return plane

    def close(self, *arguments: Any) -> None:
        """Let the image go; a cell image that was handed out stays."""
        self.opened = None


class _Heuristic:
    """``io.scif.img.ImgFactoryHeuristic``: the cell image holds the pixels unless an array was asked for."""

    def __init__(self, opened: OpenedImage, region: Any) -> None:
        self.opened = opened
        self.region = region

    def createFactory(self, metadata: Any, modes: Any, pixel_type: Any) -> Any:
        """Return a factory whose image is the cell image, or a view of it; SCIFIO's choice where that does not fit."""
        wanted = str(modes[0]) if modes is not None and len(modes) else "AUTO"
        factory_class = _factory_class()
        if factory_class is not None and wanted != "ARRAY" and self.opened.description.pixel_type is not PixelType.BIT:
            cells = cell_image(self.opened.cache)
            pixels = cells if self.region is None else _part_of(cells, metadata.get(0), self.region)
            # another type than the image's, or scattered planes, are copied
            if pixels is not None and pixel_type.getClass().equals(cells.getType().getClass()):
                if self.region is None:
                    remember_cells(self.opened.cache, pixels)
                return factory_class(pixel_type, pixels)
        own = java_class("io.scif.img.DefaultImgFactoryHeuristic")()
        return own.createFactory(metadata, modes, pixel_type)


def _part_of(cells: Any, image: Any, region: Any) -> Any:
    """Return a view of the part of an image that SCIFIO's ``ImageRegion`` says; None where it has gaps."""
    import jpype

    low, high = [0] * 5, [int(size) - 1 for size in cells.dimensionsAsLongArray()]
    for number, axis in enumerate(image.getAxes()):
        places = region.getRange(axis.type())
        if places is None:
            continue
        low[number], high[number] = int(places.head()), int(places.tail())
        if places.size() != high[number] - low[number] + 1:
            return None
    views, longs = java_class("net.imglib2.view.Views"), jpype.JArray(jpype.JLong)
    part = views.zeroMin(views.interval(cells, longs(low), longs(high)))
    return java_class("net.imglib2.img.ImgView")(part, cells.factory())


@functools.cache
def _factory_class() -> Any:
    """Return the class of factories whose whole image is one that exists, compiled at run time.

    SCIFIO reads at once into the images of any other factory than its own for cells, and a proxy can be no subclass.
    None without javassist; images are SCIFIO's own cells over the reader then.
    """
    members = (
        ("Field", "private net.imglib2.img.Img whole;"),
        ("Constructor",
         """public IjOmeroCellImgFactory(net.imglib2.type.NativeType type, net.imglib2.img.Img whole) {
            super(type); this.whole = whole; }"""),
        # by its descriptor it overrides the method that ImgOpener calls, which Java's own compiler would not allow
        ("Method", "public net.imglib2.img.Img create(long[] sizes) { return whole; }"),
    )  # fmt: skip
    return subclass(_FACTORY, "IjOmeroCellImgFactory", members, "SCIFIO holds the pixels in cells of its own")


@functools.cache
def _heuristic_class() -> Any:
    return implement(_Heuristic, "io.scif.img.ImgFactoryHeuristic")
