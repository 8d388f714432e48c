"""A new image on the server in one call: its Pixels with calibration and channels, marked as unfinished."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ij_omero.model import Channel, ImageDescription, PixelType

from ._describing import milliseconds_of
from ._enumerations import enumerations
from ._ice import omero
from ._marks import unfinished_mark, unfinished_name
from ._values import length_for, optional, set_color, time_for

if TYPE_CHECKING:
    from ._session import Connection


@dataclass(frozen=True)
class CreatedImage:
    """What the server made: an image without pixels' values.

    Parameters
    ----------
    image_id, pixels_id
        The image and its Pixels.
    statistics
        The StatsInfo of each channel, to be filled when the pixels have gone by.
    row
        The Image as the server gave it back, without its Pixels.
    """

    image_id: int
    pixels_id: int
    statistics: tuple[Any, ...]
    row: Any


def create_image(connection: Connection, description: ImageDescription, context: dict[str, str]) -> CreatedImage:
    """Make an image that holds everything but pixels' values, statistics, rendering settings, annotations and its name.

    What lies in the row of the Pixels is set now, since the server refuses to change that row while, or after, a
    RawPixelsStore holds it for writing.
    """
    types = enumerations(connection, "PixelsType", "DimensionOrder")
    pixel_type = PixelType.UINT8 if description.pixel_type is PixelType.BIT else description.pixel_type
    pixels = omero.model.PixelsI()
    for axis, size in zip("XYZCT", description.sizes, strict=True):
        setattr(pixels, f"size{axis}", omero.rtypes.rint(size))
    pixels.pixelsType, pixels.dimensionOrder = types[pixel_type.value], types["XYZCT"]
    pixels.sha1 = omero.rtypes.rstring("Pending...")
    pixels.physicalSizeX = length_for(description.physical_size_x)
    pixels.physicalSizeY = length_for(description.physical_size_y)
    pixels.physicalSizeZ = length_for(description.physical_size_z)
    pixels.timeIncrement = time_for(description.time_increment)
    for channel in description.channels:
        pixels.addChannel(_channel(channel))
    image = omero.model.ImageI()
    image.name = omero.rtypes.rstring(unfinished_name(description.name))
    image.description = omero.rtypes.rstring(unfinished_mark(description.name))
    acquired = description.acquired or datetime.datetime.now(datetime.timezone.utc)
    image.acquisitionDate = omero.rtypes.rtime(milliseconds_of(acquired))
    image.addPixels(pixels)
    saved = connection.service("Update").saveAndReturnObject(image, context)
    (stored,) = saved.copyPixels()
    statistics = tuple(channel.statsInfo for channel in stored.copyChannels())
    saved.unloadCollections()
    return CreatedImage(int(saved.id.val), int(stored.id.val), statistics, saved)


def _channel(channel: Channel) -> Any:
    stored = omero.model.ChannelI()
    stored.statsInfo = omero.model.StatsInfoI()
    stored.statsInfo.globalMin, stored.statsInfo.globalMax = omero.rtypes.rdouble(0.0), omero.rtypes.rdouble(1.0)
    stored.lookupTable = optional(omero.rtypes.rstring, channel.lookup_table)
    if channel.color is not None:
        set_color(stored, channel.color)
    logical = stored.logicalChannel = omero.model.LogicalChannelI()
    logical.name = optional(omero.rtypes.rstring, channel.name)
    logical.excitationWave = length_for(channel.excitation)
    logical.emissionWave = length_for(channel.emission)
    return stored
