"""Whatever a client asks of the viewer, the answer is a picture, JSON or one line about what is wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ij_omero.images import Connection
from ij_omero.stores import MemoryStore
from tests._viewer import save_blobs, viewing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

EXAMPLES = int(os.environ.get("IJ_OMERO_REQUESTS", "300"))
ALLOWED = {200, 304, 307, 400, 404, 405, 414}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with Connection(MemoryStore(tile_size=128)) as connection:
        save_blobs(connection)
        with viewing(connection) as client:
            yield client


numbers = st.one_of(
    st.integers(-3, 12),
    st.integers(),
    st.floats(),
    st.sampled_from(["", "1e309", "nan", "-0", "0x10", "\uff11", "9" * 30, " 1", "1_0"]),
).map(str)
text = st.text(max_size=40)
channel = st.one_of(
    text,
    st.builds(
        "{}{}|{}:{}${}".format,
        st.sampled_from(["", "-"]),
        numbers,
        numbers,
        numbers,
        st.sampled_from(["FF0000", "fire.lut", "F", "ZZZZZZ", ""]),
    ),
)
lists = st.lists(numbers, max_size=6).map(",".join)
quantization = st.fixed_dictionaries(
    {},
    optional={
        "family": st.sampled_from(["linear", "polynomial", "exponential", "logarithmic", "x"]),
        "coefficient": st.floats() | text,
    },
)
maps = st.one_of(
    text, st.just("[" * 5000), quantization.map(lambda one: f'[{{"quantization": {one!r}}}]'.replace("'", '"'))
)
values = {
    "c": st.lists(channel, max_size=5).map(",".join),
    "maps": maps,
    "m": st.sampled_from(["c", "g", "x"]),
    "p": st.one_of(
        text, st.builds("{}|{}:{}".format, st.sampled_from(["intmax", "intmean", "intsum"]), numbers, numbers)
    ),
    "q": numbers,
    "format": st.sampled_from(["jpeg", "png", "tif", "gif", ""]),
    "tile": lists,
    "region": lists,
    "max_size": numbers,
    "theZ": numbers,
    "theT": numbers,
    "bins": numbers,
    "offset": numbers,
    "limit": numbers,
    "key": text,
    "v": text,
}
queries = st.fixed_dictionaries({}, optional=values)
image = st.one_of(st.sampled_from(["1", "2", "0", "01", "..", "%00", "1/1"]), numbers, text)
place = st.one_of(st.sampled_from(["0", "1", "2"]), numbers)
paths = st.one_of(
    st.builds("/webgateway/render_image_region/{}/{}/{}/".format, image, place, place),
    st.builds("/figure/render_scaled_region/{}/{}/{}/".format, image, place, place),
    st.builds("/webgateway/render_image/{}/{}/{}".format, image, place, place),
    st.builds("/webgateway/render_thumbnail/{}/{}/".format, image, numbers),
    st.builds("/webgateway/imgData/{}/{}".format, image, st.sampled_from(["", "meta", "size.width", "channels.0"])),
    st.builds("/webgateway/histogram_json/{}/channel/{}/".format, image, numbers),
    st.builds("/webgateway/get_rois_json/{}".format, image),
    st.builds("/api/images/{}".format, image),
    st.builds("/api/images/{}/masks/{}/{}".format, image, numbers, numbers),
    st.builds("/static/{}".format, text),
    st.sampled_from(["/api/images", "/", "/view/1"]),
)


def check(answer: httpx.Response) -> None:
    assert answer.status_code in ALLOWED, answer.text
    if answer.status_code >= 400:
        assert answer.text.endswith("\n") and answer.text.count("\n") == 1
        assert "Traceback" not in answer.text


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=paths, query=queries, method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PUT"]))
def test_no_request_is_a_fault_of_the_server(
    client: httpx.Client, path: str, query: dict[str, str], method: str
) -> None:
    safe = quote(path.encode("utf-8", "replace"), safe="/%")
    parameters = {key: value.encode("utf-8", "replace").decode() for key, value in query.items()}
    answer = client.request(method, safe, params=parameters)
    if method != "HEAD":
        check(answer)
    else:
        assert answer.status_code in ALLOWED


@settings(max_examples=EXAMPLES // 3, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    x=st.integers(-(1 << 45), 1 << 45),
    y=st.integers(-2000, 2000),
    width=st.integers(-1, 1 << 45),
    height=st.integers(-1, 1 << 45),
    max_size=st.integers(0, 5000),
)
def test_regions_of_any_size_come_within_max_size_or_are_refused(
    client: httpx.Client, x: int, y: int, width: int, height: int, max_size: int
) -> None:
    from io import BytesIO

    from PIL import Image

    query = {"region": f"{x},{y},{width},{height}", "max_size": str(max_size)}
    answer = client.get("/figure/render_scaled_region/1/0/0/", params=query)
    check(answer)
    if answer.status_code == 200:
        assert max(Image.open(BytesIO(answer.content)).size) <= max_size
