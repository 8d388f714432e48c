"""ImageJ modules as OMERO scripts, installed into a real OMERODIR and run with `omero script launch`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import NotFoundError, ScriptError
from ij_omero.scripting import (
    LaunchResult,
    check_scripts,
    install_scripts,
    launch,
    list_scripts,
    remove_scripts,
)
from ij_omero.scripting._command import run_omero
from ij_omero.scripting._selection import images_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.localserver import LocalServer

pytestmark = [pytest.mark.omero, pytest.mark.jvm]
NAMESPACE = "ij_omero_tests"
COMMANDS = ["Gaussian Blur...", "Analyze Particles...", "Z Project...", "Image Calculator...", "System Information"]
MACROS = Path(__file__).parents[3] / "omero_scripts"
BLUR = "Process/Filters/Gaussian_Blur"
PARTICLES = "Analyze/Analyze_Particles"


def content(folder: Path) -> dict[str, str | None]:
    """Return every path below a folder with a digest of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "var" not in path.parts
    }


@pytest.fixture(scope="module")
def omerodir(omero_server: LocalServer) -> Path:
    folder = omero_server.status().omerodir
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def scripts(omero_server: LocalServer, omerodir: Path) -> Iterator[dict[str, int]]:
    """The ids of wrappers by their path below the namespace, without ``.py``."""
    before = content(omerodir / "lib")
    installed = install_scripts(omerodir, COMMANDS, folders=[MACROS], namespace=NAMESPACE)
    assert len(installed.scripts) == len(COMMANDS) + len(list(MACROS.iterdir()))
    assert installed.problems == ()
    listed = list_scripts(host=omero_server.host, port=omero_server.port, user="root", password=omero_server.password)
    prefix = f"/{NAMESPACE}/"
    yield {path.removeprefix(prefix).removesuffix(".py"): number for path, number in listed.items() if prefix in path}
    assert check_scripts(omerodir, namespace=NAMESPACE) == []
    remove_scripts(omerodir, namespace=NAMESPACE)
    assert content(omerodir / "lib") == before


