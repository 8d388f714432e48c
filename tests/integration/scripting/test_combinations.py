"""Images, tables and ROIs as inputs and outputs of a script, in all combinations, on a real server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.scripting import install_scripts, launch, remove_scripts, run_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.localserver import LocalServer
    from tests._omero import MakeUser, OmeroUser

pytestmark = [pytest.mark.omero, pytest.mark.jvm]
FUNCTIONS = Path(__file__).parent / "functions"
FILE = FUNCTIONS / "Combinations.py"
AREA, ROWS, WIDTH = 6, 5, 3
INPUTS = {
    "from_image": AREA,
    "from_table": ROWS,
    "from_roi": WIDTH,
    "from_image_and_table": AREA + ROWS,
    "from_image_and_roi": AREA + WIDTH,
    "from_table_and_roi": ROWS + WIDTH,
    "from_all": AREA + ROWS + WIDTH,
}
ALL = "image, table, roi"
# each single kind to each, and every set of kinds to all of them
CASES = [
    *((function, give) for function in ("from_image", "from_table", "from_roi") for give in ("image", "table", "roi")),
    *((function, ALL) for function in INPUTS),
]


def run(server: LocalServer, function: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run a function as the job of a script, in a session with the inputs in it."""
    import omero
    from omero.rtypes import rlist, rlong, rstring, unwrap

    client = omero.client(server.host, server.port)
    try:
        client.createSession("root", server.password)
        for key, value in inputs.items():
            ids = rlist([rlong(one) for one in value]) if isinstance(value, list) else None
            client.setInput(key, ids or (rlong(value) if isinstance(value, int) else rstring(value)))
        with pytest.MonkeyPatch.context() as patched:
            # the outputs are in the session, which the job would close
            patched.setattr(client, "closeSession", lambda: None)
            code = run_job(client, f"function:{FILE}#{function}")
        outputs = {key: unwrap(client.getOutput(key)) for key in client.getOutputKeys()}
    finally:
        client.closeSession()
    assert code == 0, outputs
    return outputs


class Data:
    """An image with a table and an ROI, and a user's session."""

    def __init__(self, gateway: Any) -> None:
        from omero.grid import LongColumn
        from omero.model import DatasetI, ImageI, RectangleI, RoiI
        from omero.rtypes import rdouble, rstring

        self.gateway = gateway
        update = gateway.getUpdateService()
        dataset = DatasetI()
        dataset.setName(rstring("pictures"))
        dataset = update.saveAndReturnObject(dataset)
        picture = np.zeros((8, 8), np.uint8)
        picture.flat[:AREA] = 9
        image = gateway.createImageFromNumpySeq(iter([picture]), "picture", 1, 1, 1, dataset=dataset)
        self.dataset, self.image = int(dataset.id.val), int(image.getId())
        roi, shape = RoiI(), RectangleI()
        shape.x, shape.y, shape.width, shape.height = rdouble(1), rdouble(1), rdouble(WIDTH), rdouble(2)
        roi.addShape(shape)
        roi.setImage(ImageI(self.image, False))
        self.roi = int(update.saveAndReturnObject(roi).id.val)
        table = gateway.c.sf.sharedResources().newTable(1, "rows")
        try:
            table.initialize([LongColumn("Number", "", [])])
            table.addData([LongColumn("Number", "", list(range(ROWS)))])
            self.table = int(table.getOriginalFile().id.val)
        finally:
            table.close()

    def inputs(self, function: str, give: str) -> dict[str, Any]:
        known = {"image": ("IDs", [self.image]), "table": ("Table", self.table), "roi": ("Roi", self.roi)}
        kinds = list(known) if function == "from_all" else function.removeprefix("from_").split("_and_")
        return {"Give": give, **dict(known[kind] for kind in kinds)}

    def read_table(self, table_id: int) -> list[float]:
        from omero.model import OriginalFileI

        table = self.gateway.c.sf.sharedResources().openTable(OriginalFileI(table_id, False))
        try:
            return list(table.read([0], 0, table.getNumberOfRows()).columns[0].values)
        finally:
            table.close()


@pytest.fixture(scope="module")
def _gateway(omero_server: LocalServer) -> Iterator[Any]:
    from tests._omero import gateway

    with gateway("root", omero_server.password, omero_server.host, omero_server.port) as connected:
        yield connected


@pytest.fixture(scope="module")
def data(_gateway: Any) -> Data:
    return Data(_gateway)


@pytest.mark.parametrize(("function", "give"), CASES)
def test_each_kind_of_input_with_each_kind_of_output(
    omero_server: LocalServer, data: Data, function: str, give: str
) -> None:
    outputs = run(omero_server, function, data.inputs(function, give))
    wanted, has_image = INPUTS[function], "image" in function or function == "from_all"
    if "image" in give:
        new = data.gateway.getObject("Image", outputs["Image_ID"])
        assert np.all(new.getPrimaryPixels().getPlane(0, 0, 0) == wanted)
        assert (new.getParent().getId() == data.dataset) if has_image else new.getParent() is None
    place = data.image if has_image else outputs.get("Image_ID")
    for kind, key in (("table", "Table_IDs"), ("roi", "ROI_IDs")):
        if kind not in give:
            assert key not in outputs
        elif place is None:
            assert f"{key}" not in outputs
            assert "was not kept: there is no image to attach it to" in outputs["Message"]
    if "table" in give and place is not None:
        (table,) = outputs["Table_IDs"]
        assert sum(data.read_table(table)) == wanted
        files = [
            one.getFile().getId() for one in data.gateway.getObject("Image", place).listAnnotations() if is_file(one)
        ]
        assert table in files
    if "roi" in give and place is not None:
        (roi,) = outputs["ROI_IDs"]
        found = data.gateway.getRoiService().findByRoi(roi, None).rois[0]
        assert (found.image.id.val, found.copyShapes()[0].width.val) == (place, wanted)


def is_file(annotation: Any) -> bool:
    return annotation.OMERO_TYPE.__name__ == "FileAnnotationI"


def test_a_function_is_launched_as_any_script(omero_server: LocalServer, omero_user: MakeUser) -> None:
    user: OmeroUser = omero_user()
    omerodir, namespace = omero_server.status().omerodir, "ij_omero_functions"
    installed = install_scripts(omerodir, folders=[FUNCTIONS], namespace=namespace)
    try:
        assert len(installed.scripts) == len(INPUTS)
        (script,) = [one for one in installed.scripts if one.path.endswith("/from_all.py")]
        with user.gateway() as gateway:
            own = Data(gateway)
            inputs = own.inputs("from_all", "table")
            login = {"host": user.host, "port": user.port, "user": user.name, "password": user.password}
            done = launch(script.path, inputs, **login)
            assert re.match(r"from_all: done: 1 table\.", done.message), done.text
            (table,) = done.outputs["Table_IDs"]
            assert own.read_table(table) == [AREA, ROWS, WIDTH]
    finally:
        remove_scripts(omerodir, namespace=namespace)
