"""The browser that other tests of web pages use."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._browser import Browser

_PAGE = b"""<!doctype html><title>A page</title><input id="name" value="Ana">
<button onclick="document.title = document.getElementById('name').value">Take over</button>
<a href="?popup" onclick="window.open('/?popup'); return false">Open</a>"""


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if "favicon" not in self.path else 204)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "seen=1")
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_is_filled_in_and_clicked(browser: Browser, address: str) -> None:
    browser.open(address)
    assert browser.value("#name") == "Ana"
    browser.fill("#name", "Åsa")
    browser.click("button")
    browser.wait(lambda: browser.driver.title == "Åsa", "the new title")
    assert "Open" in browser.text()
    with browser.popup(lambda: browser.click("a")):
        assert browser.driver.current_url.endswith("?popup")
    assert browser.driver.current_url == address
    with Image.open(browser.screenshot("page")) as picture:
        assert picture.width > 1000


def test_a_test_begins_without_cookies(browser: Browser) -> None:
    browser.open("about:blank")
    assert browser.driver.execute_cdp_cmd("Network.getAllCookies", {})["cookies"] == []


def test_what_a_page_complains_of_is_known(browser: Browser, address: str) -> None:
    browser.open(address)
    browser.run("setTimeout(() => { throw new Error('of this page') }, 0)")
    assert any("of this page" in one for one in browser.wait(browser.complaints, "the error"))


def test_nothing_but_the_loopback_is_reached(browser: Browser, address: str) -> None:
    browser.open(address)
    reached = browser.driver.execute_async_script(
        "const done = arguments[0]; fetch('http://example.org/', {mode: 'no-cors'})"
        ".then(() => done(true), () => done(false))"
    )
    assert reached is False
