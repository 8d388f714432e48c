"""File > Import > OMERO... and File > Export > OMERO... with inputs given, on a real OMERO.server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import ij_omero
from ij_omero import imagej
from ij_omero.errors import ModuleCanceledError
from ij_omero.model import Ellipse, Polygon, Rectangle, Roi, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests._omero import MakeUser, OmeroUser

pytestmark = pytest.mark.jvm
IMPORT, EXPORT = "File>Import>OMERO...", "File>Export>OMERO..."
PIXELS = np.arange(2 * 3 * 40 * 50, dtype=np.uint16).reshape(1, 2, 3, 40, 50)
ROIS = [
    Roi((Rectangle(3, 4, 10, 5, z=1),), name="box"),
    Roi((Ellipse(20, 20, 6, 4), Polygon(((1.0, 1.0), (9.0, 1.0), (5.0, 8.0)), c=1)), name="two"),
]
TABLE = Table.from_dict("cells", {"Area": [1.5, 2.5], "Label": ["a", "b"]})


@pytest.fixture
def user(omero_user: MakeUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OmeroUser:
    monkeypatch.setenv("IJ_OMERO_EDITS", str(tmp_path / "edits"))
    return omero_user()


@pytest.fixture
def omero(user: OmeroUser) -> Iterator[ij_omero.Connection]:
    with ij_omero.connect(user.host, port=user.port, user=user.name, password=user.password) as connection:
        yield connection


@pytest.fixture
def image_id(omero: ij_omero.Connection) -> int:
    return int(omero.save_image(PIXELS, name="cells", rois=ROIS, tables=[TABLE]).image_id)


def login(user: OmeroUser, **inputs: Any) -> dict[str, Any]:
    return {"server": user.host, "port": user.port, "user": user.name, "password": user.password, **inputs}


def test_both_commands_are_in_the_menu_and_mask_the_password() -> None:
    for path, wanted in (
        (IMPORT, {"image_id", "download_tables", "download_rois"}),
        (
            EXPORT,
            {"dataset_id", "image", "upload_new_image", "upload_tables", "upload_rois", "update_rois", "table_names"},
        ),
    ):
        module = imagej.find_module(path)
        assert module.menu_path == path
        assert {parameter.name for parameter in module.inputs} >= wanted | {"server", "port", "user", "password"}
        assert (module.input("server").default, module.input("port").default) == ("localhost", 4064)
        assert module.input("password").style == "password"
    assert imagej.find_module(EXPORT).input("dataset_id").default == -1


def test_an_image_comes_with_rois_and_tables_and_goes_back_with_both(
    user: OmeroUser, omero: ij_omero.Connection, image_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    got = imagej.run_module(IMPORT, login(user, image_id=image_id, download_tables=True, download_rois=True))
    dataset = got.outputs["image"]
    cells = imagej.cells_of(dataset)
    assert cells is not None
    assert cells.load_states.loaded == 0
    (table,) = got.tables
    assert list(table["Label"]) == ["a", "b"]
    assert len(got.rois) == 3

    with user.gateway() as gateway:
        from omero.gateway import DatasetWrapper
        from omero.model import DatasetI

        container = DatasetWrapper(gateway, DatasetI())
        container.setName("results")
        container.save()
        container_id = container.getId()
    dataset.randomAccess().get().setReal(999)
    done = imagej.run_module(
        EXPORT,
        login(
            user,
            image=dataset,
            dataset_id=container_id,
            upload_tables=True,
            upload_rois=True,
            table_names="renamed",
            tables=[table, Table.from_dict("second", {"n": [1]})],
        ),
    )
    new_id = done.outputs["image_id"]
    assert new_id != image_id
    expected = PIXELS.copy()
    expected[0, 0, 0, 0, 0] = 999
    with user.gateway() as gateway:
        saved = gateway.getObject("Image", new_id)
        planes = list(saved.getPrimaryPixels().getPlanes([(z, c, 0) for c in range(2) for z in range(3)]))
        np.testing.assert_array_equal(np.stack(planes).reshape(PIXELS.shape), expected)
        assert [parent.getId() for parent in saved.listParents()] == [container_id]
        rois = gateway.getRoiService().findByImage(new_id, None).rois
        assert sorted(roi.sizeOfShapes() for roi in rois) == [1, 2]
    with omero.open_image(new_id) as new:
        # names run out before tables do: the rest keep their own
        assert {one.name for one in new.tables()} == {"renamed", "Table"}
    assert user.password not in caplog.text


def test_what_was_imported_is_shown_and_what_is_shown_is_exported(user: OmeroUser, image_id: int) -> None:
    displays = imagej.start().service("org.scijava.display.DisplayService")
    for display in list(displays.getDisplays()):
        display.close()
    module = in_java("import_from_omero", login(user, image_id=image_id))
    (display,) = displays.getDisplays()
    assert display.isDisplaying(module.getOutput("image"))
    displays.setActiveDisplay(display)
    exported = in_java("export_to_omero", login(user))
    with user.gateway() as gateway:
        assert gateway.getObject("Image", int(exported.getOutput("image_id"))).getName() == "cells"
    display.close()
    # from Python nobody sees displays, which would keep every result
    imagej.run_module(IMPORT, login(user, image_id=image_id))
    assert displays.getDisplays().isEmpty()


def test_rois_are_updated_in_place_with_their_ids(user: OmeroUser, omero: ij_omero.Connection, image_id: int) -> None:
    before = {roi.name: roi for roi in omero.open_image(image_id).rois()}
    got = imagej.run_module(IMPORT, login(user, image_id=image_id, download_rois=True))
    rois = imagej.to_imagej_rois(list(before.values()))
    for java in rois:
        java.setLocation(float(java.getXBase() + 2), float(java.getYBase()))
    inputs = login(user, image=got.outputs["image"], upload_new_image=False, update_rois=True, rois=java_list(rois))
    assert imagej.run_module(EXPORT, inputs).outputs["image_id"] == image_id
    after = {roi.name: roi for roi in omero.open_image(image_id).rois()}
    assert after.keys() == before.keys()
    for name, roi in after.items():
        assert roi.roi_id == before[name].roi_id
        assert {shape.shape_id for shape in roi.shapes} == {shape.shape_id for shape in before[name].shapes}
    (box,) = after["box"].shapes
    assert box == Rectangle(5, 4, 10, 5, z=1)


def java_list(values: list[Any]) -> Any:
    import jpype

    made = jpype.JClass("java.util.ArrayList")()
    for value in values:
        made.add(value)
    return made


def test_what_cannot_be_is_refused_with_a_reason(user: OmeroUser, image_id: int) -> None:
    with pytest.raises(ModuleCanceledError, match=r"Error talking to OMERO: .*Invalid image ID: 99999999"):
        imagej.run_module(IMPORT, login(user, image_id=99999999))
    with pytest.raises(ModuleCanceledError, match="Error talking to OMERO: wrong user or password") as error:
        imagej.run_module(IMPORT, {**login(user, image_id=image_id), "password": "open sesame"})
    assert "sesame" not in str(error.value)
    picture = imagej.array_to_dataset(PIXELS)
    with pytest.raises(ModuleCanceledError, match="cannot be updated"):
        imagej.run_module(EXPORT, login(user, image=picture, update_rois=True))
    with pytest.raises(ModuleCanceledError, match="upload it as a new image"):
        imagej.run_module(EXPORT, login(user, image=picture, upload_new_image=False, upload_rois=True))


def in_java(function: str, inputs: dict[str, Any]) -> Any:
    """Run a command as ImageJ's menu does, and return the module that has run."""
    import jpype

    service = imagej.start().service("org.scijava.module.ModuleService")
    (info,) = [one for one in service.getModules() if str(one.getIdentifier()).endswith(function)]
    values = jpype.JClass("java.util.HashMap")()
    for name, value in inputs.items():
        values.put(name, jpype.JClass("java.lang.Long")(value) if isinstance(value, int) else value)
    return service.run(info, True, values).get()


def test_a_module_that_has_run_forgot_the_password(user: OmeroUser, image_id: int) -> None:
    module = in_java("import_from_omero", login(user, image_id=image_id))
    assert module.getOutput("image") is not None
    assert module.getInput("password") is None
