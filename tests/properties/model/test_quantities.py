"""Units convert there and back, and never between what cannot be compared."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ij_omero.errors import InvalidInputError
from ij_omero.model import LENGTH_UNITS, TIME_UNITS, Quantity

VALUES = st.floats(1e-9, 1e9)
LENGTHS = st.sampled_from([symbol for symbol, metres in LENGTH_UNITS.values() if metres])
TIMES = st.sampled_from([symbol for symbol, _ in TIME_UNITS.values()])


@given(VALUES, st.tuples(LENGTHS, LENGTHS) | st.tuples(TIMES, TIMES))
def test_there_and_back(value: float, units: tuple[str, str]) -> None:
    there = Quantity(Quantity(value, units[0]).to(units[1]), units[1])
    assert math.isclose(there.to(units[0]), value, rel_tol=1e-12)


@given(VALUES, LENGTHS, TIMES)
def test_lengths_are_no_times(value: float, length: str, time: str) -> None:
    with pytest.raises(InvalidInputError):
        Quantity(value, length).to(time)
    with pytest.raises(InvalidInputError):
        Quantity(value, length).to("pixel")


@given(VALUES, st.sampled_from([*LENGTH_UNITS, *TIME_UNITS]))
def test_a_unit_is_known_by_its_name_and_its_symbol(value: float, name: str) -> None:
    quantity = Quantity(value, name)
    assert quantity.unit_name == name
    assert Quantity(value, quantity.unit) == quantity


@given(st.text(max_size=6))
def test_other_units_are_refused(unit: str) -> None:
    try:
        quantity = Quantity(1, unit)
    except InvalidInputError as error:
        assert "unit" in str(error)
    else:
        assert Quantity(1, quantity.unit) == quantity
