"""imgData of an image on a server is what OMERO.web says of it; its regions are what the server renders."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.model import Region
from ij_omero.rendering import Look, image_data, parse_rendering_query, render_region, settings_for
from ij_omero.stores import OmeroStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests._omero import MakeUser, OmeroUser

SIZE_Z, SIZE_C, SIZE_T, SIZE_Y, SIZE_X = 2, 3, 2, 90, 120


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


@pytest.fixture
def dtype() -> str:
    return "uint16"


@pytest.fixture
def image_id(dtype: str, user: OmeroUser) -> int:
    """An image with names, wavelengths, sizes and a dataset, made by plain omero-py."""
    from omero.model import DatasetI, LengthI
    from omero.model.enums import UnitsLength
    from omero.rtypes import rstring, rtime

    random = np.random.default_rng(4)
    planes = (random.integers(0, 120, (SIZE_Y, SIZE_X)).astype(dtype) for _ in range(SIZE_Z * SIZE_C * SIZE_T))
    with user.gateway() as gateway:
        dataset = DatasetI()
        dataset.name = rstring("a dataset")
        dataset = gateway.getUpdateService().saveAndReturnObject(dataset)
        image = gateway.createImageFromNumpySeq(
            planes,
            "an image",
            SIZE_Z,
            SIZE_C,
            SIZE_T,
            "what it is",
            dataset=gateway.getObject("Dataset", dataset.id.val),
        )
        number = int(image.getId())
        stored = gateway.getObject("Image", number)
        stored._obj.acquisitionDate = rtime(1_600_000_000_000)
        stored.save()
        pixels = gateway.getObject("Image", number).getPrimaryPixels()._obj
        pixels.physicalSizeX = LengthI(250.0, UnitsLength.NANOMETER)
        pixels.physicalSizeY = LengthI(0.3, UnitsLength.MICROMETER)
        gateway.getUpdateService().saveObject(pixels)
        for channel, name in zip(gateway.getObject("Image", number).getChannels(), ("DAPI", None, ""), strict=True):
            logical = channel.getLogicalChannel()._obj
            logical.name = None if name is None else rstring(name)
            logical.emissionWave = LengthI(461.0 if name else 509.5, UnitsLength.NANOMETER)
            gateway.getUpdateService().saveObject(logical)
        return number


@pytest.fixture
def store(user: OmeroUser) -> Iterator[OmeroStore]:
    with OmeroStore.connect(user.host, user.name, user.password, port=user.port) as connected:
        yield connected


def what_omero_web_says(user: OmeroUser, image_id: int) -> dict[str, Any]:
    with user.gateway() as gateway, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from omeroweb.webgateway.marshal import imageMarshal

        said = json.loads(json.dumps(imageMarshal(gateway.getObject("Image", image_id))))
    assert isinstance(said, dict)
    return said


@pytest.mark.parametrize("dtype", ["uint16", "int8", "float32"])
def test_it_is_what_omero_web_says(user: OmeroUser, image_id: int, store: OmeroStore) -> None:
    theirs = what_omero_web_says(user, image_id)
    source = store.open(image_id)
    details = store.image_data_details(image_id)
    assert json.loads(json.dumps(image_data(source.description, source.levels, details=details))) == theirs
    alone = image_data(source.description, source.levels)
    assert alone.keys() == theirs.keys()
    assert alone["meta"].keys() == theirs["meta"].keys()


@pytest.mark.parametrize(
    "query", [{}, {"c": "1|5:90$FF8000,-2,3|0:100$00F"}, {"c": "2|10:60$FFFFFF", "m": "g"}, {"c": "1,2,3", "m": "c"}]
)
def test_regions_are_what_the_server_renders(
    user: OmeroUser, image_id: int, store: OmeroStore, query: dict[str, str]
) -> None:
    import omero

    what_omero_web_says(user, image_id)  # the server makes an image's settings, with windows, when it is first rendered
    source = store.open(image_id)
    request = parse_rendering_query(query)
    region = Region(13, 7, 64, 50)
    settings = request.apply(settings_for(source.description))
    ours = render_region(source, 1, 1, region, look=Look(settings))
    with user.gateway() as gateway:
        image = gateway.getObject("Image", image_id)
        if "c" in query:
            wanted = request.channels or ()
            image.set_active_channels(
                [channel.index + 1 if channel.active else -channel.index - 1 for channel in wanted],
                [channel.window or (None, None) for channel in wanted],
                ["".join(f"{part:02X}" for part in channel.color[:3]) if channel.color else None for channel in wanted],
            )
        else:
            image._prepareRenderingEngine()
        if query.get("m") == "g":
            image.setGreyscaleRenderingModel()
        elif query.get("m") == "c":
            image.setColorRenderingModel()
        definition = omero.romio.PlaneDef(omero.romio.XY, 0, 0, 1, 1, omero.romio.RegionDef(*region), 0)
        words = np.array(image._re.renderAsPackedInt(definition), np.int64).reshape(region.shape)
    theirs = np.stack([words >> shift & 255 for shift in (16, 8, 0)], axis=-1)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert ours.any()
