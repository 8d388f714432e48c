"""A process that keeps ImageJ between jobs on a real server, and jobs that do without it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ij_omero.scripting import (
    LaunchResult,
    install_scripts,
    launch,
    list_scripts,
    remove_scripts,
    script_modules,
    server_environment,
    stop_workers,
    workers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ij_omero.localserver import LocalServer

pytestmark = [pytest.mark.omero, pytest.mark.jvm]
NAMESPACE = "ij_omero_warm"
MACROS = {
    "Fail": '#@ ImagePlus image\nexit("nothing to be seen");',
    "Die": '#@ ImagePlus image\nexec("sh", "-c", "kill -9 $PPID");\nwait(60000);',
    "Wait_for_a_file": "#@ ImagePlus image\n#@ String file\n#@output Integer n\n"
    "while (!File.exists(file)) wait(50);\nn = 5;",
}


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something to be true and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="ijw"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IJ_OMERO_WARM_FOLDER", str(path))
        yield path
        stop_workers()
        until(lambda: not workers())
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def scripts(
    omero_server: LocalServer, tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> Iterator[dict[str, int]]:
    macros = tmp_path_factory.mktemp("macros")
    for name, text in MACROS.items():
        (macros / f"{name}.ijm").write_text(text)
    omerodir = omero_server.status().omerodir
    assert omerodir is not None
    environment = {**server_environment(), "IJ_OMERO_WARM": "300", "IJ_OMERO_WARM_FOLDER": str(folder)}
    modules = ["Gaussian Blur...", *script_modules(macros)]
    install_scripts(omerodir, modules, namespace=NAMESPACE, environment=environment)
    listed = list_scripts(host=omero_server.host, port=omero_server.port, user="root", password=omero_server.password)
    yield {Path(path).stem: number for path, number in listed.items() if path.startswith(f"/{NAMESPACE}/")}
    remove_scripts(omerodir, namespace=NAMESPACE)


@pytest.fixture
def picture(omero_user: Any) -> Callable[..., LaunchResult]:
    """A function that runs a script on a picture of a new user."""
    user = omero_user()
    with user.gateway() as gateway:
        plane = np.zeros((32, 32), np.uint8)
        plane[10:20, 10:20] = 200
        image = int(gateway.createImageFromNumpySeq(iter([plane]), "picture", 1, 1, 1).getId())
    login = {"host": user.host, "port": user.port, "user": user.name, "password": user.password}
    return lambda script, **inputs: launch(script, {"IDs": [image], **inputs}, **login, timeout=200)


@pytest.fixture
def worker(scripts: dict[str, int], folder: Path, picture: Callable[..., LaunchResult]) -> dict[str, Any]:
    """The worker that a first launch leaves."""
    if not workers():
        assert len(picture(scripts["Gaussian_Blur"]).image_ids) == 1
    found: dict[str, Any] = until(workers)[0]
    return found


def test_the_next_job_runs_in_the_worker(
    scripts: dict[str, int], worker: dict[str, Any], folder: Path, picture: Callable[..., LaunchResult]
) -> None:
    done = picture(scripts["Gaussian_Blur"], Sigma=3)
    assert len(done.image_ids) == 1 and "Gaussian Blur...: done" in done.message
    assert (done.stdout, done.stderr) == ("", "")  # a run that went well has said all in its message
    (now,) = workers()
    assert (now["pid"], now["jobs"], now["busy"]) == (worker["pid"], worker["jobs"] + 1, False)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.sock")} == {0o600}


def test_a_job_that_fails_in_the_worker_is_told_and_the_next_one_works(
    scripts: dict[str, int], worker: dict[str, Any], picture: Callable[..., LaunchResult]
) -> None:
    failed = picture(scripts["Fail"])
    assert "nothing to be seen" in failed.message and "nothing to be seen" in failed.stderr
    assert len(picture(scripts["Gaussian_Blur"]).image_ids) == 1
    (now,) = workers()
    assert (now["pid"], now["jobs"]) == (worker["pid"], worker["jobs"] + 2)


def test_a_job_that_finds_the_worker_busy_runs_by_itself(
    scripts: dict[str, int], worker: dict[str, Any], picture: Callable[..., LaunchResult], tmp_path: Path
) -> None:
    slow: list[LaunchResult] = []
    file = tmp_path / "go on"
    busy = threading.Thread(target=lambda: slow.append(picture(scripts["Wait_for_a_file"], File=file)))
    busy.start()
    until(lambda: workers()[0]["busy"])
    assert len(picture(scripts["Gaussian_Blur"]).image_ids) == 1
    file.touch()
    busy.join()
    assert slow[0].outputs["N"] == 5
    assert workers()[0]["jobs"] == worker["jobs"] + 1


def test_a_job_that_kills_the_worker_is_said_and_the_next_one_starts_anew(
    scripts: dict[str, int], worker: dict[str, Any], picture: Callable[..., LaunchResult]
) -> None:
    killed = picture(scripts["Die"])
    assert killed.message.startswith("Failed: the process ended before the job did")
    assert "ImageJ ran ended before the job did" in killed.stderr
    assert workers() == []
    assert len(picture(scripts["Gaussian_Blur"]).image_ids) == 1
    assert until(workers)[0]["pid"] != worker["pid"]


def test_a_worker_ends_when_it_is_told_to(scripts: dict[str, int], worker: dict[str, Any]) -> None:
    os.kill(worker["pid"], signal.SIGTERM)
    until(lambda: not workers())
