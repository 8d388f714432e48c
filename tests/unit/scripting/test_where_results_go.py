"""Where a module says that its results go, as modules for imagej-omero do, and where they go without."""

from __future__ import annotations

import json

import pytest

from ij_omero.imagej import ModuleDescription, ModuleParameter
from ij_omero.scripting._described import described_module, plain_module
from ij_omero.scripting._description import wrap
from ij_omero.scripting._modules import _declared
from ij_omero.scripting._saving import Saver
from ij_omero.scripting._selection import Place


def output(name: str, java_type: str, **properties: str) -> ModuleParameter:
    return ModuleParameter(name, java_type, properties=tuple(properties.items()))


MODULE = ModuleDescription(
    "test:one",
    "One",
    inputs=(ModuleParameter("nuclei", "net.imagej.Dataset"),),
    outputs=(
        output("mask", "net.imagej.Dataset", attachToOMERODatasetIDs="12,  13"),
        output("table", "ij.measure.ResultsTable", attachToImages="nuclei, mask"),
    ),
)


def test_a_module_names_images_and_datasets() -> None:
    wrapped = wrap(MODULE)
    assert wrapped.attachments == {"table": ("nuclei", "mask")}
    assert wrapped.datasets == {"mask": (12, 13)}


def test_a_wrapper_carries_both() -> None:
    wrapped = wrap(MODULE)
    told = described_module(wrapped.identifier, json.loads(json.dumps(plain_module(wrapped))))
    assert (told.attachments, told.datasets) == (wrapped.attachments, wrapped.datasets)


def test_a_dataset_that_is_no_number_is_told_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    module = ModuleDescription(
        "test:two", "Two", outputs=(output("mask", "net.imagej.Dataset", attachToOMERODatasetIDs="12, mine"),)
    )
    assert wrap(module).datasets == {"mask": (12,)}
    assert "mask names the dataset mine, which is no id" in caplog.text


@pytest.mark.parametrize(
    ("given", "named", "expected"),
    [(7, True, [7]), (None, True, [12, 13]), (None, False, [4, 5, 6])],
    ids=["the user's", "the module's", "those of all input images"],
)
def test_datasets_of_new_images(given: int | None, named: bool, expected: list[int]) -> None:
    saver = Saver.__new__(Saver)
    saver._dataset_id = given
    saver._module = wrap(MODULE)
    sources = [Place(1, "a", 3, (4, 5)), Place(2, "b", 3, (5, 6)), Place(3, "elsewhere", 8, (9,))]
    assert saver._datasets_for("mask" if named else "other", sources) == expected


def test_results_get_the_names_that_are_declared() -> None:
    assert _declared({"image": 1, "image2": 2}, ["mask"]) == {"mask": 1, "image2": 2}
    assert _declared({"image": 1, "mask": 2}, ["mask", "edges"]) == {"edges": 1, "mask": 2}
    assert _declared({}, ["mask"]) == {}
