"""Images of a Minerva server: its metadata as OME-XML, and rendered tiles.

The routes are those of Minerva's API documentation (labsyspharm/minerva-cloud): ``image/UUID``,
``image/UUID/metadata`` and ``image/UUID/render-tile/x/y/z/t/level/channels``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from ij_omero.errors import CorruptedDataError, ImageNotFoundError, NotFoundError
from ij_omero.model import ResolutionLevel
from ij_omero.rendering import image_data_from_ome_xml

from ._http import HttpClient
from ._remote_tiles import RemoteTiles, TileIndex
from ._web_gateway import describe_image_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ij_omero.model import ImageId

_TILE = 1024
_MOST_LEVELS = 40


def open_minerva(
    address: str,
    image_id: ImageId,
    windows: Mapping[int, tuple[float, float]],
    *,
    token: str | None = None,
    ome_xml: bytes | None = None,
    parallel: int = 8,
) -> RemoteTiles:
    """Open an image of a Minerva server; the server stretches each channel from its window to 8 bits.

    Parameters
    ----------
    address
        ``https://host/STAGE``.
    image_id
        The image's UUID.
    windows
        Start and end by channel from 0, in pixel values; channels without one cannot be read.
    token
        The id token; sent as the ``Authorization`` header.
    ome_xml
        The image's metadata, where the server does not give it; asked for without.
    parallel
        How many requests at once.

    Returns
    -------
    RemoteTiles
        A `PixelSource` with uint8 pixels.

    Raises
    ------
    ImageNotFoundError
        The server has no such image.
    LoginError, AccessDeniedError
        The token is missing, wrong or has expired.
    """
    http = HttpClient(address, {"Authorization": token} if token else None, parallel=parallel)
    uuid = quote(str(image_id), safe="")
    try:
        known = _details(http, uuid)
        xml = http.get(f"image/{uuid}/metadata", accept="application/xml") if ome_xml is None else ome_xml
        data = image_data_from_ome_xml(xml, levels=_count(known.get("pyramid_levels", 1), _MOST_LEVELS))
        tile = _count(known.get("tile_size", _TILE), 1 << 13)
    except NotFoundError as error:
        http.close()
        raise ImageNotFoundError(f"{http.address} has no image {image_id}: {error}") from error
    except BaseException:
        http.close()
        raise
    description, _ = describe_image_data(data)
    levels = []
    for level in range(data["levels"]):
        width, height = -(-description.size_x >> level) or 1, -(-description.size_y >> level) or 1
        # tiles keep their size on small levels, so that their numbers stay those of the server
        levels.append(ResolutionLevel(level, width, height, tile, tile))
    limit = _limit(data["meta"]["pixelsType"])

    def fetch(index: TileIndex) -> bytes:
        start, end = (min(max(bound / limit, 0.0), 1.0) for bound in windows[index.c])
        where = f"{index.x}/{index.y}/{index.z}/{index.t}/{index.level}"
        return http.get(
            f"image/{uuid}/render-tile/{where}/{index.c},FFFFFF,{start:.17g},{end:.17g}", accept="image/png,image/jpeg"
        )

    return RemoteTiles(
        description, levels, fetch, channels=sorted(windows), parallel=parallel, on_close=http.close
    )  # fmt: skip


def _details(http: HttpClient, uuid: str) -> Mapping[str, Any]:
    try:
        details = json.loads(http.get(f"image/{uuid}", accept="application/json"))
    except (ValueError, RecursionError) as error:
        raise CorruptedDataError(f"{http.address} does not answer in JSON; is it a Minerva server?") from error
    data = details.get("data") if isinstance(details, dict) else None
    if not isinstance(data, dict):
        raise CorruptedDataError(f"{http.address} tells no data of the image; is it a Minerva server?")
    return data


def _count(value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise CorruptedDataError(f"the server tells {value!r} where a whole number from 1 to {most} belongs")
    return value


def _limit(pixels_type: str) -> float:
    """Return the greatest value of a type; 1 for floats, as Minerva has it."""
    names = {"float": "float32", "double": "float64", "bit": "bool"}
    dtype = np.dtype(names.get(pixels_type, pixels_type))
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
