"""Module parameters as OMERO shows them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.imagej import ModuleDescription, ModuleParameter
from ij_omero.scripting._description import WrappedModule, wrap
from ij_omero.scripting._modules import options_of_a_form
from ij_omero.scripting._parameters import ScriptParameter, script_parameters
from ij_omero.scripting._types import Kind, Role, omero_type
from ij_omero.scripting._values import module_value, rtype_of

DOCS = Path(__file__).parents[3] / "docs" / "scripts.md"
# What the docs call by their short names.
PACKAGES = {
    "java.lang": "Boolean Integer Long Float Double String",
    "java.io": "File",
    "java.math": "BigInteger BigDecimal",
    "java.util": "Date List Collection Set Map",
    "org.scijava.util": "ColorRGB TreeNode",
    "org.scijava.table": "GenericTable DoubleTable",
    "net.imagej": "Dataset ImgPlus",
    "net.imagej.display": "DatasetView ImageDisplay",
    "net.imagej.table": "TableDisplay",
    "net.imagej.roi": "ROITree",
    "net.imglib2.roi": "MaskPredicate",
    "ij": "ImagePlus",
    "ij.gui": "Overlay Roi",
    "ij.measure": "ResultsTable",
}
SAMPLES: dict[str, Any] = {
    "RBool": True,
    "RInt": 7,
    "RLong": 7,
    "RFloat": 0.5,
    "RDouble": 0.5,
    "RString": "text",
    "RList": [1, 2],
    "RMap": {"a": 1},
}


def documented() -> list[tuple[str, str, str]]:
    """Return (Java's type, the script's input, its output) for each type in the docs' table of types."""
    names = {short: f"{package}.{short}" for package, shorts in PACKAGES.items() for short in shorts.split()}
    table = (
        DOCS.read_text(encoding="utf-8").partition("## What stands for what")[2].partition("\n\nA parameter with")[0]
    )
    rows = []
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| Java"):
            java, given, told, _ = (cell.strip() for cell in line.strip("|").split("|"))
            shorts = re.findall(r"`(\w+)`", java) + ["int[]"] * ("arrays" in java)
            rows += [(names.get(short, short), given, told) for short in shorts]
    return rows


def test_the_docs_tell_of_every_type() -> None:
    told = {java for java, _, _ in documented()}
    assert told >= {"boolean", "int", "long", "float", "double", "byte", "short", "char", "int[]"}
    assert {java.rpartition(".")[2] for java in told} >= {one for names in PACKAGES.values() for one in names.split()}


@pytest.mark.parametrize(("java_type", "given", "told"), documented())
def test_types_are_as_the_docs_say(java_type: str, given: str, told: str) -> None:
    (taken,) = [one for one in shown(ModuleParameter("it", java_type)).values() if one.source == "it"]
    assert taken.kind.value == given
    module = WrappedModule("m", "M", outputs=(ModuleParameter("it", java_type),))
    (made,) = [one for one in script_parameters(module).outputs if one.source == "it"]
    assert f"R{made.kind.value}" == told
    assert type(rtype_of(SAMPLES[told], made.kind)).__name__ == f"{told}I"


@pytest.mark.parametrize(
    ("java_type", "role"),
    [
        ("net.imagej.Dataset", Role.IMAGE),
        ("net.imagej.display.ImageDisplay", Role.IMAGE),
        ("ij.ImagePlus", Role.IMAGE),
        ("net.imagej.ImgPlus", Role.IMAGE),
        ("org.scijava.table.GenericTable", Role.TABLE),
        ("ij.measure.ResultsTable", Role.TABLE),
        ("org.scijava.util.TreeNode", Role.ROIS),
        ("net.imagej.roi.ROITree", Role.ROIS),
        ("net.imglib2.roi.MaskPredicate", Role.ROI),
        ("net.imglib2.roi.geom.real.WritableMaskedBox", Role.ROI),
    ],
)
def test_what_is_passed_by_id(java_type: str, role: Role) -> None:
    assert (omero_type(java_type).kind, omero_type(java_type).role) == (Kind.LONG, role)


def test_elements_of_lists_are_known_where_java_says() -> None:
    assert omero_type("java.util.List<java.lang.Long>").element is Kind.LONG
    assert omero_type("double[]").element is Kind.DOUBLE
    assert omero_type("java.util.List").element is None
    assert omero_type("int[][]").element is None


def shown(*inputs: ModuleParameter) -> dict[str, ScriptParameter]:
    return {one.key: one for one in script_parameters(WrappedModule("m", "M", inputs=inputs)).inputs}


def number(**settings: object) -> ScriptParameter:
    (one,) = shown(ModuleParameter("sigma", "double", **settings)).values()  # type: ignore[arg-type]
    return one


