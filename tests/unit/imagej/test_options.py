from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ij_omero.errors import InvalidInputError
from ij_omero.imagej._options import option_key, option_names, options_text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sigma": 2}, "sigma=2"),
        ({"sigma": 2.5, "stack": True, "scaled": False}, "sigma=2.5 stack"),
        ({"title": "my image"}, "title=[my image]"),
        ({"title": ""}, "title=[]"),
        ({"size": (10, float("inf"))}, "size=10-Infinity"),
        ({"circularity": (0.25, 1.0)}, "circularity=0.25-1"),
        ({"Sigma": np.float32(2)}, "sigma=2"),
        ({"method": "a[b]c"}, "method=[a[b]c]"),
        ({"left_out": None}, ""),
    ],
)
def test_options_are_written_as_macros_write_them(options: dict[str, object], text: str) -> None:
    assert options_text(options) == text


@pytest.mark.parametrize("options", [{"a b": 1}, {"title": "x]"}, {"title": "]["}, {"size": (1, 2, 3)}])
def test_what_cannot_be_written_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        options_text(options)


@pytest.mark.parametrize(
    ("label", "key"), [("Sigma (Radius):", "sigma"), ("Size (pixel^2):", "size"), ("32-bit (float) result", "32-bit")]
)
def test_a_dialog_label_gives_the_key_that_fills_it(label: str, key: str) -> None:
    assert option_key(label) == key


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        st.one_of(
            st.booleans(),
            st.integers(),
            st.text("ab c=[]'", max_size=6).filter(lambda s: s.count("[") == 0 == s.count("]")),
        ),
        max_size=4,
    )
)
def test_keys_and_flags_are_found_again_in_the_text(options: dict[str, object]) -> None:
    keys, flags = option_names(options_text(options))
    assert keys == [name for name, value in options.items() if not isinstance(value, bool)]
    assert flags == [name for name, value in options.items() if value is True]
