"""The viewer's page in a real browser: what is seen is the image, and every control does what it says."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero.services import Background, ServiceSettings
from ij_omero.services.viewer import EntryCodes, viewer_app
from tests._viewer import blobs, save_blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ij_omero.images import Connection
    from tests._browser import Browser

TOKEN = "not-guessed-0123456789"
PIXEL = """
const [x, y] = arguments;
const viewer = document.querySelector("#canvas canvas");
const hash = new URLSearchParams(location.hash.slice(1));
const [scale, left, top] = ["scale", "x", "y"].map((name) => Number(hash.get(name)));
const ratio = viewer.width / viewer.clientWidth;
const place = (at, center, size) => Math.round(((at + 0.5 - center) * scale + size / 2) * ratio);
const at = [place(x, left, viewer.clientWidth), place(y, top, viewer.clientHeight)];
return Array.from(viewer.getContext("2d").getImageData(at[0], at[1], 1, 1).data);
"""
DRAWN = """
const canvas = document.getElementById("rois");
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let drawn = 0;
for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0;
return drawn;
"""
BIG = 1 << 16
TILE = 512


class Page:
    """The page of an image, in a browser."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        browser.open(address)
        self.settled(1)

    @property
    def times_settled(self) -> int:
        return int(self.browser.run("return Number(document.body.dataset.settled ?? 0)"))

    def settled(self, times: int) -> None:
        """Wait until all tiles of what is set are there."""
        self.browser.wait(lambda: self.times_settled >= times, "all tiles")
        self.browser.wait(lambda: "scale=" in self.browser.run("return location.hash"), "the place in the address")

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Do something that makes the page show other tiles, and wait until they are there."""
        before = self.times_settled
        yield
        self.settled(before + 1)

    def pixel(self, x: int, y: int) -> list[int]:
        """The colour on the screen at a pixel of the image."""
        return list(self.browser.run(PIXEL, x, y)[:3])

    def set(self, css: str, value: object) -> None:
        """Move a slider, or choose."""
        self.browser.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}));",
            css,
            str(value),
        )

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser.driver).send_keys(*keys).perform()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A local store with the blobs."""
    with ij_omero.open_store(tmp_path_factory.mktemp("images")) as connection:
        save_blobs(connection, "Blobs <i>one</i>")
        yield connection


@pytest.fixture
def open_page(browser: Browser, store: Connection) -> Iterator[Callable[..., Page]]:
    """Open the blobs' page."""
    with contextlib.ExitStack() as stack:

        def opened(path: str = "view/1", **options: Any) -> Page:
            app = viewer_app(store.store, **options)
            return Page(browser, f"{stack.enter_context(Background(lambda: app))}/{path}")

        yield opened


def brightest(c: int, t: int = 0, z: int = 1) -> tuple[int, int]:
    """A place where a channel is bright, away from the edges and from the panel's overlays."""
    part = blobs()[t, c, z, 150:350, 200:500].astype(int)
    y, x = np.unravel_index(np.argmax(part), part.shape)
    return int(x) + 200, int(y) + 150


def test_the_page_shows_the_image_with_all_that_belongs_to_it(open_page: Callable[..., Page]) -> None:
    page = open_page()
    browser = page.browser
    x, y = brightest(1)
    assert page.pixel(x, y)[1] > 120  # where green is bright
    assert browser.text("#name") == "Blobs <i>one</i>"  # not taken for HTML
    assert browser.text("#description") == "made for <b>looking</b> at"
    assert "500, Z 3, C 3, T 2" in browser.text("#facts") and "0.25 µm" in browser.text("#facts")
    assert browser.text("#key-values") == "stain DAPI, GFP, Cy5"
    assert browser.text("#scale-bar").endswith("µm")
    assert browser.text("#z-text") == "2 / 3 (1.5 µm)"
    browser.wait(lambda: browser.run("return document.querySelectorAll('#roi-list li').length") == 6, "the ROIs")
    browser.wait(lambda: browser.run(DRAWN) > 500, "drawn ROIs")
    browser.wait(
        lambda: all(
            browser.run("return [...document.querySelectorAll('.histogram')].map(h => h.getAttribute('aria-label'))")
        ),
        "the histograms",
    )
    browser.screenshot("page")
    assert browser.complaints() == []