class Person:
    """A user of the server with a dataset of pictures."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.login = {"host": user.host, "port": user.port, "user": user.name, "password": user.password}

    def dataset(self, pictures: list[np.ndarray], z: int = 1) -> tuple[int, list[int]]:
        from omero.model import DatasetI
        from omero.rtypes import rstring

        with self.user.gateway() as gateway:
            dataset = DatasetI()
            dataset.setName(rstring("pictures"))
            dataset = gateway.getUpdateService().saveAndReturnObject(dataset)
            wrapped = gateway.getObject("Dataset", dataset.id.val)
            ids = []
            for number, picture in enumerate(pictures):
                planes = iter([picture] * z)
                image = gateway.createImageFromNumpySeq(planes, f"picture {number}", z, 1, 1, dataset=wrapped._obj)
                ids.append(int(image.getId()))
            return int(dataset.id.val), ids

    def launch(self, script: int, **inputs: Any) -> LaunchResult:
        return launch(script, inputs, **self.login, timeout=300)


@pytest.fixture
def person(omero_user: Any) -> Person:
    return Person(omero_user())


def squares() -> np.ndarray:
    """Two bright squares, of 100 and 150 pixels, on black."""
    picture = np.zeros((64, 64), np.uint8)
    picture[10:20, 10:20] = 255
    picture[40:50, 30:45] = 255
    return picture


def test_scripts_are_listed_and_tell_their_parameters(scripts: dict[str, int], person: Person) -> None:
    assert set(scripts) >= {BLUR, PARTICLES, "Image/Stacks/Z_Project", "Help/System_Information"}
    shown = run_omero(["script", "params", str(scripts[BLUR])], **person.login)
    assert shown.returncode == 0, shown.stderr
    assert "name:  [ImageJ] Gaussian Blur..." in shown.stdout
    inputs = shown.stdout.partition("inputs:")[2].partition("outputs:")[0]
    keys = [line.split(" - ")[0].strip() for line in inputs.splitlines() if line.startswith("  ") and " - " in line]
    assert keys[:4] == ["Data_Type", "IDs", "Image_ID", "Sigma"]
    assert "Values: Image, Dataset, Project, Well, Plate, Screen" in inputs


def test_a_normal_user_blurs_an_image(scripts: dict[str, int], person: Person) -> None:
    from scipy.ndimage import gaussian_filter

    dataset, (image_id,) = person.dataset([squares()])
    done = person.launch(scripts[BLUR], IDs=[image_id], Sigma=2)
    (new,) = done.image_ids
    assert f"new image {new}" in done.message
    assert done.outputs["New_Image"] == f"Image:{new}"
    with person.user.gateway() as gateway:
        image = gateway.getObject("Image", new)
        assert image.getParent().getId() == dataset
        assert image.getName() == "picture 0 - Gaussian Blur"
        pixels = image.getPrimaryPixels().getPlane(0, 0, 0).astype(float)
        marks = [one.getValue() for one in image.listAnnotations("ij_omero/run")]
    # ImageJ's kernel is accurate to 0.2 % of the range for 8-bit images, and rounds
    assert np.abs(pixels - gaussian_filter(squares().astype(float), 2)).max() < 2
    assert len(marks) == 1
    assert {("Module", "Gaussian Blur..."), ("sigma", "2.0")} <= {(key, value) for key, value in marks[0]}


def test_one_image_by_its_own_key(scripts: dict[str, int], person: Person) -> None:
    _, (image_id,) = person.dataset([squares()])
    assert len(person.launch(scripts[BLUR], Image_ID=image_id).image_ids) == 1


def test_particles_of_every_image_of_a_dataset_become_tables_and_rois(scripts: dict[str, int], person: Person) -> None:
    gray = squares() // 2 + np.arange(64, dtype=np.uint8)  # no mask: Analyze Particles refuses it
    dataset, image_ids = person.dataset([squares(), gray, squares()])
    done = person.launch(scripts[PARTICLES], Data_Type="Dataset", IDs=[dataset], Display=True, Add=True)
    assert done.message.startswith("Analyze Particles...: 2 of 3 done")
    assert "Failed: picture 1" in done.message and "threshold" in done.message
    with person.user.gateway() as gateway:
        for image_id in (image_ids[0], image_ids[2]):
            image = gateway.getObject("Image", image_id)
            assert image.getROICount() == 2
            (attached,) = [one for one in image.listAnnotations() if one.OMERO_TYPE.__name__ == "FileAnnotationI"]
            table = gateway.c.sf.sharedResources().openTable(attached._obj.file)
            try:
                names = [column.name for column in table.getHeaders()]
                area = table.read([names.index("Area")], 0, table.getNumberOfRows()).columns[0].values
            finally:
                table.close()
            assert sorted(area) == [100, 150]
        assert gateway.getObject("Image", image_ids[1]).getROICount() == 0


def test_a_macro_with_parameters_measures_and_leaves_the_image_as_it_was(
    scripts: dict[str, int], person: Person
) -> None:
    _, (image_id,) = person.dataset([squares()])
    done = person.launch(scripts["Threshold_and_Analyze_Particles"], IDs=[image_id], Smallest=120)
    assert (done.outputs["Particles"], done.image_ids) == (1, [])
    assert done.outputs["Table_File"].startswith("FileAnnotation:")
    with person.user.gateway() as gateway:
        assert gateway.getObject("Image", image_id).getROICount() == 1


def test_a_macro_that_changes_pixels_makes_a_new_image(scripts: dict[str, int], person: Person) -> None:
    _, (image_id,) = person.dataset([squares() // 2], z=2)
    (new,) = person.launch(scripts["Add_Constant"], IDs=[image_id], Constant=5).image_ids
    with person.user.gateway() as gateway:
        for z in range(2):
            pixels = gateway.getObject("Image", new).getPrimaryPixels().getPlane(z, 0, 0)
            assert np.array_equal(pixels, squares() // 2 + 5)
            stored = gateway.getObject("Image", image_id).getPrimaryPixels().getPlane(z, 0, 0)
            assert np.array_equal(stored, squares() // 2)


def test_a_stack_is_projected(scripts: dict[str, int], person: Person) -> None:
    _, (image_id,) = person.dataset([squares()], z=3)
    (new,) = person.launch(scripts["Image/Stacks/Z_Project"], IDs=[image_id], Projection="Max Intensity").image_ids
    with person.user.gateway() as gateway:
        image = gateway.getObject("Image", new)
        assert image.getSizeZ() == 1
        assert np.array_equal(image.getPrimaryPixels().getPlane(0, 0, 0), squares())


def test_options_on_a_command_line_take_the_place_of_the_settings(scripts: dict[str, int], person: Person) -> None:
    _, (image_id,) = person.dataset([squares()], z=2)
    done = person.launch(scripts["Image/Stacks/Z_Project"], IDs=[image_id], Options="projection:[Sum Slices]")
    with person.user.gateway() as gateway:
        plane = gateway.getObject("Image", done.image_ids[0]).getPrimaryPixels().getPlane(0, 0, 0)
    assert np.array_equal(plane, 2.0 * squares())


def test_two_images_go_into_a_module_that_takes_two(scripts: dict[str, int], person: Person) -> None:
    _, ids = person.dataset([squares(), np.full((64, 64), 55, np.uint8)])
    done = person.launch(scripts["Process/Image_Calculator"], IDs=ids, Operation="Subtract", Create=True)
    with person.user.gateway() as gateway:
        pixels = gateway.getObject("Image", done.image_ids[0]).getPrimaryPixels().getPlane(0, 0, 0)
    assert np.array_equal(pixels, np.where(squares() > 0, 200, 0))


def test_containers_stand_for_the_images_in_them(person: Person) -> None:
    from omero import model
    from omero.rtypes import rint, rstring
    from omero.sys import ParametersI

    dataset, inside = person.dataset([squares(), squares()])
    _, in_wells = person.dataset([squares(), squares(), squares()])
    empty, _ = person.dataset([])
    with person.user.gateway() as gateway:
        update = gateway.getUpdateService()
        project, plate, screen = model.ProjectI(), model.PlateI(), model.ScreenI()
        project.name = plate.name = screen.name = rstring("container")
        project.linkDataset(model.DatasetI(dataset, False))
        for column, images in enumerate((in_wells[:2], in_wells[2:])):  # the first well has two fields
            well = model.WellI()
            well.row, well.column = rint(0), rint(column)
            for image_id in images:
                sample = model.WellSampleI()
                sample.image = model.ImageI(image_id, False)
                well.addWellSample(sample)
            plate.addWell(well)
        project, plate = update.saveAndReturnObject(project), update.saveAndReturnObject(plate)
        screen.linkPlate(model.PlateI(plate.id.val, False))
        screen = update.saveAndReturnObject(screen)
        query, of_plate = "select w.id from Well w where w.plate.id = :id order by w.column", ParametersI()
        rows = gateway.getQueryService().projection(query, of_plate.addId(plate.id.val))
        wells = [row[0].val for row in rows]
        assert images_of(gateway.c, "Dataset", [dataset, empty]) == inside
        assert images_of(gateway.c, "Project", [project.id.val]) == inside
        assert images_of(gateway.c, "Plate", [plate.id.val]) == in_wells
        assert images_of(gateway.c, "Well", wells[::-1]) == [in_wells[2], *in_wells[:2]]
        assert images_of(gateway.c, "Screen", [screen.id.val]) == in_wells
        with pytest.raises(NotFoundError, match=f"Dataset {empty} holds no images"):
            images_of(gateway.c, "Dataset", [empty])
        with pytest.raises(NotFoundError, match=f"no Plate with id {2**40} is visible"):
            images_of(gateway.c, "Plate", [plate.id.val, 2**40])


def test_one_image_for_a_module_that_takes_two_is_not_enough(scripts: dict[str, int], person: Person) -> None:
    _, ids = person.dataset([squares()])
    said = person.launch(scripts["Process/Image_Calculator"], IDs=ids).message
    assert said == "Failed: Image Calculator... takes 2 images for each run (image1, image2), and IDs name 1"


def test_a_module_without_images_tells_its_values(scripts: dict[str, int], person: Person) -> None:
    done = person.launch(scripts["Help/System_Information"])
    assert "ImageJ: 1." in done.message and "Java: " in done.message


def test_an_unknown_image_is_named_and_nothing_is_made(scripts: dict[str, int], person: Person) -> None:
    done = person.launch(scripts[BLUR], IDs=[2**40])
    assert done.message == f"Failed: no Image with id {2**40} is visible to this user; " + (
        "check the IDs, and that Data_Type (Image) is what they are of"
    )
    assert done.image_ids == []


def test_somebody_elses_private_image_cannot_be_used(scripts: dict[str, int], person: Person, omero_user: Any) -> None:
    _, (image_id,) = Person(omero_user()).dataset([squares()])
    assert f"no Image with id {image_id} is visible" in person.launch(scripts[BLUR], IDs=[image_id]).message


def test_an_image_of_another_group_stays_in_its_group(
    scripts: dict[str, int], person: Person, omero_server: LocalServer, omero_group: Any
) -> None:
    from omero.gateway import BlitzGateway
    from omero.model import ExperimenterGroupI, ExperimenterI

    other = omero_group()
    root = BlitzGateway("root", omero_server.password, host=omero_server.host, port=omero_server.port, secure=True)
    assert root.connect()
    try:
        person_id, group = ExperimenterI(person.user.id, False), ExperimenterGroupI(other.id, False)
        root.getAdminService().addGroups(person_id, [group])
    finally:
        root.close()
    with person.user.gateway() as gateway:
        gateway.setGroupForSession(other.id)
        image_id = int(gateway.createImageFromNumpySeq(iter([squares()]), "elsewhere", 1, 1, 1).getId())
    done = person.launch(scripts["Add_Constant"], IDs=[image_id], Constant=-5)
    with person.user.gateway() as gateway:
        gateway.SERVICE_OPTS.setOmeroGroup("-1")
        new = gateway.getObject("Image", done.image_ids[0])
        assert new.getDetails().getGroup().getId() == other.id
        assert len(list(new.listAnnotations("ij_omero/run"))) == 1


def test_a_wrong_value_is_refused_before_anything_runs(scripts: dict[str, int], person: Person) -> None:
    _, (image_id,) = person.dataset([squares()])
    with pytest.raises(ScriptError, match=r"failed: Invalid parameters: VALUE LIST for .Show.: Nonsense not in"):
        person.launch(scripts[PARTICLES], IDs=[image_id], Show="Nonsense")


def test_an_unknown_script_is_named_with_the_nearest(scripts: dict[str, int], person: Person) -> None:
    with pytest.raises(ScriptError, match=r"no script /ij_omero_tests/Process/Filters/Gaussian\.py; did you mean"):
        launch(f"/{NAMESPACE}/Process/Filters/Gaussian.py", {}, **person.login)


def test_a_wrong_password_is_said(scripts: dict[str, int], person: Person) -> None:
    with pytest.raises(ScriptError, match="Password check failed"):
        launch(scripts[BLUR], {}, **{**person.login, "password": "wrong"})


def test_a_server_whose_python_is_another_runs_the_module_in_the_right_one(
    omero_server: LocalServer, omerodir: Path, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"{NAMESPACE}_other"
    monkeypatch.setattr("sys.prefix", "/an/environment/of/its/own")
    installed = install_scripts(omerodir, ["System Information"], namespace=other)
    monkeypatch.undo()
    try:
        done = launch(installed.scripts[0].path, {}, **person.login)
        assert "ImageJ: 1." in done.message
    finally:
        remove_scripts(omerodir, namespace=other)
