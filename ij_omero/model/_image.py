"""What an image is, apart from its pixels."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ij_omero.errors import InvalidInputError

from ._quantity import Quantity
from ._region import PlaneIndex, Region

if TYPE_CHECKING:
    import datetime

    from ._pixel_type import PixelType
    from ._rendering import RenderingSettings

ImageId: TypeAlias = "int | str"
"""An image's id in its store: a number in OMERO and in a local store, a name elsewhere."""


class KeyValue(NamedTuple):
    """One key-value pair; a list of them may repeat keys, and its order matters (OMERO's map annotations)."""

    key: str
    value: str


@dataclass(frozen=True)
class Channel:
    """One channel.

    Parameters
    ----------
    name
        The channel's label; None where the store has none.
    color
        Red, green, blue, alpha, each 0 to 255; None where none was set.
    excitation, emission
        Wavelengths as lengths.
    window
        (start, end) of the initial rendering, in pixel values; None where unknown.
    active
        Whether the channel is shown.
    lookup_table
        The name of a lookup table, which takes the place of the colour.
    """

    name: str | None = None
    color: tuple[int, int, int, int] | None = None
    excitation: Quantity | None = None
    emission: Quantity | None = None
    window: tuple[float, float] | None = None
    active: bool = True
    lookup_table: str | None = None


@dataclass(frozen=True)
class ResolutionLevel:
    """One level of a pyramid; 0 is full size everywhere in this package.

    ``tile_width`` and ``tile_height`` are the sizes in which the store reads this level best.
    """

    index: int
    width: int
    height: int
    tile_width: int
    tile_height: int

    @property
    def bounds(self) -> Region:
        """The whole level as a region."""
        return Region(0, 0, self.width, self.height)


@dataclass(frozen=True)
class ImageDescription:
    """Everything that belongs to an image but is not a pixel.

    Sizes are in the order X, Y, Z, C, T; arrays of the image are (T, C, Z, Y, X). An axis of length 1 stays an axis.

    Parameters
    ----------
    name
        The image's name.
    pixel_type
        The type of its pixels.
    size_x, size_y, size_z, size_c, size_t
        Pixels, z-sections, channels and timepoints, each at least 1.
    description
        Free text.
    physical_size_x, physical_size_y, physical_size_z
        The distance between pixels; None where unknown.
    time_increment
        The time between timepoints; None where unknown.
    channels
        One entry per channel; filled with unnamed channels when left empty.
    key_values
        Key-value pairs in their order, keys may repeat.
    tags
        The values of the image's tags.
    acquired
        When the image was acquired.
    rendering
        Rendering settings, where the store keeps them.
    image_id, pixels_id
        Ids in the store that the description was read from; None for an image that is not stored yet.
    dataset_id, dataset_name, owner, group
        Where the image lies in its store, where the store has such things.
    source_id
        The image of the same store that this one was made from, where the store knows.
    source_address
        The address of the image that it was made from, where that lies in another store.
    project_id, project_name
        The project that its dataset lies in, where the store has projects.

    Raises
    ------
    InvalidInputError
        A size is below 1, a distance or time has no unit, or the number of channels given is not ``size_c``.
    """

    name: str
    pixel_type: PixelType
    size_x: int
    size_y: int
    size_z: int = 1
    size_c: int = 1
    size_t: int = 1
    description: str = ""
    physical_size_x: Quantity | None = None
    physical_size_y: Quantity | None = None
    physical_size_z: Quantity | None = None
    time_increment: Quantity | None = None
    channels: tuple[Channel, ...] = ()
    key_values: tuple[KeyValue, ...] = ()
    tags: tuple[str, ...] = ()
    acquired: datetime.datetime | None = None
    rendering: RenderingSettings | None = None
    image_id: ImageId | None = field(default=None)
    pixels_id: int | None = None
    dataset_id: ImageId | None = None
    dataset_name: str | None = None
    owner: str | None = None
    group: str | None = None
    source_id: ImageId | None = None
    source_address: str | None = None
    project_id: ImageId | None = None
    project_name: str | None = None

    def __post_init__(self) -> None:
        """Check sizes and complete the channels."""
        for axis, size in zip("XYZCT", self.sizes, strict=True):
            try:
                object.__setattr__(self, f"size_{axis.lower()}", operator.index(size))  # numpy's integers too
            except TypeError:
                raise InvalidInputError(
                    f"size {axis} of image {self.name!r} is {size!r}; it must be a whole number"
                ) from None
            if size < 1:
                raise InvalidInputError(f"size {axis} of image {self.name!r} is {size}; it must be at least 1")
        for name in ("physical_size_x", "physical_size_y", "physical_size_z", "time_increment"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Quantity):
                raise InvalidInputError(
                    f"{name} of image {self.name!r} is {value!r}; expected a Quantity, such as Quantity(0.2, 'µm')"
                )
        if not self.channels:
            object.__setattr__(self, "channels", tuple(Channel() for _ in range(self.size_c)))
        if len(self.channels) != self.size_c:
            raise InvalidInputError(
                f"image {self.name!r} has {self.size_c} channels but {len(self.channels)} are described"
            )

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """(X, Y, Z, C, T)."""
        return (self.size_x, self.size_y, self.size_z, self.size_c, self.size_t)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(T, C, Z, Y, X), the shape of the image as an array."""
        return (self.size_t, self.size_c, self.size_z, self.size_y, self.size_x)

    @property
    def nbytes(self) -> int:
        """Bytes of all full-size pixels; an exact integer whatever the size."""
        return self.size_x * self.size_y * self.size_z * self.size_c * self.size_t * self.pixel_type.bytes_per_pixel

    @property
    def plane_count(self) -> int:
        """How many planes the image has."""
        return self.size_z * self.size_c * self.size_t

    def plane_indices(self) -> list[PlaneIndex]:
        """Return all planes, z fastest, then channel, then timepoint."""
        return [PlaneIndex(z, c, t) for t in range(self.size_t) for c in range(self.size_c) for z in range(self.size_z)]

    def replace(self, **changes: Any) -> ImageDescription:
        """Return a copy with some fields changed.

        The channels are dropped when ``size_c`` changes and no channels are given.
        """
        if changes.get("size_c", self.size_c) != self.size_c and "channels" not in changes:
            changes["channels"] = ()
        return replace(self, **changes)


@dataclass(frozen=True)
class ImageSummary:
    """A line of a listing."""

    image_id: ImageId
    name: str
    sizes: tuple[int, int, int, int, int]
    pixel_type: PixelType
    dataset_name: str | None = None
