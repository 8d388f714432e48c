"""Image addresses in ImageJ: what opens and saves files there takes ``omero://host/image/42`` too.

SciJava asks its location service what an address is, and its I/O service who opens or saves it. Both are on either
runtime; where SCIFIO is, its format and its dataset service follow (``_scifio_format``).
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Protocol

from ij_omero.errors import IJOmeroError
from ij_omero.model import parse_address

from ._imageplus import is_dataset, is_imageplus
from ._java_proxies import JavaPlugin, add_first, implement
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from ij_omero.cells import CellCache
    from ij_omero.model import ImageAddress, ImageDescription

_log = logging.getLogger(__name__)
SCHEMES = ("omero",)
"""Kinds of addresses that ImageJ is told of; paths of files are its own."""


class OpenedImage(Protocol):
    """What opening an address gives."""

    @property
    def description(self) -> ImageDescription:
        """What the image is; asks for no pixels."""

    @property
    def cache(self) -> CellCache:
        """Its cells."""

    def to_dataset(self) -> Any:
        """Return the image as a ``net.imagej.Dataset`` over the cells."""


class Doors:
    """The two functions that lead from ImageJ to image stores.

    Parameters
    ----------
    open_image
        Opens the image at an address.
    save_image
        Saves a Dataset, ImagePlus or ImageArray at an address and returns the address of the new image.
    """

    def __init__(
        self, open_image: Callable[[ImageAddress], OpenedImage], save_image: Callable[[Any, ImageAddress], ImageAddress]
    ) -> None:
        self.open_image = open_image
        self.save_image = save_image

    def open(self, address: ImageAddress) -> OpenedImage:
        """Open an image; Java is told of a failure as it tells its own."""
        try:
            return self.open_image(address)
        except IJOmeroError as error:
            raise java_class("java.io.IOException")(str(error)) from error

    def save(self, image: Any, address: ImageAddress) -> ImageAddress:
        """Save an image; Java is told of a failure as it tells its own."""
        try:
            new = self.save_image(image, address)
        except IJOmeroError as error:
            raise java_class("java.io.IOException")(str(error)) from error
        _log.info("saved as %s", new)
        if is_dataset(image):
            image.getImgPlus().setSource(str(new))
            image.setDirty(False)
        return new


def register_addresses(
    open_image: Callable[[ImageAddress], OpenedImage], save_image: Callable[[Any, ImageAddress], ImageAddress]
) -> None:
    """Let the running ImageJ open and save images at ``omero:`` addresses.

    ``ij.io()`` takes them on both runtimes; with SCIFIO also ``DatasetIOService``, ``ImgOpener`` and ``ImgSaver``.

    Parameters
    ----------
    open_image
        Opens the image at an address: an object with ``description``, ``cache`` and ``to_dataset()``.
    save_image
        Saves what has pixels (a Dataset, an ImagePlus, an :class:`ImageArray`) at an address; returns that of the new
        image.
    """
    runtime = start()
    doors = Doors(open_image, save_image)
    add_first(runtime.service("org.scijava.io.location.LocationService"), _resolver_class()())
    add_first(runtime.service("org.scijava.io.IOService"), _opener_class()(doors))
    if runtime.is_full and has_scifio():
        from ._scifio_format import register_format

        register_format(runtime, doors)


def has_scifio() -> bool:
    """Tell whether the class path has SCIFIO."""
    import jpype

    try:
        jpype.JClass("io.scif.Format")
    except TypeError:
        return False
    return True


def address_of(where: Any) -> ImageAddress | None:
    """Return the address that a ``Location`` or a text of Java means; None where it is none of an image store."""
    known = getattr(where, "address", None)
    if known is not None:
        return known  # type: ignore[no-any-return] # of a location made here, with the secrets that its text lacks
    if where is None:
        return None
    text = str(where.getURI() if hasattr(where, "getURI") else where)
    if text.partition(":")[0].lower() not in SCHEMES:
        return None
    return parse_address(text)


def is_address(where: Any) -> bool:
    """Tell whether a ``Location`` or text of Java is the address of an image store."""
    try:
        return address_of(where) is not None
    except IJOmeroError:
        return False


def location_of(address: ImageAddress) -> Any:
    """Return an address as SciJava's ``Location``."""
    return _location_class()(address)