def test_channels_are_switched_coloured_and_windowed(open_page: Callable[..., Page]) -> None:
    page = open_page()
    x, y = brightest(1)
    with page.change():
        page.press("1", "3")  # only GFP is left
    red, green, blue = page.pixel(x, y)
    assert green > 120 and red < 25 and blue < 25
    with page.change():
        page.set(".channel:nth-child(2) .color", "#ff00ff")
    red, green, blue = page.pixel(x, y)
    assert green < 25 and red > 120 and blue > 120
    with page.change():
        page.set(".channel:nth-child(2) .high-number", 60000)
    assert max(page.pixel(x, y)) < 60
    with page.change():
        page.browser.click("#reset")
    assert page.pixel(x, y)[1] > 120
    assert page.browser.complaints() == []


def test_z_t_and_projection_choose_the_plane(open_page: Callable[..., Page]) -> None:
    page = open_page()
    x, y = brightest(2, t=1, z=0)
    with page.change():
        page.press("1", "2")  # only Cy5
    with page.change():
        page.set("#z", 0)
        page.set("#t", 1)
    shown = page.pixel(x, y)[0]
    wanted = (float(blobs()[1, 2, 0, y, x]) - 100) / 8900 * 255
    assert abs(shown - wanted) < 30  # JPEG, and the scale of the screen
    assert "z=0&t=1" in page.browser.run("return location.hash")
    with page.change():
        page.press(".")
    assert page.browser.value("#z") == "1"
    with page.change():
        page.set("#projection", "intmax")
    projected = blobs()[1, 2, :, y, x].max()
    assert abs(page.pixel(x, y)[0] - (float(projected) - 100) / 8900 * 255) < 30
    assert page.browser.complaints() == []


def test_rois_of_the_plane_are_drawn_and_can_be_visited(open_page: Callable[..., Page]) -> None:
    page = open_page()
    browser = page.browser
    browser.wait(lambda: browser.run(DRAWN) > 500, "drawn ROIs")
    drawn = browser.run(DRAWN)
    with page.change():
        page.set("#z", 0)  # the ellipse lies on another z-section
    assert browser.run(DRAWN) < drawn
    page.press("r")
    assert browser.run(DRAWN) == 0
    browser.run("document.querySelector('#roi-section').open = true")
    with page.change():
        browser.click("#roi-list li:nth-child(2) button")  # the ellipse: its plane, its place, and ROIs shown
    assert browser.value("#z") == "1"
    browser.wait(lambda: "x=400&y=120" in browser.run("return location.hash"), "the ROI's place")
    assert browser.run(DRAWN) > 500
    browser.screenshot("roi")


def test_the_page_is_used_by_keys_alone(open_page: Callable[..., Page]) -> None:
    from selenium.webdriver import Keys

    page = open_page()
    browser = page.browser
    before = browser.text("#zoom")
    page.press("+")
    browser.wait(lambda: browser.text("#zoom") != before, "a larger scale")
    page.press("0")
    browser.wait(lambda: browser.text("#zoom") == before, "the whole image")
    page.press("?")
    assert "z-section" in browser.text("#help")
    page.press(Keys.ESCAPE)
    page.press("p")
    assert not browser.find_all("#panel")[0].is_displayed()
    page.press("p")
    unnamed = browser.run(
        "return [...document.querySelectorAll('button, input, select, summary, a')].filter("
        "e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"
    )
    assert unnamed == []  # what a screen reader could not name


