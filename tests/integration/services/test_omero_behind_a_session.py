"""Images of a real OMERO.server, served under both interfaces and opened by the clients of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

import ij_omero
from ij_omero.model import Quantity
from ij_omero.services import Background
from ij_omero.services.everything import make_app

if TYPE_CHECKING:
    from pathlib import Path

    from tests._omero import MakeUser

pytestmark = pytest.mark.omero


def test_an_image_of_the_server_is_opened_and_saved_by_both_clients(omero_user: MakeUser, tmp_path: Path) -> None:
    user = omero_user()
    pixels = np.random.default_rng(4).integers(-3000, 3000, (2, 2, 3, 40, 50), np.int16)
    server = f"omero://{user.host}:{user.port}"
    with ij_omero.connect(server, user=user.name, password=user.password) as connection:
        image_id = connection.save_image(pixels, name="cells", physical_size_x=Quantity(0.5, "µm")).image_id
        app = make_app(connection.store, tmp_path / "omeis", tmp_path / "dvid")
        with Background(lambda: app) as address:
            for scheme, name in (("omeis", image_id), ("dvid", f"{image_id}f/image")):
                with ij_omero.open_store(address.replace("http", scheme)) as store:
                    image = store.open_image(name)
                    np.testing.assert_array_equal(image[:], pixels)
                    assert image.description.physical_size_x == Quantity(0.5, "µm")
                    assert [summary.name for summary in store.list_images()] == ["cells"]
            part = httpx.get(f"{address}/api/node/{image_id}f/c1t0/raw/0_1_2/50_40_3/0_0_0", timeout=60)
            assert np.frombuffer(part.content, "<f4").reshape(3, 40, 50).tolist() == pixels[0, 1].tolist()
            with ij_omero.open_store(address.replace("http", "omeis")) as store:
                new = store.save_image(pixels[:, :1], name="one channel")
            assert connection.open_image(new.image_id).description.name == "one channel"
            plane = httpx.get(f"{address}/api/node/{new.image_id}f/c0t1/raw/xy/50_40/0_0_2/tif", timeout=60)
            assert plane.headers["content-type"] == "image/tiff"
