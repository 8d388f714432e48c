"""ij-omero serve: one address for all interfaces over one folder, by one process or several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

import ij_omero

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a token that is long enough"


def start(tmp_path: Path, *options: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "ij_omero", "serve", str(tmp_path / "images"), "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert [line.split(None, 1)[1].strip() for line in lines] == [
        "the images, in a browser",
        "OMEIS",
        "DVID's interface",
    ]
    return process, lines[0].split("/  ")[0]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder_is_served_by_all_interfaces(tmp_path: Path, workers: str) -> None:
    process, address = start(tmp_path, "--workers", workers)
    try:
        with httpx.Client(base_url=address, timeout=60) as client:
            omeis = "/cgi-bin/omeis"
            pixels_id = client.get(omeis, params={"Method": "NewPixels", "Dims": "8,6,1,1,1,1"}).text.strip()
            content = bytes(range(48))
            client.post(omeis, data={"Method": "SetPixels", "PixelsID": pixels_id}, files={"Pixels": ("p", content)})
            image_id = client.get(omeis, params={"Method": "FinishPixels", "PixelsID": pixels_id}).text.strip()
            assert client.get(f"/webgateway/imgData/{image_id}/").json()["size"]["width"] == 8
            assert client.get("/").headers["content-type"].startswith("text/html")
            assert list(client.get("/api/repos/info").json()) == [image_id.ljust(32, "f")]
            paths = client.get("/openapi.json").json()["paths"]
            assert omeis in paths
            assert any(path.startswith("/api/node/") for path in paths)
            for _ in range(4):
                assert client.get(omeis, params={"Method": "GetPixels", "PixelsID": image_id}).content == content
                assert client.get(f"/api/node/{image_id}f/c0t0/raw/0_1_2/8_6_1/0_0_0").content == content
            for scheme in ("dvid", "omeis"):
                with ij_omero.open_store(address.replace("http", scheme)) as store:
                    (summary,) = store.list_images()
                    assert store.open_image(summary.image_id)[0, 0, 0].tobytes() == content
        assert sorted(folder.name for folder in tmp_path.iterdir()) == ["images", "images.dvid", "images.omeis"]
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert said == "Ctrl-C ends it.\n"


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    process, address = start(tmp_path, IJ_OMERO_TOKEN=TOKEN)
    try:
        for path in ("/cgi-bin/omeis?Method=GetNativeEndian", "/api/repos/info", "/webgateway/imgData/1/"):
            assert httpx.get(f"{address}{path}").status_code == 401
            assert httpx.get(f"{address}{path}", headers={"Authorization": f"Bearer {TOKEN}"}).status_code in (200, 404)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_beyond_this_machine_it_does_not_start_without_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ij_omero", "serve", str(tmp_path / "images"), "--host", "0.0.0.0"]  # noqa: S104
    environment = {name: value for name, value in os.environ.items() if name != "IJ_OMERO_TOKEN"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert ended.returncode == 1
    assert "needs a token" in ended.stderr
