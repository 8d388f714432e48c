"""ij-omero crop and imgdata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REGION = "/1/0/0/?c=2|0:200$00FF00&region=-10,0,40,20"


def test_a_crop_is_out_png_in_the_folder_or_the_file_that_is_named(
    ij_omero: Callable[..., Any], store: Path, tmp_path: Path
) -> None:
    outcome = ij_omero("crop", REGION, "--from", store, "-o", tmp_path / "crops")
    assert outcome.code == 0
    assert outcome.out == f"Cropping 1/1 scale: 40 x 20 -> {tmp_path / 'crops' / 'out.png'}\n"
    picture = np.array(Pillow.open(tmp_path / "crops" / "out.png"))
    assert not picture[:, :10].any()
    assert (picture[:, 10::2] == (0, 255, 0)).all()
    assert not picture[:, 11::2].any()
    told = ij_omero("crop", REGION, "--from", store, "-o", tmp_path / "one.tif", "--composite", "omero", "--json")
    assert json.loads(told.out) == {"file": str(tmp_path / "one.tif"), "width": 40, "height": 20, "level": 0}
    assert (np.array(Pillow.open(tmp_path / "one.tif"))[:, :10] == 221).all()
    assert ij_omero("crop", REGION, "--from", store, "-o", tmp_path, "--format", "jpg").code == 0
    assert (tmp_path / "out.jpg").is_file()


def test_what_is_wrong_is_one_line_and_leaves_no_file(
    ij_omero: Callable[..., Any], store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "crops"
    for arguments, message in (
        ((REGION,), "where the image is"),
        ((REGION.replace("/1/", "/9/"), "--from", store), "9"),
        ((REGION.replace("c=2", "c=7"), "--from", store), "channel 7 does not exist"),
        (("/1/0/0/?c=2", "--from", store), "has no region"),
        ((REGION, "--from", store, "--token-file", tmp_path / "none"), "cannot read"),
        ((REGION, "--from", store, "-o", folder / "a.gif"), ".gif pictures are not written"),
    ):
        output = () if "-o" in arguments else ("-o", folder)
        outcome = ij_omero("crop", *arguments, *output)
        assert outcome.code in (1, 2)
        assert message in outcome.err
        assert outcome.err.count("\n") == 1
    assert not folder.exists()


def test_imgdata_of_an_image_and_of_an_ome_xml_file(ij_omero: Callable[..., Any], store: Path, tmp_path: Path) -> None:
    data = json.loads(ij_omero("imgdata", store / "1.ome.zarr").out)
    assert data["size"] == {"width": 60, "height": 40, "z": 1, "t": 1, "c": 3}
    ranges = [(channel["window"]["min"], channel["window"]["max"]) for channel in data["channels"]]
    assert ranges == [(0, 0), (0, 200), (0, 0)]
    xml = tmp_path / "metadata.xml"
    xml.write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:a-b" Name="cells">'
        '<Pixels ID="Pixels:0" Type="uint16" SizeX="30" SizeY="20" SizeZ="1" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0:0"/></Pixels></Image></OME>'
    )
    assert ij_omero("imgdata", xml, "-o", tmp_path / "imgdata.json").code == 0
    written = json.loads((tmp_path / "imgdata.json").read_text())
    assert written["id"] == "a-b"
    assert written["tile_size"] == {"width": 1024, "height": 1024}
    failed = ij_omero("imgdata", xml, "--image", "other")
    assert failed.code == 1
    assert "no image other" in failed.err
