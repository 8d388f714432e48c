"""The HTTP routes over a store's images: those of OMERO.web where it has them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from ij_omero.errors import InvalidInputError, NotFoundError
from ij_omero.rendering import select_key
from ij_omero.services._core import run_heavy

from ._answers import LASTING, REVALIDATED, etag_of, json_answer, not_changed, picture_answer
from ._encoding import Picture
from ._facts import image_data_of, image_facts, summary_facts
from ._histogram import DEFAULT_BINS, MOST_BINS, histogram
from ._kept_pictures import KeptPictures
from ._pictures import image_region, position, scaled_region, thumbnail, whole, whole_plane
from ._roi_json import find_mask, mask_picture, rois_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from ._shown import Shown
    from ._shown_images import ShownImages

MOST_LISTED = 500
DEFAULT_LISTED = 100
MOST_ROIS = 50_000


class ImageRoutes:
    """Handlers for the images of a store.

    Parameters
    ----------
    images
        The images.
    kept
        Encoded pictures that are kept.
    """

    def __init__(self, images: ShownImages, kept: KeptPictures | None = None) -> None:
        self._images = images
        self._kept = kept or KeptPictures()

    def routes(self) -> list[Route]:
        """Return them, each with and without a slash at its end."""
        gateway, figure = "/webgateway", "/figure"
        plane = "{image}/{z}/{t}"
        found = [
            (f"{gateway}/render_image_region/{plane}", self.render_image_region),
            (f"{gateway}/render_image/{{image}}", self.render_image),
            (f"{gateway}/render_image/{plane}", self.render_image),
            (f"{gateway}/render_thumbnail/{{image}}", self.render_thumbnail),
            (f"{gateway}/render_thumbnail/{{image}}/{{width}}", self.render_thumbnail),
            (f"{gateway}/render_thumbnail/{{image}}/{{width}}/{{height}}", self.render_thumbnail),
            (f"{figure}/render_scaled_region/{plane}", self.render_scaled_region),
            (f"{gateway}/imgData/{{image}}", self.img_data),
            (f"{gateway}/imgData/{{image}}/{{key}}", self.img_data),
            (f"{gateway}/histogram_json/{{image}}/channel/{{c}}", self.histogram_json),
            (f"{gateway}/get_rois_json/{{image}}", self.get_rois_json),
            ("/api/images", self.list_images),
            ("/api/images/{image}", self.describe_image),
            ("/api/images/{image}/masks/{roi}/{index}", self.render_mask),
        ]
        return [Route(path + end, handler) for path, handler in found for end in ("", "/")]

    async def render_image_region(self, request: Request) -> Response:
        """Render a tile or a region."""
        z, t = _plane(request)
        return await self._picture(request, partial(image_region, z=z, t=t, query=_query(request)))

    async def render_image(self, request: Request) -> Response:
        """Render a whole plane."""
        z, t = request.path_params.get("z"), request.path_params.get("t")
        return await self._picture(request, partial(whole_plane, z=z, t=t, query=_query(request)))

    async def render_scaled_region(self, request: Request) -> Response:
        """Render a region of full size, scaled down."""
        z, t = _plane(request)
        return await self._picture(request, partial(scaled_region, z=z, t=t, query=_query(request)))

    async def render_thumbnail(self, request: Request) -> Response:
        """Render the image small."""
        width, height = request.path_params.get("width"), request.path_params.get("height")
        return await self._picture(request, partial(thumbnail, width=width, height=height, query=_query(request)))

    async def img_data(self, request: Request) -> Response:
        """Tell what OMERO.web tells a viewer about an image."""
        data = await self._of(request, image_data_of)
        key = request.path_params.get("key") or request.query_params.get("key")
        return json_answer(request, select_key(data, key) if key else data)

    async def histogram_json(self, request: Request) -> Response:
        """Tell how often pixel values occur in a channel."""
        query = _query(request)
        c = whole("channel", request.path_params["c"])
        bins = whole("bins", query.get("bins", str(DEFAULT_BINS)))
        if not 1 <= bins <= MOST_BINS:
            raise InvalidInputError(f"bins={bins}; expected 1 to {MOST_BINS}")
        return json_answer(request, await self._of(request, partial(_histogram, c=c, bins=bins, query=query)))

    async def get_rois_json(self, request: Request) -> Response:
        """Tell the image's ROIs."""
        first, count = _part(_query(request), MOST_ROIS, MOST_ROIS)
        image_id = self._images.id_of(request.path_params["image"])
        rois = await run_heavy(request, self._images.store.rois, image_id)
        return json_answer(request, rois_as_json(rois[first : first + count]))

    async def render_mask(self, request: Request) -> Response:
        """Draw a mask of a ROI as a transparent PNG."""
        image_id = self._images.id_of(request.path_params["image"])
        rois = await run_heavy(request, self._images.store.rois, image_id)
        mask = find_mask(rois, request.path_params["roi"], whole("index", request.path_params["index"]))
        if mask is None:
            raise NotFoundError("this ROI has no mask at this place")
        content = await run_heavy(request, mask_picture, mask)
        etag = etag_of(content)
        return not_changed(request, etag) or picture_answer(Picture(content, "image/png"), etag)

    async def list_images(self, request: Request) -> Response:
        """List the images of the store."""
        first, count = _part(_query(request), DEFAULT_LISTED, MOST_LISTED)
        found = await run_heavy(request, self._images.list_images, first, count)
        return json_answer(request, [summary_facts(self._images.name_of(one.image_id), one) for one in found])

    async def describe_image(self, request: Request) -> Response:
        """Tell everything that belongs to an image but is not a pixel."""
        return json_answer(request, await self._of(request, self._facts))

    def _facts(self, shown: Shown) -> dict[str, Any]:
        return image_facts(shown, str(self._images.store.address_of(shown.image_id)))

    async def _of(self, request: Request, work: Callable[[Shown], Any]) -> Any:
        """Do work with the image that a request names, in a thread."""
        return await run_heavy(request, self._with_image, request.path_params["image"], work)

    def _with_image(self, name: str, work: Callable[[Shown], Any]) -> Any:
        with self._images.lease(name) as shown:
            return work(shown)

    async def _picture(self, request: Request, render: Callable[[Shown], Picture]) -> Response:
        """Answer with a picture: none where the client has it, a kept one where there is one, else a new one.

        What a picture shows follows from the image's state and the request, so both tell it before it is rendered.
        """
        name = request.path_params["image"]
        query = sorted((key, value) for key, value in request.query_params.items() if key != "v")
        shown = self._images.find(name)
        if shown is not None:
            etag, cache_control = _tag(request, shown, query)
            known = not_changed(request, etag, cache_control)
            if known is not None:
                return known
            picture = self._kept.get(etag)
            if picture is not None:
                return picture_answer(picture, etag, cache_control)

        def work(shown: Shown) -> tuple[Shown, Picture]:
            return shown, render(shown)

        shown, picture = await self._of(request, work)
        etag, cache_control = _tag(request, shown, query)
        self._kept.put(etag, picture)
        return picture_answer(picture, etag, cache_control)


