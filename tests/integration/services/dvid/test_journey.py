"""An image on a DVID server goes through ImageJ, and the result is on the server."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest

import ij_omero
from ij_omero.services import Background
from ij_omero.services.dvid import make_app
from ij_omero.stores import DvidClient

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.jvm
def test_a_module_runs_on_a_volume_and_its_result_is_saved_beside_it(tmp_path: Path) -> None:
    with Background(functools.partial(make_app, tmp_path / "store")) as address:
        server = address.replace("http://", "dvid://")
        voxels = np.zeros((4, 64, 64), np.uint8)
        voxels[:, 20:40, 30:50] = 200
        with DvidClient(server) as client:
            root = client.new_repo("flies")
            client.new_instance(root, "grey", "uint8blk", BlockSize="32,32,4", VoxelSize="4,4,40")
            client.write(root, "grey", (32, 0, 4), (64, 64, 4), voxels)
            with ij_omero.open_store(server) as volumes:
                image = volumes.open_image(f"{root[:8]}/grey")
                result = ij_omero.run("Invert", image)
                new = volumes.save_image(result.image if result.image is not None else image, name="inverted")
                np.testing.assert_array_equal(new.to_numpy()[0, 0], 255 - voxels)
                assert new.description.physical_size_z == image.description.physical_size_z
                np.testing.assert_array_equal(np.asarray(volumes.open_image(f"{root}/grey").to_numpy())[0, 0], voxels)
                # plain requests see the result as an instance like any other
                uuid, _, name = str(new.image_id).partition("/")
            found = np.frombuffer(client.read(uuid, name, (0, 0, 0), (64, 64, 4)), np.uint8)
            np.testing.assert_array_equal(found.reshape(voxels.shape), 255 - voxels)
