"""How images lie on a DVID server: what a server that shows images that way, and its clients, agree upon.

An image is one instance of voxels with the tag `TAG`, its planes behind each other along z: z fastest, then channel and
timepoint. Its description is a value of the instance `VALUES`, of type keyvalue, under `key_of` its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._description_json import description_to_json, json_text

if TYPE_CHECKING:
    from ij_omero.model import ImageDescription

__all__ = ["FORMAT", "PART", "TAG", "VALUES", "description_value", "key_of"]

TAG = "ij_omero"
PART = "ij_omero_part"
"""The tag of instances that show again what lies in another one: one channel at one timepoint."""
VALUES = "ij_omero"
"""The instance of type keyvalue that holds what belongs to images."""
FORMAT = 1


def key_of(name: str) -> str:
    """Return the key of an image's description."""
    return f"image/{name}"


def description_value(description: ImageDescription) -> bytes:
    """Return what is kept of an image's description."""
    return json_text({"format": FORMAT, "image": description_to_json(description)}).encode()
