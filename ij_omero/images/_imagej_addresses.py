"""What ImageJ does at addresses: opening and saving through the kept connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._opening import kept_connection, open_image, split_address

if TYPE_CHECKING:
    from ij_omero.model import ImageAddress, ImageId


def add_to_imagej() -> None:
    """Let the running ImageJ open and save images at addresses, and have its menu import and export them."""
    from ij_omero.imagej import register_addresses

    from ._imagej_menu import add_to_menu

    register_addresses(open_image, save_at)
    add_to_menu()


def save_at(image: Any, address: ImageAddress) -> ImageAddress:
    """Save a Dataset, ImagePlus or array as a new image of the store that an address names; return its address.

    An image's own address is never written over: the new image is linked to that image as its source. Without one, a
    Dataset of an image of the same store is linked to that.
    """
    store, source = _store_of(address)
    connection = kept_connection(store)
    new = connection.save_image(image, name=address.name, source=source)
    try:
        return new.address
    finally:
        new.close()


def _store_of(address: ImageAddress) -> tuple[ImageAddress, ImageId | None]:
    from dataclasses import replace

    bare = replace(address, name=None)
    return split_address(bare) if bare.image_id is not None else (bare, None)