def test_bounds_default_label_and_step_are_kept() -> None:
    one = number(label="Radius", description="Of the kernel", default=2.0, minimum=0, maximum=10.0, step=0.5)
    assert (one.key, one.source, one.kind) == ("Sigma", "sigma", Kind.DOUBLE)
    assert (one.default, one.minimum, one.maximum) == (2.0, 0.0, 10.0)
    assert one.description == "Radius. Of the kernel. Step: 0.5."


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 11.0, "x", None])
def test_a_default_that_omero_would_refuse_is_left_out(bad: object) -> None:
    assert number(default=bad, maximum=10.0).default is None


def test_bounds_that_exclude_everything_are_left_out() -> None:
    assert number(minimum=3, maximum=1).minimum is None
    assert number(minimum=math.nan).minimum is None


def test_choices_are_texts_and_come_back_as_they_were() -> None:
    item = ModuleParameter("bins", "java.lang.Integer", choices=(64, 256), default=256)
    one = shown(item)["Bins"]
    assert (one.kind, one.values, one.default) == (Kind.STRING, ("64", "256"), "256")
    assert module_value(one, item, "64") == 64
    with pytest.raises(InvalidInputError, match="Bins is '7'; expected one of 64, 256"):
        module_value(one, item, "7")


def test_a_choice_with_an_equals_sign_can_be_given_on_a_command_line() -> None:
    item = ModuleParameter("rule", "java.lang.String", choices=("a=1", "b"), default="a=1")
    one = shown(item)["Rule"]
    assert (one.values, one.default) == (("a:1", "b"), "a:1")
    assert module_value(one, item, "a:1") == "a=1"


def test_a_map_is_json() -> None:
    item = ModuleParameter("settings", "java.util.Map")
    one = shown(item)["Settings"]
    assert one.kind is Kind.STRING
    assert module_value(one, item, '{"a": 1}') == {"a": 1}
    with pytest.raises(InvalidInputError, match="Settings is no JSON"):
        module_value(one, item, "a=1")


def test_one_image_is_selected_or_named() -> None:
    keys = shown(ModuleParameter("dataset", "net.imagej.Dataset"), ModuleParameter("sigma", "double"))
    assert list(keys) == ["Data_Type", "IDs", "Image_ID", "Sigma"]
    assert keys["Data_Type"].default == "Image"
    assert (keys["IDs"].kind, keys["IDs"].element) == (Kind.LIST, Kind.LONG)
    assert keys["Image_ID"].optional  # since IDs may name it


def test_several_images_keep_their_names() -> None:
    keys = shown(ModuleParameter("left", "ij.ImagePlus"), ModuleParameter("right", "ij.ImagePlus"))
    assert list(keys) == ["Data_Type", "IDs", "Left", "Right"]


def test_names_do_not_meet() -> None:
    names = ["IDs", "message", "k=v", "k v", "kV", "Image ID", "größe", "日本"]
    keys = list(shown(*(ModuleParameter(name, "int") for name in names)))
    assert len({key.lower() for key in keys}) == len(names)
    assert "IDs" not in keys and "Message" not in keys
    assert keys[2:4] == ["K_v", "K_v_2"]
    assert keys[6] == "Grosse" and keys[7] == "Parameter"


def test_order_is_kept_whatever_their_number() -> None:
    items = [ModuleParameter(f"p{i}", "int") for i in range(12)]
    keys = shown(*items)
    assert sorted(keys, key=lambda key: keys[key].grouping) == [f"P{i}" for i in range(12)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sigma:2 stack", "sigma=2 stack"),
        ("size:50-Infinity show:[Count Masks] display", "size=50-Infinity show=[Count Masks] display"),
        ("sigma=2 title=[a:b]", "sigma=2 title=[a:b]"),
        ("stack", "stack"),
    ],
)
def test_options_can_be_written_without_equals_signs(written: str, read: str) -> None:
    assert options_of_a_form(written) == read


def test_particles_leave_a_table_and_rois_unless_told_otherwise() -> None:
    flags = tuple(ModuleParameter(name, "boolean", default=False) for name in ("display", "exclude", "add"))
    particles = ModuleDescription("imagej1:Analyze Particles...", "Analyze Particles...", (), "imagej1", flags, ())
    assert [one.default for one in wrap(particles).inputs] == [True, False, True]


def test_messages_are_left_out() -> None:
    assert shown(ModuleParameter("note", "java.lang.String", visibility="MESSAGE")) == {}


def test_outputs() -> None:
    outputs = (
        ModuleParameter("result", "net.imagej.Dataset"),
        ModuleParameter("found", "net.imagej.roi.ROITree"),
        ModuleParameter("count", "int"),
    )
    module = WrappedModule("m", "M", outputs=outputs)
    found = {one.key: (one.kind, one.role) for one in script_parameters(module).outputs}
    assert found == {
        "Image_ID": (Kind.LONG, Role.IMAGE),
        "Found": (Kind.LIST, Role.ROIS),
        "Count": (Kind.INT, Role.VALUE),
        "Message": (Kind.STRING, Role.VALUE),
    }
    assert "Dataset_ID" in {one.key for one in script_parameters(module).inputs}
