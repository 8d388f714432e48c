from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from ij_omero import imagej
from ij_omero.errors import ImageJError, InvalidInputError, ModuleNotFoundInImageJError
from ij_omero.model import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.jvm


def scale_pixels(
    image: np.ndarray[Any, Any], factor: float = 2.0, mode: Literal["up", "down"] = "up", count: int | None = None
) -> np.ndarray[Any, Any]:
    """Multiply or divide all pixels."""
    return (image * factor if mode == "up" else image / factor).astype(np.float32)


def tabulate(rows: int) -> dict[str, Any]:
    return {"table": Table.from_dict("T", {"row": list(range(rows))}), "note": f"{rows} rows"}


def fail(text: str) -> str:
    raise KeyError(text)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    imagej.register_module(
        scale_pixels, title="Scale Pixels", menu=("Plugins", "OMERO"), limits={"factor": (0.0, 10.0)}
    )
    imagej.register_module(tabulate, outputs={"table": Table, "note": str})
    imagej.register_module(fail)
    yield
    for function in (scale_pixels, tabulate, fail):
        imagej.unregister_module(function)


def test_a_function_is_listed_with_its_signature() -> None:
    (listed,) = [module for module in imagej.modules() if module.title == "Scale Pixels"]
    assert listed.kind == "python"
    assert listed.menu_path == "Plugins>OMERO>Scale Pixels"
    assert listed.description == "Multiply or divide all pixels."
    assert [(p.name, p.required) for p in listed.inputs] == [
        ("image", True),
        ("factor", False),
        ("mode", False),
        ("count", False),
    ]
    assert (listed.input("factor").minimum, listed.input("factor").maximum) == (0.0, 10.0)
    assert listed.input("mode").choices == ("up", "down")


def test_a_function_runs_as_a_module() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    result = imagej.run_module("Scale Pixels", {"factor": 3}, images=picture)
    assert result.image is not None
    np.testing.assert_array_equal(result.image.pixels[0, 0, 0], picture * 3.0)
    rows = imagej.run_module("tabulate", {"rows": 3})
    assert rows.outputs["note"] == "3 rows"
    assert rows.table is not None
    assert rows.table["row"].tolist() == [0, 1, 2]


def test_a_run_does_not_remember_the_inputs_of_the_one_before() -> None:
    picture = np.ones((3, 4), np.uint8)
    imagej.run_module("Scale Pixels", {"factor": 7.0}, images=picture)
    result = imagej.run_module("Scale Pixels", images=picture)
    assert result.image is not None
    assert result.image.pixels.max() == 2.0


def test_java_calls_the_function_through_its_module_service() -> None:
    import jpype

    service = imagej.start().service("org.scijava.module.ModuleService")
    (info,) = [info for info in service.getModules() if str(info.getTitle()) == "tabulate"]
    inputs = jpype.JClass("java.util.HashMap")()
    inputs.put("rows", jpype.JClass("java.lang.Long")(4))
    module = service.run(info, True, inputs).get()
    assert str(module.getOutput("note")) == "4 rows"


def test_bad_inputs_and_exceptions_are_told() -> None:
    with pytest.raises(InvalidInputError, match="from 0 to 10"):
        imagej.run_module("Scale Pixels", {"factor": 11.0}, images=np.ones((2, 2), np.uint8))
    with pytest.raises(InvalidInputError, match="needs the input 'image'"):
        imagej.run_module("Scale Pixels")
    with pytest.raises(InvalidInputError, match="more image"):
        imagej.run_module("tabulate", {"rows": 1}, images=np.ones((2, 2), np.uint8))
    with pytest.raises(ImageJError, match="KeyError: 'my words'"):
        imagej.run_module("fail", {"text": "my words"})


def test_a_function_that_no_module_can_be_is_refused() -> None:
    def untyped(x) -> None:  # type: ignore[no-untyped-def]
        pass

    def any_number(*x: int) -> None:
        pass

    with pytest.raises(InvalidInputError, match="has no type"):
        imagej.register_module(untyped)
    with pytest.raises(InvalidInputError, match="any number"):
        imagej.register_module(any_number)
    with pytest.raises(ModuleNotFoundInImageJError):
        imagej.find_module("untyped")
