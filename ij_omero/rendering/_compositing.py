"""Channels to one RGB picture: OMERO's own mixing, and Minerva's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._bands import band_rows, bands
from ._colors import ColorMixer, mixer_for_color, mixer_for_lookup_table
from ._kernels import Layer, choose_kernel
from ._lookup_tables import find_lookup_table
from ._quantization import quantizer_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from ij_omero.model import ChannelRendering

MODELS = ("rgb", "greyscale")


def render_planes(
    planes: Sequence[npt.NDArray[Any] | None],
    channels: Sequence[ChannelRendering],
    *,
    model: str = "rgb",
    lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None = None,
    kernel: str = "auto",
    out: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Render one plane per channel into a picture, as an OMERO.server does.

    Parameters
    ----------
    planes
        One (Y, X) array per channel, all of one shape; None is allowed where the channel is not active.
    channels
        How each is shown.
    model
        ``"rgb"`` adds the active channels in their colours or lookup tables; ``"greyscale"`` shows the first active
        channel in grey.
    lookup_tables
        Tables by name, (256, 3) uint8; see `read_lookup_tables`. A channel whose table is not known is shown in its
        colour, as OMERO does.
    kernel
        ``"auto"``, ``"numba"`` or ``"numpy"``; the result is the same.
    out
        A (Y, X, 3) uint8 array to render into.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8; black where nothing is active.

    Raises
    ------
    InvalidInputError
        Shapes or numbers do not fit, or a setting is out of its range.
    UnsupportedPixelTypeError
        The pixels are complex.

    Notes
    -----
    The steps are those of ``omeis.providers.re`` (ome/omero-renderer): quantize to 0 to 255 within the window, invert,
    multiply with the colour and truncate, add the channels, clip. The peculiarities of the original are kept, such as
    the logarithmic family's wrapping of the darkest levels.
    """
    chosen = _chosen(planes, channels, model)
    shape = _common_shape(planes)
    out = _checked_out(out, shape)
    if not chosen:
        out[:] = 0
        return out
    prepared = []
    for index in chosen:
        plane, channel = planes[index], channels[index]
        if plane is None:
            raise InvalidInputError(f"channel {index} is active but no plane was given for it")
        mixer = _GREY if model == "greyscale" else _mixer_of(channel, lookup_tables)
        prepared.append(Layer(plane, quantizer_for(channel, plane.dtype), mixer))
    choose_kernel(kernel).render(prepared, out)
    return out


_GREY = mixer_for_color((255, 255, 255, 255))


def _mixer_of(channel: ChannelRendering, lookup_tables: Mapping[str, npt.NDArray[np.uint8]] | None) -> ColorMixer:
    table = find_lookup_table(channel.lookup_table, lookup_tables)
    return mixer_for_color(channel.color) if table is None else mixer_for_lookup_table(table)


def shown_channels(channels: Sequence[ChannelRendering], model: str) -> list[int]:
    """Return the channels whose pixels are needed: the active ones, in greyscale the first of them.

    Raises
    ------
    InvalidInputError
        The model is neither ``"rgb"`` nor ``"greyscale"``.
    """
    if model not in MODELS:
        raise InvalidInputError(f"unknown model {model!r}; expected one of {', '.join(MODELS)}")
    active = [index for index, channel in enumerate(channels) if channel.active]
    return active[:1] if model == "greyscale" else active


def _chosen(planes: Sequence[npt.NDArray[Any] | None], channels: Sequence[ChannelRendering], model: str) -> list[int]:
    if len(planes) != len(channels):
        raise InvalidInputError(f"{len(planes)} planes were given for {len(channels)} channels; expected one for each")
    return shown_channels(channels, model)


