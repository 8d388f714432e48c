"""A real Chromium without a screen, driven by Selenium: one process per test run, a clean page for each test.

It reaches the loopback only. Screenshots go below pytest's temporary folder, or below $IJ_OMERO_SCREENSHOTS, where
they stay.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ij_omero.provision import fetch_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

SCREENSHOTS_VARIABLE = "IJ_OMERO_SCREENSHOTS"
_WIDTH, _HEIGHT = 1400, 900
_PATIENCE_S = 150.0  # a busy machine may need it for a script; what is awaited usually comes at once
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # Chromium's own needs rights that containers lack; pages here are our own
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-proxy-server",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    f"--window-size={_WIDTH},{_HEIGHT}",
)


class Browser:
    """A page of the browser; every method waits until what it needs is there.

    Parameters
    ----------
    driver
        Selenium's, for what is missing here.
    screenshots
        The folder for `screenshot`.
    """

    def __init__(self, driver: Chrome, screenshots: Path) -> None:
        self.driver, self._screenshots = driver, screenshots

    def open(self, address: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.driver.get(address)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until a condition gives something true, and give that; `what` says what was awaited."""
        from selenium.common.exceptions import (
            NoSuchElementException,
            NoSuchWindowException,
            StaleElementReferenceException,
            TimeoutException,
        )
        from selenium.webdriver.support.wait import WebDriverWait

        passing = (NoSuchElementException, NoSuchWindowException, StaleElementReferenceException)
        try:
            return WebDriverWait(self.driver, _PATIENCE_S, 0.1, passing).until(lambda _: condition())
        except TimeoutException:
            picture = self.screenshot("timeout")
            raise AssertionError(f"{what} did not come within {_PATIENCE_S:g} s; see {picture}") from None

    def find_all(self, css: str) -> list[WebElement]:
        """Give the elements that a CSS selector finds now."""
        return list(self.driver.find_elements("css selector", css))

    def find(self, css: str) -> WebElement:
        """Give the first visible element that a CSS selector finds."""
        found: WebElement = self.wait(
            lambda: next((one for one in self.find_all(css) if one.is_displayed()), None), css
        )
        return found

    def click(self, css: str, **where: bool) -> None:
        """Click on an element; ``control=True`` holds the control key."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver import ActionChains, Keys

        def clicked() -> bool:
            element = self.find(css)
            if where.get("control"):
                ActionChains(self.driver).key_down(Keys.CONTROL).click(element).key_up(Keys.CONTROL).perform()
                return True
            with contextlib.suppress(WebDriverException):  # something lies over it: it may go away
                element.click()
                return True
            return False

        self.wait(clicked, f"{css}, to be clicked")

    def fill(self, css: str, text: str) -> None:
        """Put a text into a field, in the place of what is there."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def value(self, css: str) -> str:
        """Give what a field holds."""
        return str(self.find(css).get_property("value"))

    def text(self, css: str = "body") -> str:
        """Give the visible text of an element."""
        return str(self.find(css).text)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    @contextlib.contextmanager
    def popup(self, opener: Callable[[], None]) -> Iterator[None]:
        """Do what opens a further window and be in that; it is closed at the end."""
        before, own = set(self.driver.window_handles), self.driver.current_window_handle
        opener()
        (fresh,) = self.wait(lambda: set(self.driver.window_handles) - before, "a new window")
        self.driver.switch_to.window(fresh)
        try:
            yield
        finally:
            if fresh in self.driver.window_handles:
                self.driver.close()
            self.driver.switch_to.window(own)

    def complaints(self) -> list[str]:
        """Give the errors that pages logged since the last call: of scripts, and of what could not be loaded."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the page."""
        self._screenshots.mkdir(parents=True, exist_ok=True)
        path = self._screenshots / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Chrome]:
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    found = fetch_browser()
    options = ChromeOptions()
    options.binary_location = str(found.program)
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, ChromeService(str(found.driver), env=found.environment))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def browser(_chromium: Chrome, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser at an empty page, without cookies of earlier tests."""
    kept = os.environ.get(SCREENSHOTS_VARIABLE)
    page = Browser(_chromium, Path(kept) / request.node.name if kept else tmp_path / "screenshots")
    yield page
    *further, first = reversed(_chromium.window_handles)
    for window in further:
        _chromium.switch_to.window(window)
        _chromium.close()
    _chromium.switch_to.window(first)
    _chromium.get("about:blank")
    for command in ("Network.clearBrowserCookies", "Network.clearBrowserCache"):
        _chromium.execute_cdp_cmd(command, {})
    page.complaints()
