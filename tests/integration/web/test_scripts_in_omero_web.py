"""ImageJ modules from OMERO.web's scripts menu, as a person runs them, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero.scripting import install_scripts, list_scripts, remove_scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.remote.webelement import WebElement

    from ij_omero.localserver import LocalServer
    from tests._browser import Browser
    from tests._omero import MakeUser, OmeroUser

pytestmark = [pytest.mark.omero, pytest.mark.jvm]
NAMESPACE = "ij_omero_web"


@pytest.fixture(scope="module")
def scripts(omero_server: LocalServer) -> Iterator[dict[str, int]]:
    """The ids of two wrappers by their path below the namespace."""
    omerodir = omero_server.status().omerodir
    install_scripts(omerodir, ["Gaussian Blur...", "Analyze Particles..."], namespace=NAMESPACE)
    login = {"user": "root", "password": omero_server.password}
    listed = list_scripts(host=omero_server.host, port=omero_server.port, **login)
    yield {path.removeprefix(f"/{NAMESPACE}/"): number for path, number in listed.items() if NAMESPACE in path}
    remove_scripts(omerodir, namespace=NAMESPACE)


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@pytest.fixture
def dataset(user: OmeroUser) -> tuple[int, list[int]]:
    """A dataset of three images, of which one holds two squares."""
    from omero.model import DatasetI
    from omero.rtypes import rstring

    with user.gateway() as gateway:
        dataset = DatasetI()
        dataset.setName(rstring("pictures"))
        dataset = gateway.getUpdateService().saveAndReturnObject(dataset)
        ids = []
        for number in range(3):
            picture = np.zeros((64, 64), np.uint8)
            picture[10 : 20 + 10 * number, 10:40] = 255
            image = gateway.createImageFromNumpySeq(iter([picture]), f"picture {number}", 1, 1, 1, dataset=dataset)
            ids.append(int(image.getId()))
        return int(dataset.id.val), ids


def log_in(browser: Browser, web: str, user: OmeroUser) -> None:
    browser.open(f"{web}webclient/login/")
    browser.fill("#id_username", user.name)
    browser.fill("#id_password", user.password)
    browser.click("input[type=submit]")
    browser.wait(lambda: "login" not in browser.driver.current_url, "the page behind the login")


def select(browser: Browser, web: str, dataset: int, image_ids: list[int]) -> None:
    """Click on pictures of a dataset, the further ones with the control key."""
    browser.open(f"{web}webclient/?show=dataset-{dataset}")
    for number, image_id in enumerate(image_ids):
        picture = f"#image_icon-{image_id} img"
        browser.wait(
            lambda css=picture: "data:image/jpeg" in (browser.find(css).get_property("src") or ""), "the thumbnails"
        )
        browser.click(picture, control=number > 0)
    chosen = "#dataIcons .ui-selected"
    browser.wait(lambda: len(browser.find_all(chosen)) == len(image_ids), "the selection")


def open_script(browser: Browser, menu: list[str]) -> None:
    """Walk through the scripts menu; the last entry opens the script's form."""

    def shown() -> list[WebElement]:
        return [one for one in browser.find_all("#scriptList a") if one.is_displayed() and one.text]

    browser.click("#scriptButton")
    browser.wait(shown, "the scripts menu")
    # OMERO.web leaves the folder's own entry out where the server has no other scripts
    for entry in [*(one.text for one in shown() if one.text == NAMESPACE), *menu]:
        links = browser.wait(
            lambda title=entry: [one for one in shown() if one.text == title], f"the menu entry {entry}"
        )
        links[0].click()


def result_of(browser: Browser) -> str:
    """Wait for the script's end in the list of activities, and give what that shows."""
    return str(
        browser.wait(
            lambda: next(
                (
                    row.text
                    for row in browser.find_all("#jobsTable tr.script")
                    if "in_progress" not in row.get_attribute("class").split() and row.is_displayed()
                ),
                None,
            ),
            "the script's end",
        )
    )


def form(browser: Browser) -> dict[str, str | bool]:
    """Give what the fields of a script's form hold, in their order."""
    return dict(
        browser.run(
            "return [...document.querySelectorAll('#script_form [name]')].filter(one => one.tabIndex === 1)"
            ".map(one => [one.name, one.type === 'checkbox' ? one.checked : one.value])"
        )
    )


def gray_pictures(user: OmeroUser, image_ids: list[int]) -> bool:
    """Tell whether images are shown in shades of grey."""
    with user.gateway() as gateway:
        pictures = [gateway.getObject("Image", number).renderImage(0, 0).convert("RGB") for number in image_ids]
    return all(np.ptp(np.asarray(picture), axis=2).max() == 0 for picture in pictures)


def test_two_selected_images_are_blurred(
    browser: Browser, omero_web: str, scripts: dict[str, int], user: OmeroUser, dataset: tuple[int, list[int]]
) -> None:
    number, ids = dataset
    chosen = [ids[0], ids[2]]
    log_in(browser, omero_web, user)
    select(browser, omero_web, number, chosen)
    browser.screenshot("selection")
    with browser.popup(lambda: open_script(browser, ["Process", "Filters", "Gaussian Blur..."])):
        assert browser.text("#scriptName") == "[ImageJ] Gaussian Blur..."
        fields = form(browser)
        assert list(fields)[:4] == ["Data_Type", "IDs", "Image_ID", "Sigma"]
        assert fields["Data_Type"] == "Image"
        assert sorted(map(int, str(fields["IDs"]).split(","))) == chosen
        assert (fields["Image_ID"], float(fields["Sigma"])) == ("", 2)
        browser.screenshot("form")
        browser.fill("[name=Sigma]", "3")
        browser.click("#submit")
        browser.wait(lambda: len(browser.driver.window_handles) == 1, "the form's end")
    said = result_of(browser)
    browser.screenshot("result")
    done = re.search(r"Gaussian Blur\.\.\.: 2 of 2 done: new images (\d+), (\d+)\.", said)
    assert done, said
    assert "View Image" in said
    new = [int(one) for one in done.groups()]
    assert gray_pictures(user, [*chosen, *new])
    with user.gateway() as gateway:
        made = [gateway.getObject("Image", one) for one in new]
        assert [one.getName() for one in made] == ["picture 0 - Gaussian Blur", "picture 2 - Gaussian Blur"]
        assert {one.getParent().getId() for one in made} == {number}
        marks = dict(next(made[0].listAnnotations("ij_omero/run")).getValue())
    assert marks["sigma"] == "3.0"
    select(browser, omero_web, number, new)
    browser.screenshot("new-images")
    assert "picture 0 - Gaussian Blur" in browser.text("#dataTree")


def test_what_fails_is_told(
    browser: Browser, omero_web: str, scripts: dict[str, int], user: OmeroUser, dataset: tuple[int, list[int]]
) -> None:
    number, ids = dataset
    log_in(browser, omero_web, user)
    select(browser, omero_web, number, ids[:1])
    with browser.popup(lambda: open_script(browser, ["Analyze", "Analyze Particles..."])):
        browser.screenshot("form")
        browser.fill("[name=IDs]", str(2**40))
        browser.click("#submit")
        browser.wait(lambda: len(browser.driver.window_handles) == 1, "the form's end")
    said = result_of(browser)
    browser.screenshot("result")
    assert f"Failed: no Image with id {2**40} is visible to this user" in said
    assert "Error" in said  # the link to what the script wrote to its standard error
