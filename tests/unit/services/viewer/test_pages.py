"""The pages come from within the package, and let nothing from outside in."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from ij_omero.services import ServiceSettings
from ij_omero.services.viewer import EntryCodes
from ij_omero.stores import MemoryStore
from tests._viewer import viewing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

STATIC = files("ij_omero.services.viewer").joinpath("static")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with viewing(MemoryStore()) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/view/1"])
def test_pages_load_only_files_of_the_package(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    found = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    loaded = [one for one in found if "static/" in one]
    assert loaded and all(client.get(f"/static/{one.rpartition('/')[2]}").status_code == 200 for one in loaded)
    assert not [one for one in found if ":" in one or one.startswith("//")]


def test_scripts_and_styles_name_no_other_site() -> None:
    for entry in STATIC.iterdir():
        if entry.name.endswith((".js", ".css", ".html")) and ".min." not in entry.name:
            assert not re.search(r"https?://(?!www\.w3\.org)", entry.read_text()), entry.name


def test_the_viewer_library_is_the_one_that_the_notice_names() -> None:
    notice = STATIC.joinpath("NOTICE.txt").read_text()
    assert hashlib.sha256(STATIC.joinpath("openseadragon.min.js").read_bytes()).hexdigest() in notice
    assert "Redistribution" in STATIC.joinpath("openseadragon-LICENSE.txt").read_text()


def test_a_code_is_good_once() -> None:
    codes = EntryCodes()
    code = codes.make()
    with viewing(MemoryStore(), settings=ServiceSettings(token="0" * 20), codes=codes) as client:
        assert client.get("/api/images").status_code == 401
        wrong = client.post("/enter", headers={"Authorization": "Bearer nothing"})
        assert wrong.status_code == 401 and "set-cookie" not in wrong.headers
        assert client.post("/enter", headers={"Authorization": f"Bearer {code}"}).status_code == 204
        assert client.get("/api/images").json() == []
        client.cookies.clear()
        assert client.post("/enter", headers={"Authorization": f"Bearer {code}"}).status_code == 401


def test_the_description_names_only_routes_that_there_are(client: httpx.Client) -> None:
    description = client.get("/openapi.json").json()
    for path in description["paths"]:
        filled = re.sub(r"{\w+}", "1", path)
        answer = client.get(filled)
        assert answer.status_code in (200, 400, 404), path
        assert "nothing at this address" not in answer.text, path


def test_an_empty_store_says_that_an_image_is_not_there(client: httpx.Client) -> None:
    assert client.get("/api/images").json() == []
    assert client.get("/api/images/1").text == "no image 1 is shown here\n"
    with viewing(MemoryStore(), only=5) as other:
        assert other.get("/api/images").status_code == 404
