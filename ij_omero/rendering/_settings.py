"""Rendering settings of an image that has none of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError
from ij_omero.model import ChannelRendering, RenderingSettings

from ._quantization import pixel_range

if TYPE_CHECKING:
    from ij_omero.model import Channel, ImageDescription

_WHITE = (255, 255, 255, 255)
_RED, _GREEN, _BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
_IN_TURN = (_RED, _GREEN, _BLUE)
_GREEN_FROM, _RED_FROM = 500.0, 560.0  # nanometres; omeis.providers.re.ColorsFactory (ome/omero-renderer)
_FIRST_ACTIVE = 3


def settings_for(description: ImageDescription) -> RenderingSettings:
    """Return how an image is shown: its own settings, else settings made from what its channels say.

    A channel without a window shows the whole range of its pixel type (0 to 1 for floats). One without a colour takes
    blue, green or red by its emission or else excitation wavelength, otherwise red, green and blue in turn, and white
    where it is alone. As on an OMERO.server, the first three channels are active where no channel is hidden.
    """
    if description.rendering is not None:
        return description.rendering
    alone = description.size_c == 1
    all_active = all(channel.active for channel in description.channels)
    return RenderingSettings(
        tuple(
            ChannelRendering(
                _window(channel, description),
                channel.color or (_WHITE if alone else _color(index, channel)),
                channel.active and (index < _FIRST_ACTIVE or not all_active),
                channel.lookup_table,
            )
            for index, channel in enumerate(description.channels)
        ),
        "greyscale" if alone and description.channels[0].color is None else "rgb",
    )


def _color(index: int, channel: Channel) -> tuple[int, int, int, int]:
    wave = channel.emission or channel.excitation
    if wave is None:
        return _IN_TURN[index % len(_IN_TURN)]
    try:
        length = wave.to("nm")
    except InvalidInputError:
        return _IN_TURN[index % len(_IN_TURN)]
    return _BLUE if length < _GREEN_FROM else _GREEN if length < _RED_FROM else _RED


def _window(channel: Channel, description: ImageDescription) -> tuple[float, float]:
    if channel.window is not None:
        return channel.window
    dtype = description.pixel_type.dtype
    return (0.0, 1.0) if dtype.kind not in "biu" else pixel_range(dtype)