def _common_shape(planes: Sequence[npt.NDArray[Any] | None]) -> tuple[int, int]:
    shapes = {plane.shape for plane in planes if plane is not None}
    if not shapes:
        raise InvalidInputError("at least one channel must be specified")
    if len(shapes) > 1:
        raise InvalidInputError(f"all channel images must have equal dimensions, not {sorted(shapes)}")
    shape = shapes.pop()
    if len(shape) != 2:
        raise InvalidInputError(f"a plane has shape {shape}; expected (Y, X)")
    return shape


def _checked_out(out: npt.NDArray[np.uint8] | None, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if out is None:
        return np.empty((*shape, 3), np.uint8)
    if out.shape != (*shape, 3) or out.dtype != np.uint8:
        raise InvalidInputError(f"cannot render into {out.shape} {out.dtype}; expected {(*shape, 3)} uint8")
    return out


def composite_minerva(
    planes: Sequence[npt.NDArray[Any] | None],
    channels: Sequence[ChannelRendering],
    *,
    gamma: float = 1 / 2.2,
    out: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Composite channels as Minerva does.

    Pixels and windows are divided by the greatest value of their type, stretched from the window to 0 to 1,
    multiplied by the colour and added in linear light; the sum is clipped, raised to ``gamma`` and truncated to
    0 to 255. Families, inversion, alpha and lookup tables play no part.

    Parameters
    ----------
    planes
        One (Y, X) array per channel, all of one shape; None is allowed where the channel is not active.
    channels
        Window, colour and activity of each.
    gamma
        1 / 2.2 from linear light to a display; 1 leaves the sum as it is.
    out
        A (Y, X, 3) uint8 array to composite into.

    Returns
    -------
    ndarray
        (Y, X, 3) uint8.

    Raises
    ------
    InvalidInputError
        There is no channel, shapes do not fit, or gamma is not above 0.

    Notes
    -----
    The formula is ``minerva_lib.crop.composite_channels`` (labsyspharm/minerva-lib-python) before its release 0.0.5,
    which is what the scaled region programs use.
    """
    if not gamma > 0:
        raise InvalidInputError(f"gamma is {gamma}; it must be above 0")
    shape = _common_shape(planes)
    out = _checked_out(out, shape)
    chosen = _chosen(planes, channels, "rgb")
    lights = np.empty((3, band_rows(shape), shape[1]), np.float32)
    buffer = np.empty(lights.shape[1:], np.float32)
    levels = (255 * np.linspace(0, 1, 1 << 16) ** gamma).astype(np.uint8)
    for rows in bands(shape):
        light = lights[:, : rows.stop - rows.start]
        stretched = buffer[: rows.stop - rows.start]
        light.fill(0)
        for index in chosen:
            plane = planes[index]
            if plane is None:
                raise InvalidInputError(f"channel {index} is active but no plane was given for it")
            _stretch(plane[rows], channels[index].window, stretched)
            for part, total in zip(channels[index].color[:3], light, strict=True):
                if part:
                    total += stretched if part == 255 else stretched * np.float32(part / 255)
        np.minimum(light, 1, out=light)
        light *= np.float32((1 << 16) - 1)
        for component in range(3):
            levels.take(light[component].astype(np.uint16), out=out[rows, :, component], mode="clip")
    return out


def _stretch(pixels: npt.NDArray[Any], window: tuple[float, float], out: npt.NDArray[np.float32]) -> None:
    """Stretch pixels from the window, kept within 0 and the type's maximum, to 0 to 1."""
    if pixels.dtype.kind not in "buif":
        raise InvalidInputError(f"{pixels.dtype.name} pixels cannot be composited; take their magnitude first")
    limit = 1.0 if pixels.dtype.kind in "bf" else float(np.iinfo(pixels.dtype).max)
    start, end = (min(max(bound, 0.0), limit) for bound in window)
    np.subtract(
        pixels, start, out=out, casting="unsafe", dtype=np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    )
    if end > start:
        out /= np.float32(end - start)
    else:
        np.greater(out, 0, out=out, casting="unsafe")
    np.fmin(np.fmax(out, 0, out=out), 1, out=out)
