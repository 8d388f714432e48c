"""The programs in scripts/ against a real OMERODIR, and the scripts that this project ships, as people run them."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.scripting import launch, list_scripts
from ij_omero.scripting._command import run_omero
from tests._omero import gateway as gateway_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.localserver import LocalServer
    from tests._omero import MakeUser, OmeroUser

pytestmark = [pytest.mark.omero, pytest.mark.jvm]
ROOT = Path(__file__).parents[3]
NAMESPACE = "ij_omero_tools"
MODULES = ["Gaussian Blur...", "System Information"]


def content(folder: Path) -> dict[str, tuple[int, str | None]]:
    """Return every path below a folder with its mode and a digest of its content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IJ_OMERO_VENV": str(Path(sys.executable).parents[1])}
    return subprocess.run([ROOT / "scripts" / tool, *arguments], capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def scripts(omero_server: LocalServer) -> Iterator[dict[str, int]]:
    """What the tools installed: ids by path below the namespace; the OMERODIR is as before afterwards."""
    lib = omero_server.status().omerodir / "lib"
    where, before = str(lib.parent), content(lib)
    given = [where, "--namespace", NAMESPACE, "--scripts", str(ROOT / "omero_scripts")]
    given += [part for module in MODULES for part in ("--module", module)]
    planned = run("install-imagej", *given, "--dry-run")
    assert (planned.returncode, content(lib)) == (0, before), planned.stderr
    done = run("install-imagej", *given)
    assert done.returncode == 0, done.stderr
    assert "scripts generated." in done.stdout
    after = content(lib)
    assert len(list((lib / "ImageJ.app").rglob("*.jsa"))) == 1  # with which Java starts faster
    again = run("install-imagej", *given)
    assert "ImageJ installation already exists; skipping." in again.stdout
    assert content(lib) == after
    root = {"user": "root", "password": omero_server.password}
    listed = list_scripts(host=omero_server.host, port=omero_server.port, **root)
    prefix = f"/{NAMESPACE}/"
    yield {path.removeprefix(prefix).removesuffix(".py"): number for path, number in listed.items() if prefix in path}
    removed = run("uninstall-imagej", where, "--namespace", NAMESPACE)
    assert removed.returncode == 0, removed.stderr
    assert content(lib) == before


@pytest.fixture
def user(omero_user: MakeUser) -> OmeroUser:
    return omero_user()


def login_of(user: OmeroUser) -> dict[str, Any]:
    return {"host": user.host, "port": user.port, "user": user.name, "password": user.password}


def make_images(gateway: Any, count: int, z: int = 1) -> tuple[int, list[int]]:
    """Make a dataset of images, each of its own brightness with a bright square."""
    from omero.model import DatasetI
    from omero.rtypes import rstring

    dataset = DatasetI()
    dataset.setName(rstring("pictures"))
    dataset = gateway.getUpdateService().saveAndReturnObject(dataset)
    ids = []
    for number in range(count):
        picture = np.full((32, 32), number, np.uint8)
        picture[8:16, 8:16] = 200
        planes = iter([picture] * z)
        ids.append(int(gateway.createImageFromNumpySeq(planes, f"cell {number}", z, 1, 1, dataset=dataset).getId()))
    return int(dataset.id.val), ids


def test_an_administrator_asks_what_runs_where(omero_server: LocalServer, scripts: dict[str, int]) -> None:
    root = {"host": omero_server.host, "port": omero_server.port, "user": "root", "password": omero_server.password}
    number = scripts["Help/System_Information"]
    shown = run_omero(["script", "params", str(number)], **root)
    assert "name:  [ImageJ] System Information" in shown.stdout, shown.stderr
    done = launch(number, {}, **root)
    assert "ImageJ: 1." in done.message and "(embedded)" in done.message


def test_a_dataset_of_twenty_images_is_blurred(scripts: dict[str, int], user: OmeroUser) -> None:
    with user.gateway() as gateway:
        dataset, ids = make_images(gateway, 20)
        inputs = {"Data_Type": "Dataset", "IDs": [dataset], "Sigma": 1.5}
        done = launch(scripts["Process/Filters/Gaussian_Blur"], inputs, **login_of(user))
        assert done.message.startswith("Gaussian Blur...: 20 of 20 done: new images"), done.text
        assert len(done.image_ids) == 20
        for number, (old, new) in enumerate(zip(ids, done.image_ids, strict=True)):
            image = gateway.getObject("Image", new)
            plane = image.getPrimaryPixels().getPlane(0, 0, 0)
            assert image.getName() == f"cell {number} - Gaussian Blur"
            assert image.getParent().getId() == dataset
            assert plane[31, 31] == number and number < plane[8, 8] < 200
            assert gateway.getObject("Image", old).getPrimaryPixels().getPlane(0, 0, 0)[8, 8] == 200


def test_an_administrator_runs_a_script_on_somebody_elses_image(
    omero_server: LocalServer, scripts: dict[str, int], user: OmeroUser
) -> None:
    with user.gateway() as gateway:
        _, (image_id,) = make_images(gateway, 1)
    root = {"host": omero_server.host, "port": omero_server.port, "user": "root", "password": omero_server.password}
    done = launch(scripts["Run_a_Command"], {"IDs": [image_id], "Command": "Invert", "Options": "slice"}, **root)
    (new,) = done.image_ids
    with gateway_of("root", omero_server.password, omero_server.host, omero_server.port) as gateway:
        gateway.SERVICE_OPTS.setOmeroGroup("-1")
        image = gateway.getObject("Image", new)
        assert image.getDetails().getGroup().getId() == user.group.id
        gateway.SERVICE_OPTS.setOmeroGroup(str(user.group.id))
        assert image.getPrimaryPixels().getPlane(0, 0, 0)[0, 0] == 255


def test_any_macro_and_any_command_are_run(scripts: dict[str, int], user: OmeroUser) -> None:
    with user.gateway() as gateway:
        _, (image_id,) = make_images(gateway, 1, z=2)
        done = launch(
            scripts["Run_a_Macro"], {"IDs": [image_id], "Macro_text": "run('Invert', 'stack');"}, **login_of(user)
        )
        (new,) = done.image_ids
        planes = gateway.getObject("Image", new).getPrimaryPixels().getPlanes([(0, 0, 0), (1, 0, 0)])
        assert [int(plane[0, 0]) for plane in planes] == [255, 255]
        inputs = {"IDs": [image_id], "Command": "Add...", "Options": "value:7 stack"}
        (new,) = launch(scripts["Run_a_Command"], inputs, **login_of(user)).image_ids
        assert gateway.getObject("Image", new).getPrimaryPixels().getPlane(1, 0, 0)[0, 0] == 7


def test_images_are_renamed(scripts: dict[str, int], user: OmeroUser) -> None:
    with user.gateway() as gateway:
        dataset, ids = make_images(gateway, 3)
        inputs = {"Data_Type": "Dataset", "IDs": [dataset], "New_Name": "{dataset} {name} ({number})", "Find": "cell"}
        done = launch(scripts["Rename_Images"], {**inputs, "Replace_With": "nucleus"}, **login_of(user))
        assert done.message == "3 of 3 images renamed."
        names = sorted(gateway.getObject("Image", one).getName() for one in ids)
        assert names == [f"pictures nucleus {number} ({number + 1})" for number in range(3)]
        wrong = launch(scripts["Rename_Images"], {"IDs": ids, "New_Name": "{nonsense}"}, **login_of(user))
        assert wrong.message.startswith("Failed: New_Name may hold {name}")
        assert sorted(gateway.getObject("Image", one).getName() for one in ids) == names


def test_rois_and_tables_are_exported(scripts: dict[str, int], user: OmeroUser) -> None:
    with user.gateway() as gateway:
        dataset, (image_id, _) = make_images(gateway, 2)
        found = launch(scripts["Threshold_and_Analyze_Particles"], {"IDs": [image_id]}, **login_of(user))
        assert found.outputs["Particles"] == 1, found.text
        done = launch(scripts["Export_ROIs_and_Tables"], {"Data_Type": "Dataset", "IDs": [dataset]}, **login_of(user))
        assert done.message == "1 shapes and 1 tables of 2 images exported.", done.text
        (attached,) = gateway.getObject("Dataset", dataset).listAnnotations("ij_omero/export")
        with zipfile.ZipFile(io.BytesIO(b"".join(attached.getFileInChunks()))) as archive:
            names = sorted(archive.namelist())
            head, row = archive.read("rois.csv").decode().splitlines()
            table = archive.read(names[1]).decode().splitlines()
    values = dict(zip(head.split(","), row.split(","), strict=False))
    assert (values["image_id"], values["image"]) == (str(image_id), "cell 0")
    assert names[1].startswith(f"tables/{image_id}_")
    assert float(dict(zip(table[0].split(","), table[1].split(","), strict=True))["Area"]) == 64


def test_the_server_follows_a_folder_of_macros(omero_server: LocalServer, user: OmeroUser, tmp_path: Path) -> None:
    omerodir, namespace = omero_server.status().omerodir, "ij_omero_lab"
    before = content(omerodir / "lib")

    def listed() -> set[str]:
        return {path for path in list_scripts(**login_of(user)) if namespace in path}

    def update() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ij_omero", "scripts", "update", str(omerodir), "--namespace", namespace]
        return subprocess.run(command, capture_output=True, text=True)

    first, second = tmp_path / "First.ijm", tmp_path / "Lab" / "Second.ijm"
    first.write_text(
        "#@ Dataset image\n#@ Double (value=3) amount\nrun('Add...', 'value=' + amount);".replace("'", '"')
    )
    done = run("gen-scripts", str(omerodir), "--namespace", namespace, "--scripts", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert listed() == {f"/{namespace}/First.py"}
    second.parent.mkdir()
    second.write_text('#@output String said\nsaid = "hello";')
    done = update()
    assert done.returncode == 0, done.stderr
    assert listed() == {f"/{namespace}/First.py", f"/{namespace}/Lab/Second.py"}
    assert launch(f"/{namespace}/Lab/Second.py", {}, **login_of(user)).outputs["Said"] == "hello"
    first.unlink()
    assert "First.py removed" in update().stdout
    assert listed() == {f"/{namespace}/Lab/Second.py"}
    removed = [sys.executable, "-m", "ij_omero", "scripts", "remove", str(omerodir), "--namespace", namespace]
    assert subprocess.run(removed, capture_output=True).returncode == 0
    assert listed() == set()
    assert content(omerodir / "lib") == before