def _tag(request: Request, shown: Shown, query: list[tuple[str, str]]) -> tuple[str, str]:
    etag = etag_of(shown.version, request.url.path.rstrip("/"), query)
    return etag, LASTING if request.query_params.get("v") == shown.version else REVALIDATED


def _query(request: Request) -> Mapping[str, str]:
    return dict(request.query_params)


def _plane(request: Request) -> tuple[str, str]:
    return request.path_params["z"], request.path_params["t"]


def _part(query: Mapping[str, str], default: int, most: int) -> tuple[int, int]:
    first, count = whole("offset", query.get("offset", "0")), whole("limit", query.get("limit", str(default)))
    if first < 0 or not 1 <= count <= most or first > 1 << 40:
        raise InvalidInputError(f"offset={first} and limit={count}; expected an offset from 0, a limit of 1 to {most}")
    return first, count


def _histogram(shown: Shown, c: int, bins: int, query: Mapping[str, str]) -> dict[str, Any]:
    settings = shown.settings
    z, t = position(shown, query.get("theZ", str(settings.z)), query.get("theT", str(settings.t)))
    size_c = shown.description.size_c
    if not 0 <= c < size_c:
        raise NotFoundError(f"channel {c} does not exist; the image has channels 0 to {size_c - 1}")
    return histogram(shown.source, c, z, t, bins)
