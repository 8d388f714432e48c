"""What goes wrong in a job on a real server is said in one sentence, ends nothing else, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.errors import AccessDeniedError, InvalidInputError, NotFoundError
from ij_omero.model import Column, Table
from ij_omero.scripting import LaunchResult, install_scripts, launch, list_scripts, remove_scripts, script_modules
from ij_omero.scripting._description import WrappedModule
from ij_omero.scripting._modules import RunResult
from ij_omero.scripting._saving import Saver
from ij_omero.scripting._selection import Place, check_dataset, places_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ij_omero.localserver import LocalServer

pytestmark = [pytest.mark.omero, pytest.mark.jvm]
NAMESPACE = "ij_omero_wrong"
MACROS = {
    "Fail_on_dark": '#@ ImagePlus image\ngetStatistics(a, mean);\nif (mean < 9) exit("nothing on this image");',
    "Ask": '#@ ImagePlus image\nwaitForUser("Draw a line, then press OK");',
    "Ask_for_a_number": '#@ ImagePlus image\nDialog.create("How many?"); Dialog.addNumber("n", 3); Dialog.show();',
    "Die": '#@ ImagePlus image\nexec("sh", "-c", "kill -9 $PPID");\nwait(60000);',
    "Be_ended": '#@ ImagePlus image\nrun("Add...", "value=1");\nexec("sh", "-c", "kill -TERM $PPID");\nwait(60000);',
    "Nonsense": "#@ ImagePlus image\nthis is no macro",
}


@pytest.fixture(scope="module")
def scripts(omero_server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    folder: Path = tmp_path_factory.mktemp("macros")
    for name, text in MACROS.items():
        (folder / f"{name}.ijm").write_text(text)
    omerodir = omero_server.status().omerodir
    assert omerodir is not None
    install_scripts(omerodir, [*script_modules(folder), "Gaussian Blur..."], namespace=NAMESPACE)
    listed = list_scripts(host=omero_server.host, port=omero_server.port, user="root", password=omero_server.password)
    mine = {path.removeprefix(f"/{NAMESPACE}/"): number for path, number in listed.items() if NAMESPACE in path}
    yield {path.removesuffix(".py").rpartition("/")[2]: number for path, number in mine.items()}
    remove_scripts(omerodir, namespace=NAMESPACE)


def pictures(user: Any, *values: int, in_dataset: bool = False) -> list[int]:
    """Save one picture for each gray value."""
    from omero.model import DatasetI
    from omero.rtypes import rstring

    with user.gateway() as gateway:
        dataset = None
        if in_dataset:
            dataset = DatasetI()
            dataset.setName(rstring("pictures"))
            dataset = gateway.getUpdateService().saveAndReturnObject(dataset)
        planes = [np.full((32, 32), value, np.uint8) for value in values]
        return [
            int(gateway.createImageFromNumpySeq(iter([plane]), f"picture {number}", 1, 1, 1, dataset=dataset).getId())
            for number, plane in enumerate(planes)
        ]


def run(user: Any, script: int, **inputs: Any) -> LaunchResult:
    login = {"host": user.host, "port": user.port, "user": user.name, "password": user.password}
    return launch(script, inputs, **login, timeout=200)


def owned(user: Any) -> dict[str, set[int]]:
    """Return the ids of everything that a user has."""
    with user.gateway() as gateway:
        query = gateway.getQueryService()
        kinds = ("Image", "Pixels", "Roi", "ImageAnnotationLink", "MapAnnotation", "FileAnnotation")
        everything = "select o.id from {} o where o.details.owner.id = {}"
        rows = {kind: query.projection(everything.format(kind, user.id), None) for kind in kinds}
        return {kind: {row[0].val for row in found} for kind, found in rows.items()}


def test_a_module_that_fails_on_one_image_goes_on_with_the_others(scripts: dict[str, int], omero_user: Any) -> None:
    user = omero_user()
    ids = pictures(user, 50, 0, 60)
    done = run(user, scripts["Fail_on_dark"], IDs=ids)
    assert done.message.startswith("Fail on dark: 2 of 3 done")
    assert f"Failed: picture 1 ({ids[1]}): " in done.message and "nothing on this image" in done.message
    assert "nothing on this image" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["Ask", "Ask_for_a_number"])
def test_a_module_that_asks_a_person_is_told_from_one_that_failed(
    scripts: dict[str, int], omero_user: Any, name: str
) -> None:
    user = omero_user()
    ids = pictures(user, 50)
    before = owned(user)
    done = run(user, scripts[name], IDs=ids)
    assert "0 of 1 done" in done.message
    assert "wants to open a window or to ask with a dialog, and there is no screen" in done.message
    assert owned(user) == before


def test_a_macro_that_is_none_is_said_with_its_line(scripts: dict[str, int], omero_user: Any) -> None:
    user = omero_user()
    done = run(user, scripts["Nonsense"], IDs=pictures(user, 50))
    assert "Failed: picture 0" in done.message and "in line" in done.message


def test_a_killed_java_leaves_nothing_half_made(scripts: dict[str, int], omero_user: Any) -> None:
    user = omero_user()
    ids = pictures(user, 50)
    before = owned(user)
    done = run(user, scripts["Die"], IDs=ids)
    assert done.message.startswith("Failed: the process ended before the job did: it was killed")
    assert not done.image_ids
    assert owned(user) == before


def test_a_job_that_the_server_ends_says_so_and_leaves_nothing(scripts: dict[str, int], omero_user: Any) -> None:
    user = omero_user()
    ids = pictures(user, 50)
    before = owned(user)
    done = run(user, scripts["Be_ended"], IDs=ids)
    assert done.message.startswith("Failed: the job was ended from outside")
    assert owned(user) == before


def test_somebody_elses_image_that_may_only_be_read(scripts: dict[str, int], omero_user: Any, omero_group: Any) -> None:
    group = omero_group("rwr---")
    owner, reader = omero_user(group), omero_user(group)
    ids = pictures(owner, 50, in_dataset=True)
    before = owned(owner)
    done = run(reader, scripts["Gaussian_Blur"], IDs=ids)
    (new,) = done.image_ids
    assert new in owned(reader)["Image"]
    assert "in no dataset" in done.message  # theirs may not be filled by others
    assert owned(owner) == before


def test_a_dataset_that_cannot_take_the_results_is_refused_before_anything_runs(
    omero_user: Any, omero_group: Any
) -> None:
    group = omero_group("rwr---")
    owner, reader = omero_user(group), omero_user(group)
    (theirs,) = pictures(owner, 50, in_dataset=True)
    with owner.gateway() as gateway:
        dataset = next(iter(gateway.getObject("Image", theirs).listParents())).getId()
        check_dataset(gateway.c, dataset, places_of(gateway.c, [theirs]).values())
    with reader.gateway() as gateway:
        with pytest.raises(AccessDeniedError, match="is somebody else's, and this user may not put images into it"):
            check_dataset(gateway.c, dataset, [])
        with pytest.raises(NotFoundError, match=f"no Dataset with id {2**40} is visible to this user"):
            check_dataset(gateway.c, 2**40, [])
    elsewhere = omero_user()
    with elsewhere.gateway() as gateway, pytest.raises(NotFoundError):
        check_dataset(gateway.c, dataset, [])
    with owner.gateway() as gateway, pytest.raises(InvalidInputError, match=rf"lies in the group {group.name}, and"):
        check_dataset(gateway.c, dataset, [Place(1, "a picture", group.id + 1)])


def test_a_run_that_fails_half_way_takes_back_what_it_attached(omero_user: Any) -> None:
    user = omero_user()
    (image_id,) = pictures(user, 50)
    before = owned(user)
    module = WrappedModule("test:half", "Half")
    table = Table("measured", (Column.of("Area", [1.0, 2.0]),))
    with user.gateway() as gateway, Saver(gateway.c, module, lambda: [("Module", "Half")]) as saver:
        place = places_of(gateway.c, [image_id])[image_id]
        with pytest.raises(Exception, match=r"object"):
            saver.save(RunResult(tables={"table": table}, rois={"rois": [object()]}), [place])  # type: ignore[list-item]
    assert owned(user) == before
