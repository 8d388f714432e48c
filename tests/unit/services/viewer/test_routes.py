"""The viewer's routes answer as OMERO.web's do, from any store, and say in one line what is wrong with a request."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

import ij_omero
from ij_omero.model import Region
from ij_omero.rendering import Look, parse_rendering_query, render_region, render_scaled_region, settings_for
from ij_omero.services import ServiceSettings
from tests._viewer import CHANNELS, ROIS, SHAPE, blobs, save_blobs, viewing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from ij_omero.images import Connection

TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with ij_omero.open_store(tmp_path_factory.mktemp("images")) as connection:
        save_blobs(connection)
        unset = blobs(1, (1, 1, 1, 60, 80))
        connection.save_image(unset, name="no settings")
        yield connection


@pytest.fixture(scope="module")
def client(store: Connection) -> Iterator[httpx.Client]:
    with viewing(store) as client:
        yield client


def picture(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Pillow.open(io.BytesIO(answer.content)))


def expected(store: Connection, z: int, t: int, region: Region, level: int = 0, **query: str) -> Any:
    source = store.store.open(1)
    request = parse_rendering_query(query)
    look = Look(request.apply(settings_for(source.description)), request.projection)
    return render_region(source, z, t, region, level=level, look=look)


def test_a_tile_is_what_the_image_rendered_is(client: httpx.Client, store: Connection) -> None:
    query = {"c": "1|100:3000$FF0000,-2,3|0:9000$00FF80", "m": "c"}
    got = picture(
        client.get("/webgateway/render_image_region/1/2/1/", params={**query, "tile": "0,1,0,256,256", "format": "png"})
    )
    assert np.array_equal(got, expected(store, 2, 1, Region(256, 0, 256, 256), **query))


def test_tiles_of_every_level_cover_the_level(client: httpx.Client, store: Connection) -> None:
    levels = client.get("/api/images/1").json()["levels"]
    assert len(levels) > 1
    for index, level in enumerate(levels):
        whole = np.zeros((level["height"], level["width"], 3), np.uint8)
        for y in range(-(-level["height"] // 256)):
            for x in range(-(-level["width"] // 256)):
                tile = picture(
                    client.get(
                        "/webgateway/render_image_region/1/0/0/",
                        params={"tile": f"{index},{x},{y},256,256", "format": "png"},
                    )
                )
                whole[y * 256 : y * 256 + tile.shape[0], x * 256 : x * 256 + tile.shape[1]] = tile
        region = Region(0, 0, level["width"], level["height"])
        assert np.array_equal(whole, expected(store, 0, 0, region, index))


@pytest.mark.parametrize("name", ["jpeg", "png", "tif"])
def test_pictures_come_in_three_formats(client: httpx.Client, name: str) -> None:
    answer = client.get("/webgateway/render_image_region/1/0/0", params={"region": "10,20,50,40", "format": name})
    assert picture(answer).shape == (40, 50, 3)
    assert Pillow.open(io.BytesIO(answer.content)).format == {"jpeg": "JPEG", "png": "PNG", "tif": "TIFF"}[name]


def test_projections_and_grey_are_rendered(client: httpx.Client, store: Connection) -> None:
    query = {"m": "g", "c": "2|0:9000$FFFFFF", "p": "intmax|0:2"}
    got = picture(client.get("/webgateway/render_image/1/0/1/", params={**query, "format": "png"}))
    assert np.array_equal(got, expected(store, 0, 1, Region(0, 0, SHAPE[4], SHAPE[3]), **query))


def test_a_scaled_region_may_lie_partly_outside(client: httpx.Client, store: Connection) -> None:
    query = {"region": "-100,-50,500.5,300", "max_size": "200", "format": "png"}
    got = picture(client.get("/figure/render_scaled_region/1/1/0/", params=query))
    assert np.array_equal(got, render_scaled_region(store.store.open(1), 1, 0, (-100, -50, 500.5, 300), max_size=200))
    assert max(got.shape[:2]) <= 200


@pytest.mark.parametrize(
    ("path", "most"), [("", (96, 96)), ("/128", (128, 128)), ("/300/60", (300, 60)), ("/1/1", (1, 1))]
)
def test_thumbnails_fit(client: httpx.Client, path: str, most: tuple[int, int]) -> None:
    height, width, _ = picture(client.get(f"/webgateway/render_thumbnail/1{path}/")).shape
    assert width <= most[0] and height <= most[1]
    assert width == most[0] or height == most[1]
    assert min(height, width) == max(1, int(min(most[0] / SHAPE[4], most[1] / SHAPE[3]) * min(SHAPE[3:])))


def test_img_data_tells_sizes_channels_and_settings(client: httpx.Client) -> None:
    data = client.get("/webgateway/imgData/1/").json()
    assert data["size"] == {"width": 700, "height": 500, "z": 3, "t": 2, "c": 3}
    assert [channel["label"] for channel in data["channels"]] == ["DAPI", "GFP", "Cy5"]
    assert [channel["window"]["end"] for channel in data["channels"]] == [4000, 9000, 9000]
    assert data["pixel_size"] == {"x": 0.25, "y": 0.25, "z": 1.5}
    assert data["rdefs"]["defaultZ"] == 1  # the middle, as nothing says otherwise
    assert client.get("/webgateway/imgData/1/size.width/").json() == 700
    assert client.get("/webgateway/imgData/1/size.depth/").status_code == 404


def test_an_image_without_a_window_is_not_shown_black(client: httpx.Client) -> None:
    window = client.get("/webgateway/imgData/2/").json()["channels"][0]["window"]
    pixels = blobs(1, (1, 1, 1, 60, 80))
    assert (window["min"], window["max"]) == (pixels.min(), pixels.max())
    assert pixels.min() <= window["start"] < window["end"] <= pixels.max()
    shown = picture(client.get("/webgateway/render_image/2/", params={"format": "png"}))
    assert shown.max() == 255 and shown.min() == 0


def test_the_histogram_counts_every_pixel_of_a_small_plane(client: httpx.Client) -> None:
    answer = client.get("/webgateway/histogram_json/1/channel/1/", params={"theZ": 2, "theT": 1, "bins": 64}).json()
    plane = blobs()[1, 1, 2]
    counts, _ = np.histogram(plane, 64, (plane.min(), plane.max()))
    assert answer["data"] == counts.tolist()
    assert (answer["min"], answer["max"]) == (plane.min(), plane.max())
    low, high = answer["percentiles"]
    assert np.mean(plane < low) <= 0.001 and np.mean(plane > high) <= 0.001


def test_rois_have_the_fields_that_omero_web_gives_them(client: httpx.Client) -> None:
    rois = client.get("/webgateway/get_rois_json/1").json()
    assert len(rois) == len(ROIS)
    shapes = {shape["type"]: (roi, shape) for roi in rois for shape in roi["shapes"]}
    assert set(shapes) == {"Rectangle", "Ellipse", "Polygon", "PolyLine", "Line", "Point", "Label", "Mask"}
    roi, shape = shapes["Ellipse"]
    assert roi["name"] == "nucleus"
    assert [shape[key] for key in ("x", "y", "radiusX", "radiusY", "theZ", "theT")] == [400, 120, 60, 30, 1, 0]
    assert shape["fillColor"] == "#00ffff" and shape["fillAlpha"] == 64 / 255
    assert shapes["Polygon"][1]["points"] == "M 300.0 300.0 L 400.0 320.5 L 350.0 400.0 z"
    assert shapes["PolyLine"][1]["points"] == "M 10.0 400.0 L 100.0 450.0 L 150.0 400.0"
    moved = next(roi for roi in rois if roi.get("description") == "moved")
    assert moved["shapes"][0]["transform"] == "matrix(1.0 0.0 0.0 1.0 5.0 7.0)"
    assert client.get("/webgateway/get_rois_json/1/?offset=1&limit=2").json() == rois[1:3]


def test_a_mask_comes_as_a_transparent_picture(client: httpx.Client) -> None:
    rois = client.get("/webgateway/get_rois_json/1").json()
    roi, shape = next((roi, shape) for roi in rois for shape in roi["shapes"] if shape["type"] == "Mask")
    answer = client.get(f"/api/images/1/masks/{roi['id']}/{shape['index']}")
    rgba = np.asarray(Pillow.open(io.BytesIO(answer.content)).convert("RGBA"))
    mask = ROIS[4].shapes[0]
    assert np.array_equal(rgba[..., 3], np.where(mask.bits, 128, 0))  # type: ignore[union-attr]
    assert (rgba[mask.bits][:, :3] == (255, 128, 0)).all()  # type: ignore[union-attr]
    assert client.get(f"/api/images/1/masks/{rois[0]['id']}/0").status_code == 404


def test_images_are_listed_and_described(client: httpx.Client) -> None:
    assert [image["name"] for image in client.get("/api/images").json()] == ["blobs", "no settings"]
    assert [image["id"] for image in client.get("/api/images?offset=1&limit=1").json()] == [2]
    facts = client.get("/api/images/1").json()
    assert facts["keyValues"] == [["stain", "DAPI, GFP, Cy5"]]
    assert facts["physicalSizes"]["z"] == {"value": 1.5, "unit": "µm"}
    assert facts["channels"][0] == {
        "name": CHANNELS[0].name,
        "excitation": None,
        "emission": {"value": 461, "unit": "nm"},
    }


# -- what a client has already -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/webgateway/render_image_region/1/0/0/?tile=0,0,0,64,64",
        "/webgateway/render_thumbnail/1/",
        "/webgateway/imgData/1/",
        "/webgateway/get_rois_json/1",
        "/api/images",
        "/view/1",
        "/static/view.js",
    ],
)
def test_what_a_client_has_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b"" and again.headers["etag"] == first.headers["etag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_different_pictures_have_different_etags(client: httpx.Client) -> None:
    paths = [f"/webgateway/render_image_region/1/{z}/0/?tile=0,0,0,64,64&c={c}" for z in (0, 1) for c in ("1", "2")]
    assert len({client.get(path).headers["etag"] for path in paths}) == 4


def test_only_tiles_that_name_the_version_may_be_kept_unasked(client: httpx.Client) -> None:
    path = "/webgateway/render_image_region/1/0/0/?tile=0,0,0,64,64"
    version = client.get("/api/images/1").json()["version"]
    assert "no-cache" in client.get(path).headers["cache-control"]
    assert "no-cache" in client.get(f"{path}&v=another").headers["cache-control"]
    assert "immutable" in client.get(f"{path}&v={version}").headers["cache-control"]


def test_another_run_of_the_server_has_another_version(client: httpx.Client, store: Connection) -> None:
    with viewing(store) as other:
        assert other.get("/api/images/1").json()["version"] != client.get("/api/images/1").json()["version"]


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/webgateway/render_image_region/1/0/0/", 400, "tile or region argument required"),
        ("/webgateway/render_image_region/1/0/0/?tile=a,b", 400, "malformed tile argument"),
        ("/webgateway/render_image_region/1/0/0/?tile=99,0,0", 400, "Invalid resolution level"),
        ("/webgateway/render_image_region/1/0/0/?tile=0,99999999999999999,0", 400, "does not begin in the image"),
        ("/webgateway/render_image_region/1/3/0/?tile=0,0,0", 400, "z=3 lies outside"),
        ("/webgateway/render_image_region/1/0/-1/?tile=0,0,0", 400, "t=-1 lies outside"),
        (f"/webgateway/render_image_region/1/{'9' * 40}/0/?tile=0,0,0", 400, "whole number"),
        ("/webgateway/render_image_region/1/0/0/?tile=0,0,0&format=gif", 400, "format"),
        ("/webgateway/render_image_region/7/0/0/?tile=0,0,0", 404, "no image"),
        ("/webgateway/render_image_region/x%00y/0/0/?tile=0,0,0", 404, "no image"),
        ("/figure/render_scaled_region/1/0/0/", 400, "region argument required"),
        ("/figure/render_scaled_region/1/0/0/?region=0,0,nan,1", 400, "region"),
        ("/figure/render_scaled_region/1/0/0/?region=0,0,1e12,1e12&max_size=1000000", 400, "too large"),
        ("/figure/render_scaled_region/1/0/0/?region=0,0,10,10&max_size=0", 400, "max_size"),
        ("/webgateway/render_thumbnail/1/100000/", 400, "1 to 1024"),
        ("/webgateway/histogram_json/1/channel/3/", 404, "channel 3"),
        ("/webgateway/histogram_json/1/channel/0/?bins=1000000000", 400, "bins"),
        ("/webgateway/imgData/1/nothing/", 404, "nothing"),
        ("/api/images?limit=1000000", 400, "limit"),
        ("/api/images?offset=-1", 400, "offset"),
        ("/static/..%2f_app.py", 404, ""),
        ("/static/_app.py", 404, "no such file"),
    ],
)
def test_a_wrong_request_gets_one_line(
    client: httpx.Client, store: Connection, path: str, status: int, words: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert answer.text.count("\n") == 1 and answer.headers["content-type"].startswith("text/plain")
    assert str(store.address) not in answer.text and "Traceback" not in answer.text


def test_what_would_read_too_much_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """A wide image without smaller levels: nothing of it exists on the disk, so any answer must come from its sizes."""
    folder = tmp_path / "wide.zarr"
    side = 1 << 20
    scale = {"type": "scale", "scale": [1.0, 1.0]}
    axes = [{"name": axis, "type": "space"} for axis in "yx"]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}]
    array = {"zarr_format": 2, "shape": [side, side], "chunks": [512, 512], "dtype": "|u1", "fill_value": 3}
    (folder / "0").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps({"multiscales": multiscales}))
    (folder / "0" / ".zarray").write_text(
        json.dumps({**array, "compressor": None, "filters": None, "order": "C", "dimension_separator": "/"})
    )
    with ij_omero.open_store(folder) as connection, viewing(connection, only="wide.zarr") as client:
        name = "wide.zarr"
        for path in (
            f"/webgateway/render_image/{name}/0/0/",
            f"/webgateway/render_thumbnail/{name}/",
            f"/figure/render_scaled_region/{name}/0/0/?region=0,0,{side},{side}&max_size=100",
        ):
            answer = client.get(path)
            assert answer.status_code == 400, path
            assert "at most" in answer.text
        tile = client.get(
            f"/webgateway/render_image_region/{name}/0/0/?tile=0,2000,2000,512,512&c=1|0:6$FFFFFF&format=png"
        )
        assert (picture(tile) == 128).all()


# -- who may ask ---------------------------------------------------------------------------------------------------


def test_with_a_token_pages_are_public_and_images_are_not(store: Connection) -> None:
    with viewing(store, settings=ServiceSettings(token=TOKEN)) as client:
        assert client.get("/view/1").status_code == 200
        assert client.get("/static/style.css").status_code == 200
        for path in ("/api/images", "/webgateway/imgData/1/", "/webgateway/render_thumbnail/1/", "/openapi.json"):
            assert client.get(path).status_code == 401, path
            assert client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200, path
        assert client.post("/session", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 204
        assert client.get("/api/images").status_code == 200  # by the cookie


def test_one_image_alone_hides_the_others(store: Connection) -> None:
    with viewing(store, only=2) as client:
        assert [image["id"] for image in client.get("/api/images").json()] == [2]
        assert client.get("/webgateway/imgData/2/").status_code == 200
        for path in (
            "/webgateway/imgData/1/",
            "/webgateway/get_rois_json/1",
            "/api/images/1",
            "/webgateway/render_thumbnail/1/",
        ):
            assert client.get(path).status_code == 404
        leads = client.get("/")
        assert leads.status_code == 307 and leads.headers["location"] == "view/2"
