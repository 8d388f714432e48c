from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ij_omero.errors import InvalidInputError
from ij_omero.imagej import ModuleDescription, ModuleParameter
from ij_omero.imagej._description import not_found

MODULE = ModuleDescription(
    "m",
    "Threshold",
    inputs=(
        ModuleParameter("image", "net.imagej.Dataset"),
        ModuleParameter("sigma", "double", "Radius", minimum=0.0, maximum=10.0, default=1.5),
        ModuleParameter("count", "java.lang.Integer", required=False),
        ModuleParameter("method", "java.lang.String", choices=("otsu", "li"), default="otsu"),
        ModuleParameter("dark", "boolean", required=False),
    ),
)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"image": 1, "sigma": 12}, ["'sigma'", "12", "a number from 0 to 10"]),
        ({"image": 1, "sigma": -1.0}, ["too small"]),
        ({"image": 1, "sigma": float("nan")}, ["'sigma'"]),
        ({"image": 1, "sigma": "x"}, ["no number"]),
        ({"image": 1, "sigma": True}, ["no number"]),
        ({"image": 1, "count": 1.5}, ["whole number"]),
        ({"image": 1, "count": 2**31}, ["32 bits"]),
        ({"image": 1, "method": "huang"}, ["'otsu', 'li'"]),
        ({"image": 1, "dark": "yes"}, ["True or False"]),
        ({"image": 1, "sgma": 1}, ["did you mean 'sigma'"]),
        ({"sigma": 1}, ["needs the input 'image'", "an image"]),
    ],
)
def test_a_bad_input_is_named_with_what_is_expected(inputs: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        MODULE.check(inputs)
    for words in says:
        assert words in str(caught.value)


def test_good_inputs_pass_numpy_numbers_included() -> None:
    MODULE.check({"image": object(), "sigma": np.float32(3), "count": np.int16(4), "method": "li", "dark": False})


def test_an_unknown_module_is_answered_with_the_nearest() -> None:
    assert "'Gaussian Blur...'" in str(not_found("Gausian Blur", ["Gaussian Blur...", "Invert"]))
