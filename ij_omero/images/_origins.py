"""Which image a new one was made from: its provenance."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import AddressError, InvalidInputError, NotFoundError
from ij_omero.model import parse_address

from ._from_xarray import is_data_array
from ._image import Image

if TYPE_CHECKING:
    from ij_omero.model import ImageAddress, ImageDescription, ImageId
    from ij_omero.pixels import ImageStore

_log = logging.getLogger(__name__)


class Origin(NamedTuple):
    """The image that a new one was made from.

    Attributes
    ----------
    description
        What it is; None where that is not known here.
    image_id
        Its id, where it lies in the store that the new image goes to.
    address
        Its address, where it lies in another.
    """

    description: ImageDescription | None = None
    image_id: ImageId | None = None
    address: str | None = None


def origin_of(store: ImageStore, image: Any, source: Image | ImageId | None) -> Origin:
    """Return what ``image``, which goes to a store, was made from.

    Parameters
    ----------
    store
        Where the new image goes.
    image
        What is saved.
    source
        What the caller says that it was made from; without it, what ``image`` knows of that itself.

    Raises
    ------
    InvalidInputError, ImageNotFoundError
        The source is no image, or none of the store.
    """
    if isinstance(source, (int, str)):
        return Origin(store.describe(source), source)
    parent = source if source is not None else image if isinstance(image, Image) else None
    if parent is None:
        text = _told_by(image)
        return Origin() if text is None else _found(store, text)
    if not isinstance(parent, Image):
        raise InvalidInputError(f"source is a {type(parent).__name__}; expected an open image or an image id")
    if parent.store.address == store.address:
        return Origin(parent.description, parent.image_id)
    return _found(store, str(parent.address))._replace(description=parent.description)


def _told_by(image: Any) -> str | None:
    """Return the address of its source that a result of ImageJ, a Dataset of Java or a data array carries with it."""
    if hasattr(image, "made_from"):
        address: str | None = image.made_from
        return address
    if is_data_array(image):
        text = image.attrs.get("address")
        return text if isinstance(text, str) else None
    from ij_omero.imagej import current

    if current() is None:
        return None
    from ij_omero.imagej import is_dataset, source_address

    return source_address(image) if is_dataset(image) else None


def _found(store: ImageStore, text: str) -> Origin:
    """Look for an address in the store; what is not there, or not to be seen, is another store's."""
    try:
        address = parse_address(text)
    except AddressError:
        return Origin()
    image_id = address.image_id
    if image_id is not None and address.scheme == store.address.scheme:
        try:
            if _place(store.address_of(image_id)) == _place(address):
                return Origin(store.describe(image_id), image_id)
        except NotFoundError as error:
            _log.info("no link to the source %s: %s", address, error)
    return Origin(address=_lasting(address))


def _place(address: ImageAddress) -> tuple[Any, ...]:
    return (address.scheme, address.host, address.port, address.path and address.path.absolute())


def _lasting(address: ImageAddress) -> str | None:
    """Return an address as others can use it: without who opened it, and from any folder."""
    if address.scheme == "memory":
        return None  # nothing of it outlives this process
    path = address.path.absolute() if address.path is not None else None
    return str(replace(address, user=None, path=path))
