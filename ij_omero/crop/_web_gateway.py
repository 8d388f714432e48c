"""Images of an OMERO.web, through its web gateway: imgData and rendered tiles."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ij_omero.errors import (
    AccessDeniedError,
    CorruptedDataError,
    IJOmeroError,
    ImageNotFoundError,
    LoginError,
    NotFoundError,
    ReadError,
)
from ij_omero.model import Channel, ImageDescription, PixelType, ResolutionLevel

from ._http import HttpClient
from ._remote_tiles import RemoteTiles, TileIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from ij_omero.model import ImageId

_LONGEST_TILE = 1024  # OMERO.web gives no larger ones unless its administrator allowed it
_PLAIN = [{"inverted": {"enabled": False}, "quantization": {"family": "linear", "coefficient": 1}}]


class WebGateway:
    """One OMERO.web.

    Parameters
    ----------
    address
        ``https://omero.example.org``, with a prefix where OMERO.web has one.
    cookie
        The ``Cookie`` header of a session that exists, such as ``sessionid=...``.
    user, password
        To log in without one; `close` logs out again.
    parallel
        How many requests at once.

    Raises
    ------
    LoginError
        The user or the password is wrong.
    ConnectionFailedError
        No OMERO.web answers there.
    """

    def __init__(
        self,
        address: str,
        *,
        cookie: str | None = None,
        user: str | None = None,
        password: str | None = None,
        parallel: int = 4,
    ) -> None:
        self._http = HttpClient(address, {"Cookie": cookie} if cookie else None, parallel=parallel)
        self.address = self._http.address
        self._logged_in = False
        if user and password and not cookie:
            try:
                self._log_in(user, password)
            except BaseException:
                self._http.close()
                raise

    def image_data(self, image_id: ImageId) -> dict[str, Any]:
        """Return what the gateway says of an image (``imgData``).

        Raises
        ------
        ImageNotFoundError
            There is no such image, or this user may not see it.
        """
        try:
            content = self._http.get(f"webgateway/imgData/{quote(str(image_id), safe='')}/", accept="application/json")
        except NotFoundError as error:
            raise ImageNotFoundError(f"{self.address} shows no image {image_id} to this user") from error
        data = _parsed(content, "imgData")
        if "Exception" in data or "size" not in data:
            raise ReadError(f"{self.address} cannot show image {image_id}: {data.get('Exception', 'no size is told')}")
        return data

    def open(self, image_id: ImageId, windows: Mapping[int, tuple[float, float]]) -> RemoteTiles:
        """Open an image; the server stretches each channel from its window to 8 bits.

        Parameters
        ----------
        image_id
            The image.
        windows
            Start and end by channel from 0, in pixel values; channels without one cannot be read.

        Returns
        -------
        RemoteTiles
            A `PixelSource` with uint8 pixels; closing it leaves this open.
        """
        data = self.image_data(image_id)
        description, levels = describe_image_data(data)

        def fetch(tile: TileIndex) -> bytes:
            start, end = windows[tile.c]
            size = levels[tile.level]
            query = {
                "m": "g",
                "format": "tif",
                "q": "1",
                "tile": f"{tile.level},{tile.x},{tile.y},{size.tile_width},{size.tile_height}",
                "c": f"{tile.c + 1}|{start:.17g}:{end:.17g}$FFFFFF",
                "maps": json.dumps(_PLAIN),
            }
            plane = f"webgateway/render_image_region/{quote(str(image_id), safe='')}/{tile.z}/{tile.t}/"
            return self._http.get(f"{plane}?{urlencode(query)}", accept="image/tiff,image/png,image/jpeg")

        return RemoteTiles(description, levels, fetch, channels=sorted(windows), parallel=self._http.parallel)

    def close(self) -> None:
        """Log out where this logged in, and close the connections; twice is allowed."""
        if self._logged_in:
            self._logged_in = False
            with contextlib.suppress(IJOmeroError):  # the session ends by itself
                self._http.post("webclient/logout/", {}, self._csrf())
        self._http.close()

    def __enter__(self) -> Self:
        """Return the gateway."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _log_in(self, user: str, password: str) -> None:
        """Log in through the JSON API (OMERO.web, api/v0), to its first server."""
        token = _parsed(self._http.get("api/v0/token/"), "its login token").get("data")
        fields = {"server": "1", "username": user, "password": password}
        try:
            self._http.post("api/v0/login/", fields, {**self._csrf(), "X-CSRFToken": str(token)})
        except (AccessDeniedError, ReadError) as error:
            raise LoginError(f"{self.address} does not log {user!r} in; check the user and the password") from error
        self._logged_in = True

    def _csrf(self) -> dict[str, str]:
        return {"X-CSRFToken": self._http.cookies.get("csrftoken", ""), "Referer": f"{self.address}/"}


def describe_image_data(data: Mapping[str, Any]) -> tuple[ImageDescription, tuple[ResolutionLevel, ...]]:
    """Return what ``imgData`` tells, as a description with 8-bit pixels and resolution levels.

    Raises
    ------
    CorruptedDataError
        It lacks what every imgData has.
    """
    try:
        size = data["size"]
        description = ImageDescription(
            str(data["meta"]["imageName"]),
            PixelType.UINT8,
            int(size["width"]),
            int(size["height"]),
            int(size["z"]),
            int(size["c"]),
            int(size["t"]),
            channels=tuple(Channel(str(channel["label"])) for channel in data["channels"]),
        )
        tile = data.get("tile_size") or {"width": description.size_x, "height": description.size_y}
        across, down = (min(max(1, int(tile[side])), _LONGEST_TILE) for side in ("width", "height"))
        levels = []
        for index in range(int(data.get("levels", 1)) or 1):
            told = (data.get("resolutions") or {}).get(str(index))
            if told:
                width, height = int(told["sizeX"]), int(told["sizeY"])
            else:
                scale = float((data.get("zoomLevelScaling") or {}).get(str(index), 0.5**index))
                width, height = max(1, int(description.size_x * scale)), max(1, int(description.size_y * scale))
            levels.append(ResolutionLevel(index, width, height, min(across, width), min(down, height)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedDataError(f"the server's imgData lacks what it must tell: {error!r}") from error
    return description, tuple(levels)


def _parsed(content: bytes, what: str) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CorruptedDataError(f"the server's answer for {what} is no JSON; is it an OMERO.web?") from error
    if not isinstance(data, dict):
        raise CorruptedDataError(f"the server's answer for {what} is no JSON object; is it an OMERO.web?")
    return data
