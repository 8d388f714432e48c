"""imgData from descriptions and from OME-XML."""

from __future__ import annotations

import json

import pytest

from ij_omero.errors import InvalidInputError, NotFoundError
from ij_omero.model import (
    Channel,
    ChannelRendering,
    ImageDescription,
    PixelType,
    Quantity,
    RenderingSettings,
    ResolutionLevel,
)
from ij_omero.rendering import image_data, image_data_from_ome_xml, select_key, settings_for, split_channel_grids

DESCRIPTION = ImageDescription(
    "cells",
    PixelType.INT16,
    1000,
    700,
    5,
    2,
    3,
    physical_size_x=Quantity(250, "nm"),
    physical_size_z=Quantity(1, "pixel"),
    channels=(Channel("DAPI", emission=Quantity(461, "nm")), Channel(emission=Quantity(509.5, "nm"))),
    rendering=RenderingSettings(
        (
            ChannelRendering((5, 90), (255, 128, 0, 255), family="polynomial", coefficient=2.0, inverted=True),
            ChannelRendering((0, 1), (0, 0, 255, 255), active=False, lookup_table="fire.lut"),
        ),
        z=2,
        t=1,
    ),
    image_id=9,
)
LEVELS = (ResolutionLevel(0, 1000, 700, 256, 200), ResolutionLevel(1, 250, 175, 256, 200))


def test_it_tells_what_a_viewer_needs() -> None:
    data = json.loads(json.dumps(image_data(DESCRIPTION, LEVELS)))
    assert data["size"] == {"width": 1000, "height": 700, "z": 5, "t": 3, "c": 2}
    assert data["pixel_size"] == {"x": 0.25, "y": None, "z": None}
    assert data["pixel_range"] == [-32768, 32767]
    assert data["tiles"] is True
    assert data["tile_size"] == {"width": 256, "height": 200}
    assert data["resolutions"] == {"0": {"sizeX": 1000, "sizeY": 700}, "1": {"sizeX": 250, "sizeY": 175}}
    assert data["zoomLevelScaling"] == {"0": 1.0, "1": 0.25}
    assert data["rdefs"]["defaultZ"] == 2
    first, second = data["channels"]
    assert first == {
        "emissionWave": 461.0,
        "label": "DAPI",
        "color": "FF8000",
        "inverted": True,
        "reverseIntensity": True,
        "family": "polynomial",
        "coefficient": 2.0,
        "window": {"min": -32768.0, "max": 32767.0, "start": 5, "end": 90},
        "active": True,
    }
    assert (second["label"], second["lut"], second["active"]) == ("509.5", "fire.lut", False)


def test_without_levels_it_speaks_of_no_tiles() -> None:
    data = image_data(DESCRIPTION, LEVELS[:1])
    assert data["tiles"] is False
    assert not {"tile_size", "levels", "resolutions", "zoomLevelScaling"} & data.keys()


def test_details_are_laid_over_key_by_key() -> None:
    data = image_data(DESCRIPTION, LEVELS, details={"meta": {"projectName": "P"}, "nominalMagnification": 40})
    assert (data["meta"]["projectName"], data["meta"]["imageName"]) == ("P", "cells")
    assert data["nominalMagnification"] == 40


def test_a_part_is_selected_by_its_path() -> None:
    data = image_data(DESCRIPTION, LEVELS)
    assert select_key(data, "meta.imageName") == "cells"
    assert select_key(data, "size")["z"] == 5
    for path in ("nothing", "meta.nothing", "meta.imageName.more"):
        with pytest.raises(NotFoundError, match=f"imgData has no {path}"):
            select_key(data, path)


def test_an_image_alone_is_grey_and_several_channels_take_colours_in_turn() -> None:
    assert settings_for(ImageDescription("one", PixelType.UINT8, 1, 1)).model == "greyscale"
    many = settings_for(ImageDescription("many", PixelType.FLOAT, 1, 1, 1, 5))
    assert [channel.color[:3] for channel in many.channels[:4]] == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0)]
    assert [channel.active for channel in many.channels] == [True, True, True, False, False]
    assert many.channels[0].window == (0.0, 1.0)