def test_light_and_dark_and_small_screens(open_page: Callable[..., Page]) -> None:
    page = open_page()
    browser = page.browser
    colors = []
    for name in ("first", "second"):
        colors.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
        browser.screenshot(f"theme-{name}")
        browser.click("#theme")
    assert colors[0] != colors[1]
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == colors[0]
    size = browser.driver.get_window_size()
    try:
        browser.driver.set_window_size(400, 900)
        browser.wait(
            lambda: browser.run("return document.querySelector('#panel').getBoundingClientRect().top > 300"),
            "the panel below",
        )
        assert browser.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert browser.run("return document.documentElement.scrollHeight <= innerHeight")
        browser.screenshot("small")
    finally:
        browser.driver.set_window_size(size["width"], size["height"])


def test_a_token_lets_in_and_leaves_no_trace(browser: Browser, open_page: Callable[..., Page]) -> None:
    codes = EntryCodes()
    page = open_page(f"view/1#token={TOKEN}", settings=ServiceSettings(token=TOKEN), codes=codes)
    address = browser.driver.current_url
    assert TOKEN not in address
    assert TOKEN not in browser.run(
        "return JSON.stringify(performance.getEntriesByType('resource').map(request => request.name))"
    )
    cookies = browser.driver.get_cookies()
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]
    assert TOKEN not in str(cookies)
    browser.driver.delete_all_cookies()
    browser.open("about:blank")
    browser.open(address)
    browser.wait(lambda: "no access" in browser.text("#message"), "the refusal")
    browser.complaints()
    browser.open("about:blank")
    Page(browser, f"{address.partition('#')[0]}#code={codes.make()}")
    assert page.browser.complaints() == []


def test_all_images_of_a_store_lead_to_their_pages(browser: Browser, open_page: Callable[..., Page]) -> None:
    page = open_page()
    browser.click("header .home")
    browser.click("#images a")
    page.settled(1)
    assert browser.text("#name") == "Blobs <i>one</i>"
    browser.open(browser.driver.current_url.partition("/view/")[0] + "/view/99")
    browser.wait(lambda: "no image 99" in browser.text("#message"), "that there is no such image")


def write_pyramid(folder: Path) -> None:
    """An image of 65,536 x 65,536 with its levels, as another program may write one; only some chunks exist."""
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = []
    for level in range(8):
        side = BIG >> level
        scale = [0.5 * 2**level] * 2
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        array = folder / str(level)
        array.mkdir(parents=True)
        layout = {"zarr_format": 2, "shape": [side, side], "chunks": [TILE, TILE], "dtype": "|u1", "fill_value": 40}
        more = {"compressor": None, "filters": None, "order": "C", "dimension_separator": "/"}
        (array / ".zarray").write_text(json.dumps({**layout, **more}))
        row = side // TILE // 2
        chunk = array / str(row)
        chunk.mkdir()
        chunk.joinpath(str(row)).write_bytes(np.full((TILE, TILE), 90 + 20 * level, np.uint8).tobytes())
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(
        json.dumps({"multiscales": [{"version": "0.4", "name": "vast", "axes": axes, "datasets": datasets}]})
    )


def test_a_vast_image_is_read_only_where_it_is_seen(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "vast.zarr"
    write_pyramid(folder)
    with ij_omero.open_store(folder) as connection:
        app = viewer_app(connection.store, only="vast.zarr")
        with Background(lambda: app) as address:
            page = Page(browser, f"{address}/view/vast.zarr")
            count = "return performance.getEntriesByType('resource').filter(e => /render_/.test(e.name)).length"
            assert browser.run(count) < 60
            middle = BIG // 2 + 256
            assert page.pixel(100, 100)[0] == pytest.approx(40, abs=3)
            browser.open("about:blank")
            page = Page(browser, f"{address}/view/vast.zarr#x={middle}&y={middle}&scale=1")
            assert page.pixel(middle, middle)[0] == pytest.approx(90, abs=3)  # full size, not a smaller level
            assert page.pixel(middle - 300, middle)[0] == pytest.approx(40, abs=3)
            assert browser.run(count) < 60
            assert browser.text("#scale-bar") == "50 µm"
            assert browser.run("return document.getElementById('scale-bar').offsetWidth") == 100  # of 0.5 µm each
            browser.screenshot("vast")
            assert browser.complaints() == []