class _AddressLocation:
    """``org.scijava.io.location.Location`` of an address; its text has no password, the address has."""

    def __init__(self, address: ImageAddress) -> None:
        self.address = address

    def getURI(self) -> Any:
        """Return the address as Java's URI."""
        return java_class("java.net.URI")(str(self.address))

    def getName(self) -> str:
        """Return the image's name where the address gives it, else the address."""
        return self.address.name or str(self.address)

    def defaultName(self) -> str:
        """Return the name of what has none."""
        return "image"

    def equals(self, other: Any) -> bool:
        """Compare addresses."""
        return isinstance(getattr(other, "address", None), type(self.address)) and other.address == self.address

    def hashCode(self) -> int:
        """Hash the address."""
        return hash(str(self.address)) & 0x7FFFFFFF

    def toString(self) -> str:
        """Return the address without secrets."""
        return str(self.address)


class _Resolver(JavaPlugin):
    """``org.scijava.io.location.LocationResolver``: texts that are addresses become locations."""

    def supports(self, uri: Any) -> bool:
        """Tell whether a URI is an address."""
        return uri is not None and _address_text(uri) is not None

    def resolve(self, uri: Any) -> Any:
        """Return the location of an address."""
        try:
            return location_of(parse_address(_address_text(uri) or str(uri)))
        except IJOmeroError as error:
            raise java_class("java.lang.IllegalArgumentException")(str(error)) from error

    def getType(self) -> Any:
        """Return what it takes."""
        return java_class("java.net.URI").class_


class _Opener(JavaPlugin):
    """``org.scijava.io.IOPlugin``: opens addresses as Datasets over cells, and saves Datasets and ImagePlus there."""

    def __init__(self, doors: Doors) -> None:
        JavaPlugin.__init__(self)
        self._doors = doors

    def getDataType(self) -> Any:
        """Return what it opens."""
        return java_class("net.imagej.Dataset").class_

    def getType(self) -> Any:
        """Return what it takes."""
        return java_class("org.scijava.io.location.Location").class_

    def supports(self, where: Any) -> bool:
        """Tell whether this is an address."""
        return is_address(where)

    def supportsOpen(self, where: Any) -> bool:
        """Tell whether this is the address of an image."""
        return is_address(where)

    def supportsSave(self, *data_and_where: Any) -> bool:
        """Tell whether something can be saved at an address."""
        *data, where = data_and_where
        return is_address(where) and all(is_dataset(image) or is_imageplus(image) for image in data)

    def open(self, where: Any) -> Any:
        """Return the image as a Dataset; no pixel is read."""
        return self._doors.open(address_or_error(where)).to_dataset()

    def save(self, image: Any, where: Any) -> None:
        """Save a new image; a Dataset's source is its address then."""
        self._doors.save(image, address_or_error(where))


def address_or_error(where: Any) -> ImageAddress:
    """Return the address that a ``Location`` or text means, or raise Java's ``IOException``."""
    try:
        address = address_of(where)
    except IJOmeroError as error:
        raise java_class("java.io.IOException")(str(error)) from error
    if address is None:
        raise java_class("java.io.IOException")(f"{where} is no address of an image")
    return address


def _address_text(uri: Any) -> str | None:
    """Return the address that a URI of Java means; None where it is none.

    SciJava takes a text that is no URI, since a name in it has a space, for a file's name in the working folder.
    """
    scheme = str(uri.getScheme() or "").lower()
    if scheme in SCHEMES:
        return str(uri)
    if scheme != "file":
        return None
    folder = str(java_class("java.io.File")("").getAbsoluteFile().toURI().getPath()).rstrip("/") + "/"
    path = str(uri.getPath() or "")
    text = path.removeprefix(folder)
    kind, colon, rest = text.partition(":")
    return text if text != path and colon and kind.lower() in SCHEMES and "=" in rest else None


@functools.cache
def _location_class() -> Any:
    return implement(_AddressLocation, "org.scijava.io.location.Location")


@functools.cache
def _resolver_class() -> Any:
    return implement(_Resolver, "org.scijava.io.location.LocationResolver")


@functools.cache
def _opener_class() -> Any:
    return implement(_Opener, "org.scijava.io.IOPlugin")