@pytest.mark.parametrize(
    ("count", "omero_g", "omero_c", "minerva_g"),
    [
        (1, (1, 1), (2, 1), (1, 1)),
        (3, (2, 2), (2, 2), (1, 3)),
        (4, (2, 2), (3, 2), (2, 2)),
        (6, (3, 2), (3, 3), (2, 3)),
    ],
)
def test_grids(count: int, omero_g: tuple[int, int], omero_c: tuple[int, int], minerva_g: tuple[int, int]) -> None:
    grids = split_channel_grids(count, 10, 20)
    assert (grids["g"]["gridx"], grids["g"]["gridy"]) == omero_g
    assert (grids["c"]["gridx"], grids["c"]["gridy"]) == omero_c
    assert grids["g"]["width"] == 2 + omero_g[0] * 12
    grid = split_channel_grids(count, 10, 20, layout="minerva")["g"]
    assert (grid["gridx"], grid["gridy"], grid["height"]) == (*minerva_g, 2 + minerva_g[1] * 22)


OME_XML = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
  <Image ID="Image:other" Name="first"><Pixels ID="Pixels:0" Type="uint8" SizeX="1" SizeY="1" SizeZ="1" SizeC="1"
    SizeT="1" DimensionOrder="XYZCT"/></Image>
  <Image ID="Image:b9e36f16" Name="tissue"><Description>a slide</Description>
    <Pixels ID="Pixels:1" Type="uint16" SignificantBits="12" SizeX="3000" SizeY="2000" SizeZ="1" SizeC="2" SizeT="1"
      PhysicalSizeX="650" PhysicalSizeXUnit="nm" PhysicalSizeY="0.65" DimensionOrder="XYZCT">
      <Channel ID="Channel:0" EmissionWavelength="461"/><Channel ID="Channel:1" Name="GFP"/>
      <Plane TheZ="0" TheC="0" TheT="0" DeltaT="1.5"/>
    </Pixels></Image>
</OME>"""


def test_ome_xml_as_the_minerva_programs_read_it() -> None:
    data = json.loads(json.dumps(image_data_from_ome_xml(OME_XML, "b9e36f16", levels=3)))
    assert data["size"] == {"c": 2, "t": 1, "z": 1, "width": 3000, "height": 2000}
    assert data["zoomLevelScaling"] == {"0": 1.0, "1": 0.5, "2": 0.25}
    assert data["pixel_size"] == {"x": 0.65, "y": 0.65, "z": None}
    assert data["channels"][0]["window"] == {"min": 0, "start": 0, "end": 4096, "max": 4096}
    assert [channel["label"] for channel in data["channels"]] == ["Channel:0", "GFP"]
    assert [channel["emissionWave"] for channel in data["channels"]] == [461.0, None]
    assert data["split_channel"]["c"] == {"gridx": 1, "gridy": 3, "border": 2, "width": 3004, "height": 6008}
    assert data["meta"]["imageName"] == "tissue"
    assert data["deltaT"] == [1.5]
    assert data["tile_size"] == {"width": 1024, "height": 1024}


def test_ome_xml_without_a_name_is_the_first_image() -> None:
    assert image_data_from_ome_xml(OME_XML.encode())["meta"]["imageName"] == "first"


@pytest.mark.parametrize(
    ("xml", "error"),
    [
        ("no xml", InvalidInputError),
        ("<TIFF/>", InvalidInputError),
        ("<OME/>", NotFoundError),
        ('<!DOCTYPE x [<!ENTITY a "b">]><OME/>', InvalidInputError),
        (OME_XML.replace('SizeX="1"', 'SizeX="-4"'), InvalidInputError),
        (OME_XML.replace('Type="uint8"', 'Type="odd"'), InvalidInputError),
    ],
)
def test_documents_that_are_refused(xml: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        image_data_from_ome_xml(xml)


def test_colours_follow_the_wavelength() -> None:
    waves = (Quantity(461, "nm"), Quantity(0.52, "µm"), Quantity(600, "nm"), Quantity(3, "pixel"))
    channels = tuple(Channel(emission=wave) for wave in waves)
    shown = settings_for(ImageDescription("dyes", PixelType.UINT8, 1, 1, 1, 4, channels=channels)).channels
    assert [channel.color[:3] for channel in shown] == [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 0, 0)]
