"""The body of a wrapper: which runs there are, what fails alone, what is said."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from ij_omero.errors import ImageJError, InvalidInputError, OperationTimeoutError
from ij_omero.imagej import ModuleParameter
from ij_omero.scripting import _job, _modules, _saving
from ij_omero.scripting._description import WrappedModule
from ij_omero.scripting._parameters import script_parameters
from ij_omero.scripting._saving import Saved
from ij_omero.scripting._selection import Place

ONE = WrappedModule("test:one", "One", inputs=(ModuleParameter("image", "ij.ImagePlus"),))
TWO = WrappedModule(
    "test:two", "Two", inputs=(ModuleParameter("left", "ij.ImagePlus"), ModuleParameter("right", "ij.ImagePlus"))
)


@pytest.fixture(autouse=True)
def _images_are_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_job, "images_of", lambda client, data_type, ids: list(ids))


def runs(module: WrappedModule, **given: Any) -> list[dict[str, int]]:
    return _job._runs(None, script_parameters(module), module, given)


def test_each_image_is_a_run() -> None:
    assert runs(ONE, IDs=[3, 4]) == [{"image": 3}, {"image": 4}]
    assert runs(ONE, Image_ID=3) == [{"image": 3}]


def test_images_of_a_module_that_takes_two() -> None:
    assert runs(TWO, IDs=[1, 2, 3, 4]) == [{"left": 1, "right": 2}, {"left": 3, "right": 4}]
    assert runs(TWO, Left=9, IDs=[1, 2]) == [{"left": 9, "right": 1}, {"left": 9, "right": 2}]
    assert runs(TWO, Left=9, Right=8) == [{"left": 9, "right": 8}]
    with pytest.raises(InvalidInputError, match=r"takes 2 images for each run \(left, right\), and IDs name 3"):
        runs(TWO, IDs=[1, 2, 3])


def test_no_image_and_too_many_are_said() -> None:
    with pytest.raises(InvalidInputError, match=r"no image is given: set IDs \(with Data_Type\) or Image_ID"):
        runs(ONE)
    with pytest.raises(InvalidInputError, match="images are named twice"):
        runs(ONE, IDs=[1], Image_ID=2)


def test_an_image_that_is_not_required_may_be_left_out() -> None:
    optional = WrappedModule("t", "T", inputs=(ModuleParameter("image", "ij.ImagePlus", required=False),))
    assert runs(optional) == [{}]


def test_a_command_that_wanted_an_image_after_all_is_said_to_have_none() -> None:
    optional = WrappedModule("t", "T", inputs=(ModuleParameter("image", "ij.ImagePlus", required=False),))
    said = _job._without_images(script_parameters(optional))
    assert said == "; no image was given: set IDs (with Data_Type) or Image_ID"
    assert _job._without_images(script_parameters(WrappedModule("t", "T"))) == ""


class Client:
    """As much of an ``omero.client`` as the job asks for."""

    def __init__(self, **inputs: Any) -> None:
        from omero.rtypes import wrap

        self.inputs = {key: wrap(value) for key, value in inputs.items()}
        self.outputs: dict[str, Any] = {}
        self.closed = False
        session = SimpleNamespace(
            getInputs=lambda _: self.inputs,
            setOutput=lambda _, key, value: self.setOutput(key, value),
            begin_setOutput=lambda _, key, value: self.setOutput(key, value),
            end_setOutput=lambda _: None,
        )
        self.sf = SimpleNamespace(
            getConfigService=lambda: SimpleNamespace(getConfigValue=lambda key: "100000"),
            getSessionService=lambda: session,
        )

    def getSessionId(self) -> str:
        return "a session"

    def setOutput(self, key: str, value: Any) -> None:
        self.outputs[key] = value

    def getProperty(self, key: str) -> str:
        return ""

    def enableKeepAlive(self, seconds: int) -> None:
        assert seconds > 0

    def closeSession(self) -> None:
        self.closed = True


class Saver:
    def __init__(self, *_: Any) -> None:
        pass

    def __enter__(self) -> Saver:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a job of module ONE whose runs are a function of the image's id."""

    def start(run: Any, **inputs: Any) -> tuple[int, str, Client]:
        client = Client(**inputs)
        monkeypatch.setattr(_modules, "find_wrapped_module", lambda identifier: ONE)
        monkeypatch.setattr(_job, "places_of", lambda _, ids: {one: Place(one, f"picture {one}", 1) for one in ids})
        monkeypatch.setattr(_saving, "Saver", Saver)
        monkeypatch.setattr(_job, "start_imagej_ahead", lambda identifier: None)
        monkeypatch.setattr(_job, "_run_one", lambda *arguments: run(arguments[4]["image"]))
        code = _job.run_here(client, "test:one")
        assert client.closed
        return code, client.outputs["Message"].val, client

    return start


def test_one_that_fails_does_not_end_the_others(job: Any) -> None:
    def run(image: int) -> Saved:
        if image == 2:
            raise ImageJError("no threshold was set")
        if image == 3:
            raise ZeroDivisionError("division by zero")
        return Saved(image_ids=[image + 100], image_names=["new"])

    code, message, client = job(run, IDs=[1, 2, 3, 4])
    assert code == 1
    assert message.splitlines() == [
        "One: 2 of 4 done: new images 101, 104.",
        "Failed: picture 2 (2): no threshold was set",
        "Failed: picture 3 (3): ZeroDivisionError: division by zero",
    ]
    assert [one.val for one in client.outputs["Image_IDs"].val] == [101, 104]


def test_the_servers_time_limit_is_kept(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 15))  # each look at the clock is 15 s later than the last
    monkeypatch.setattr(_job, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    code, message, _ = job(lambda image: Saved(image_ids=[image + 100], image_names=["new"]), IDs=[1, 2, 3, 4, 5, 6])
    assert code == 1
    assert "Not begun, since the server ends scripts after 100 seconds: picture" in message
    assert "picture 6 (6)" in message and "picture 1 (1)" not in message


def test_a_run_that_would_outlast_the_time_limit_is_stopped_and_says_so(job: Any) -> None:
    def run(image: int) -> Saved:
        raise OperationTimeoutError("One did not finish within 100 s")

    code, message, _ = job(run, IDs=[1])
    assert code == 124
    assert "Failed: picture 1 (1): it was stopped, since the server ends scripts after 100 seconds" in message


def test_an_input_that_the_module_no_longer_has(job: Any) -> None:
    code, message, _ = job(lambda image: Saved(), IDs=[1], Gone=2)
    assert (code, message) == (1, "Failed: One has no input Gone any more; generate the scripts again")


def test_a_job_that_is_ended_says_so(job: Any) -> None:
    def run(image: int) -> Saved:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        raise AssertionError("the signal did not arrive")

    code, message, _ = job(run, IDs=[1])
    assert code == 130
    assert message.startswith("Failed: the job was ended from outside, by its user or since it ran into the server's")
