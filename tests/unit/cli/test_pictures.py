"""info, list, import, export."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from ij_omero.errors import InvalidInputError
from ij_omero.images import open_store
from ij_omero.model import Point, Roi, Table
from ij_omero.stores import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Outcome


def test_import_says_where_the_image_is(ij_omero: Callable[..., Outcome], picture: Path, tmp_path: Path) -> None:
    done = ij_omero("import", picture, "--to", tmp_path / "new", "--name", "named")
    assert done == (0, f"{picture} -> {tmp_path}/new/1.ome.zarr\n", "")
    (image,) = json.loads(ij_omero("list", tmp_path / "new", "--json").out)
    assert (image["id"], image["name"], image["sizes"]["x"], image["sizes"]["c"]) == (1, "named", 60, 3)


def test_one_bad_file_does_not_keep_the_others_out(
    ij_omero: Callable[..., Outcome], picture: Path, tmp_path: Path
) -> None:
    done = ij_omero("import", tmp_path / "none.png", picture, "--to", tmp_path / "new", "--json")
    assert done.code == 1
    assert done.err.startswith(f"error: {tmp_path}/none.png: ")
    assert [one["name"] for one in json.loads(done.out)] == ["stripes.png"]


def test_an_image_of_a_store_is_imported_with_what_belongs_to_it(
    ij_omero: Callable[..., Outcome], store: Path, tmp_path: Path
) -> None:
    with open_store(store) as images:
        images.store.save_table(1, Table.from_dict("areas", {"Area": [1.5, 2.5]}))
        images.store.save_rois(1, [Roi((Point(3, 4),), name="here")])
    done = ij_omero("import", store / "1.ome.zarr", "--to", tmp_path / "new", "--name", "copy")
    assert done == (0, f"{store}/1.ome.zarr -> {tmp_path}/new/1.ome.zarr\n", "")
    facts = json.loads(ij_omero("info", tmp_path / "new" / "1.ome.zarr", "--json").out)
    assert (facts["name"], facts["roi_count"], facts["source"]) == ("copy", 1, f"{store}/1.ome.zarr")
    assert [(one["name"], one["columns"], one["rows"]) for one in facts["tables"]] == [("areas", ["Area"], 2)]


def test_addresses_that_lead_nowhere_are_no_files(ij_omero: Callable[..., Outcome], tmp_path: Path) -> None:
    done = ij_omero("import", "omero://127.0.0.1:1/image/3", "http://example.org/a.png", "--to", tmp_path / "new")
    assert done.code == 1
    first, second = done.err.splitlines()
    assert "no password and no session" in first
    assert "unknown kind of address" in second
    with pytest.raises(InvalidInputError, match="ij-omero import ADDRESS --to STORE"):
        read_picture("omero://127.0.0.1/image/3")


def test_info_tells_people_and_machines_the_same(ij_omero: Callable[..., Outcome], store: Path) -> None:
    text = ij_omero("info", store / "1.ome.zarr")
    facts = json.loads(ij_omero("info", store / "1.ome.zarr", "--json").out)
    assert text.code == 0
    assert facts["sizes"] == {"x": 60, "y": 40, "z": 1, "c": 3, "t": 1}
    assert facts["pixel_type"] == "uint8"
    assert [channel["name"] for channel in facts["channels"]] == ["Red", "Green", "Blue"]
    for words in ("stripes.png", "X 60  Y 40  Z 1  C 3  T 1", "uint8, 7.2 kB", "Red, Green, Blue"):
        assert words in text.out


def test_a_single_foreign_image_is_opened_by_its_path(
    ij_omero: Callable[..., Outcome], store: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.ome.zarr"
    assert ij_omero("export", store / "1.ome.zarr", foreign).code == 0
    assert json.loads(ij_omero("info", foreign, "--json").out)["sizes"]["x"] == 60


def test_list_aligns_columns(ij_omero: Callable[..., Outcome], store: Path, picture: Path) -> None:
    ij_omero("import", picture, "--to", store, "--name", "a second one")
    lines = ij_omero("list", store).out.splitlines()
    assert len(lines) == 3
    assert lines[0].index("NAME") == lines[1].index("stripes.png") == lines[2].index("a second one")


def test_export_writes_a_file_that_others_read_and_replaces_none_unasked(
    ij_omero: Callable[..., Outcome], store: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.ome.tif"
    assert ij_omero("export", store / "1.ome.zarr", target).code == 0
    pixels = tifffile.imread(target)
    assert pixels.shape == (3, 40, 60)
    assert np.unique(pixels[1]).tolist() == [0, 200]
    refused = ij_omero("export", store / "1.ome.zarr", target)
    assert refused.code == 2
    assert "--force" in refused.err
    assert ij_omero("export", store / "1.ome.zarr", target, "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["info", "ftp://host/image/1"], 1, "unknown kind of address"),
        (["info", "omero://host/picture/1"], 1, "does not name an image"),
        (["info", "omero://host"], 1, "names no image"),
        (["info", "{store}/7.ome.zarr"], 1, "7"),
        (["info", "{store}"], 0, ""),
        (["info", "/no/such/folder/1.ome.zarr"], 1, "/no/such/folder"),
        (["list", "/etc/passwd"], 1, "is a file"),
        (["list"], 2, "Missing argument 'STORE' (see ij-omero list --help)"),
        (["frobnicate"], 2, "No such command"),
        (["import", "x.png"], 2, "--to"),
        (["export", "{store}/1.ome.zarr", "{store}/picture.xyz"], 1, "picture.xyz"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_that_says_what_to_do(
    ij_omero: Callable[..., Outcome], store: Path, arguments: list[str], code: int, words: str
) -> None:
    done = ij_omero(*(argument.format(store=store) for argument in arguments))
    assert done.code == code
    assert words in done.err
    if code:
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
