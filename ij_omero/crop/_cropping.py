"""From an address with a region in it to one picture, wherever the image is."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import AddressError, InvalidInputError
from ij_omero.model import RenderingSettings, parse_address
from ij_omero.pixels import Progress, ReadHints, no_progress
from ij_omero.rendering import Look, parse_scaled_region, render_scaled_region, scaled_frame
from ij_omero.stores import open_store, read_picture

from ._minerva import open_minerva
from ._remote_tiles import RemoteTiles
from ._web_gateway import WebGateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from ij_omero.model import ImageDescription, PlaneIndex, Region, ResolutionLevel
    from ij_omero.pixels import PixelSource
    from ij_omero.rendering import ScaledRegionRequest

_REGION = "render_scaled_region"
_TIFF = (".tif", ".tiff", ".btf")
_CONVENTIONS = {"minerva": "minerva", "omero": "figure"}
_MOST_PIXELS = 1 << 28


@dataclass(frozen=True)
class CropRequest:
    """A region, and where its image is.

    ``server`` is ``https://host`` (an OMERO.web), ``minerva+https://host/STAGE``, ``omero://host``, a folder of images,
    one image of it, or a TIFF file.
    """

    server: str
    region: ScaledRegionRequest


class Crop(NamedTuple):
    """A picture, (Y, X, 3) uint8, and the resolution level that it was read from (0 is full size)."""

    picture: npt.NDArray[np.uint8]
    level: int


def parse_crop_address(address: str, server: str | None = None) -> CropRequest:
    """Read ``[SERVER/[figure/]render_scaled_region]/IMAGE/Z/T/?c=..&region=x,y,width,height[&max_size=N]``.

    Parameters
    ----------
    address
        As OMERO.figure has it; a channel is ``[-]index|min:max$RRGGBB``.
    server
        Where the image is, for an address that does not say it.

    Raises
    ------
    InvalidInputError
        The region does not parse.
    AddressError
        No server is named.

    Examples
    --------
    >>> parse_crop_address("https://omero.example.org/figure/render_scaled_region/7/0/0/?c=1|0:9$FF0000&region=0,0,9,9").server
    'https://omero.example.org'
    """
    region = parse_scaled_region(address)
    named = ""
    if _REGION in address:
        named = re.sub(r"(?<=.)/(figure|webgateway|webclient)$", "", address[: address.rfind(_REGION)].rstrip("/"))
    if named.endswith(":/"):
        named = ""
    chosen = server or named
    if not chosen:
        raise AddressError(
            "the address does not say where the image is; give the server too: https://host (an OMERO.web), "
            "omero://host, minerva+https://host/STAGE, a folder of images or an OME-TIFF"
        )
    return CropRequest(chosen, region)


def crop(
    address: str | CropRequest,
    *,
    server: str | None = None,
    composite: str = "minerva",
    cookie: str | None = None,
    token: str | None = None,
    ome_xml: bytes | None = None,
    max_pixels: int = _MOST_PIXELS,
    progress: Progress = no_progress,
    **login: Any,
) -> Crop:
    """Cut a region out of an image and show it as one picture.

    Parameters
    ----------
    address, server
        See `parse_crop_address`.
    composite
        ``"minerva"``: channels added in linear light with a gamma of 1/2.2, levels half as large each, black outside
        the image. ``"omero"``: as OMERO.figure shows it, grey outside.
    cookie
        For an OMERO.web: the ``Cookie`` header of a session that exists.
    token
        For a Minerva server: its id token.
    ome_xml
        For a Minerva server that gives no metadata: the image's OME-XML document.
    max_pixels
        Answers with more pixels are refused before anything is read.
    progress
        Told of pixels read.
    **login
        ``user``, ``password`` for an OMERO.web or a server; ``session_id``, ``group`` for a server.

    Returns
    -------
    Crop
        The picture and its level.

    Raises
    ------
    InvalidInputError
        The region, a channel or the plane does not fit the image.
    AddressError, ImageNotFoundError, LoginError, ConnectionFailedError, ReadError
        The image cannot be found, opened or read.
    """
    request = address if isinstance(address, CropRequest) else parse_crop_address(address, server)
    region = request.region
    if composite not in _CONVENTIONS:
        raise InvalidInputError(f"unknown composite {composite!r}; expected {' or '.join(_CONVENTIONS)}")
    if not any(channel.active for channel in region.channels):
        raise InvalidInputError("at least one channel must be specified; channels with a minus are hidden")
    secrets = {"cookie": cookie, "token": token, "ome_xml": ome_xml}
    with _opened(request, secrets, {name: value for name, value in login.items() if value is not None}) as source:
        settings = region.settings(source.description.size_c)
        if isinstance(source, RemoteTiles):
            settings = _already_stretched(settings)
        convention = _CONVENTIONS[composite]
        frame = scaled_frame(source.levels, region.region, region.max_size, convention)
        shown = sum(channel.active for channel in settings.channels)
        picture = render_scaled_region(
            _Watched(source, shown * frame.width * frame.height, progress),
            region.z,
            region.t,
            region.region,
            max_size=region.max_size,
            look=Look(settings, composite=composite),
            convention=convention,
            max_pixels=max_pixels,
        )
    return Crop(picture, frame.level)


def _already_stretched(settings: RenderingSettings) -> RenderingSettings:
    """Return settings for pixels that the server stretched from their window to 8 bits."""
    return replace(settings, channels=tuple(replace(channel, window=(0.0, 255.0)) for channel in settings.channels))


@contextlib.contextmanager
def _opened(request: CropRequest, secrets: dict[str, Any], login: dict[str, Any]) -> Iterator[PixelSource]:
    """Open the image for the time of a crop."""
    where, region = request.server, request.region
    windows = {
        channel.index: channel.window for channel in region.channels if channel.active and channel.window is not None
    }
    with contextlib.ExitStack() as stack:
        source: PixelSource
        if where.startswith("minerva+"):
            source = open_minerva(
                where.removeprefix("minerva+"),
                region.image_id,
                windows,
                token=secrets["token"],
                ome_xml=secrets["ome_xml"],
            )
        elif re.match("https?://", where):
            known = {name: login[name] for name in ("user", "password") if name in login}
            gateway = stack.enter_context(WebGateway(where, cookie=secrets["cookie"], **known))
            source = gateway.open(region.image_id, windows)
        elif where.lower().endswith(_TIFF) and Path(where).expanduser().is_file():
            _, source = read_picture(where)
        else:
            parsed = parse_address(where)
            given = login if parsed.scheme == "omero" else {"create": False} if parsed.scheme == "file" else {}
            store = open_store(replace(parsed, image_id=None, path=_folder(parsed)), **given)
            if parsed.scheme != "memory":  # one in memory is shared by its name and stays open
                stack.callback(store.close)
            source = store.open(region.image_id if parsed.image_id is None else parsed.image_id)
        stack.callback(source.close)
        yield source


def _folder(address: Any) -> Path | None:
    return None if address.path is None else address.path if address.image_id is None else address.path.parent


class _Watched:
    """A source that tells of what is read from it."""

    def __init__(self, source: PixelSource, total: int, progress: Progress) -> None:
        self._source, self._total, self._progress = source, total, progress
        self._done = 0
        self.description: ImageDescription = source.description
        self.levels: tuple[ResolutionLevel, ...] = source.levels
        self.hints: ReadHints = source.hints

    def read(
        self, plane: PlaneIndex, region: Region | None = None, *, level: int = 0, out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Read; see `PixelSource.read`."""
        pixels = self._source.read(plane, region, level=level, out=out)
        self._done += pixels.size
        self._progress(min(self._done, self._total), self._total, "reading pixels")
        return pixels

    def close(self) -> None:
        """Leave the source open; closing it is its owner's."""
