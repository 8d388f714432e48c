"""What an instance of voxels is as an image, and where its planes lie."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import (
    CorruptedDataError,
    ImageNotFoundError,
    InvalidInputError,
    NotFoundError,
    UnsupportedPixelTypeError,
)
from ij_omero.model import Channel, ImageDescription, PixelType, PlaneIndex, Quantity
from ij_omero.stores._description_json import description_from_json
from ij_omero.stores.dvid_layout import FORMAT, TAG, VALUES, key_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._client import DvidClient

TYPES = {
    PixelType.UINT8: "uint8blk",
    PixelType.UINT16: "uint16blk",
    PixelType.UINT32: "uint32blk",
    PixelType.FLOAT: "float32blk",
}
_PIXEL_TYPES = {name: kind for kind, name in TYPES.items()} | {"rgba8blk": PixelType.UINT8}
_UNITS = {"picometers": "pm", "nanometers": "nm", "micrometers": "µm", "microns": "µm", "millimeters": "mm"}
_COLORS = (
    Channel("red", (255, 0, 0, 255)),
    Channel("green", (0, 255, 0, 255)),
    Channel("blue", (0, 0, 255, 255)),
    Channel("alpha", active=False),
)


@dataclass(frozen=True)
class StoredImage:
    """An image on a server.

    Attributes
    ----------
    uuid, name
        The version and the instance.
    description
        What it is.
    offset
        Its first voxel (x, y, z).
    block
        The size of its blocks.
    interleaved
        Values per voxel, which are its channels; 1 where planes hold one channel each.
    own
        Whether this package made it.
    """

    uuid: str
    name: str
    description: ImageDescription
    offset: tuple[int, int, int]
    block: tuple[int, int, int]
    interleaved: int
    own: bool

    def section(self, plane: PlaneIndex) -> int:
        """Return the z of a plane's voxels."""
        if self.interleaved > 1:
            return self.offset[2] + plane.z
        description = self.description
        return self.offset[2] + (plane.t * description.size_c + plane.c) * description.size_z + plane.z

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of one value, as it is sent."""
        return self.description.pixel_type.dtype.newbyteorder("<")

    def plane_of(self, body: bytes, shape: tuple[int, ...], channel: int) -> npt.NDArray[Any]:
        """Return one channel of voxels that were sent.

        Raises
        ------
        CorruptedDataError
            Other than so many bytes were sent.
        """
        expected = int(np.prod(shape)) * self.interleaved * self.dtype.itemsize
        if len(body) != expected:
            raise CorruptedDataError(f"the server sent {len(body)} bytes of {self.name}; expected {expected}")
        voxels = np.frombuffer(body, self.dtype).reshape(*shape, self.interleaved)
        return voxels[..., channel if self.interleaved > 1 else 0]


def stored_image(client: DvidClient, uuid: str, name: str, info: dict[str, Any] | None = None) -> StoredImage:
    """Return what an instance is.

    Parameters
    ----------
    uuid
        The whole UUID of the version.
    info
        What the server told of the instance; asked for where it is not given.

    Raises
    ------
    ImageNotFoundError
        There is no such instance, or it has no voxels, or is being written.
    UnsupportedPixelTypeError
        Its voxels are of a type that images do not have.
    """
    if info is None:
        try:
            info = client.info(uuid, name)
        except (NotFoundError, InvalidInputError) as error:
            raise ImageNotFoundError(f"no image '{uuid}/{name}': {error}") from error
    try:
        base, extended = info["Base"], info["Extended"]
        typename = base["TypeName"]
        if TAG in (base.get("Tags") or {}):
            return _own(client, uuid, name, _triple(extended["BlockSize"]))
        if typename not in _PIXEL_TYPES:
            if typename.endswith("64blk") or typename.startswith("label"):
                raise UnsupportedPixelTypeError(f"{name} holds voxels of type {typename}, which images do not have")
            raise ImageNotFoundError(f"{name} is of type {typename}, not of a type of voxels")
        block = _triple(extended["BlockSize"])
        first, last = extended["MinPoint"], extended["MaxPoint"]
        if first is None or last is None:
            raise ImageNotFoundError(f"{name} has no voxels yet at version {uuid}")
        description = _description(uuid, name, typename, extended, _triple(first), _triple(last))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, (ImageNotFoundError, UnsupportedPixelTypeError)):
            raise
        raise CorruptedDataError(f"the server tells of {name} what cannot be understood: {error!r}") from error
    return StoredImage(uuid, name, description, _triple(first), block, 4 if typename == "rgba8blk" else 1, False)


def _own(client: DvidClient, uuid: str, name: str, block: tuple[int, int, int]) -> StoredImage:
    try:
        told = json.loads(client.value(uuid, VALUES, key_of(name)))
    except (NotFoundError, InvalidInputError) as error:
        raise ImageNotFoundError(f"image {name} is being written, or its writing was given up, at {uuid}") from error
    except ValueError as error:
        raise CorruptedDataError(f"the description of image {name} is damaged: {error}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise CorruptedDataError(f"the description of image {name} is damaged, or of a later version of this package")
    description = description_from_json(told["image"]).replace(image_id=f"{uuid}/{name}", dataset_id=uuid)
    return StoredImage(uuid, name, description.replace(dataset_name=None), (0, 0, 0), block, 1, True)


def _description(
    uuid: str, name: str, typename: str, extended: dict[str, Any], first: tuple[int, ...], last: tuple[int, ...]
) -> ImageDescription:
    sizes = [int(b) - int(a) + 1 for a, b in zip(first, last, strict=True)]
    lengths = [
        Quantity(float(size), _UNITS[unit]) if unit in _UNITS else None
        for size, unit in zip(extended["VoxelSize"], extended["VoxelUnits"], strict=True)
    ]
    colors = _COLORS if typename == "rgba8blk" else (Channel(name),)
    return ImageDescription(
        name,
        _PIXEL_TYPES[typename],
        sizes[0],
        sizes[1],
        sizes[2],
        len(colors),
        physical_size_x=lengths[0],
        physical_size_y=lengths[1],
        physical_size_z=lengths[2],
        channels=colors,
        image_id=f"{uuid}/{name}",
        dataset_id=uuid,
    )


def voxel_settings(description: ImageDescription) -> dict[str, str]:
    """Return the distances of an image's pixels as settings of an instance; unknown ones are 1 pixel."""
    names = {symbol: name for name, symbol in reversed(_UNITS.items())}
    sizes, units = [], []
    for axis in "xyz":
        length: Quantity | None = getattr(description, f"physical_size_{axis}")
        known = length is not None and length.unit in names and 0 < length.value < 1e30
        sizes.append(repr(length.value) if length is not None and known else "1.0")
        units.append(names[length.unit] if length is not None and known else "pixels")
    return {"VoxelSize": ",".join(sizes), "VoxelUnits": ",".join(units)}


def _triple(numbers: Any) -> tuple[int, int, int]:
    x, y, z = (int(number) for number in numbers)
    return x, y, z
