"""Small values of OMERO's model and what they are here: quantities, colours, units, optional fields."""

from __future__ import annotations

from typing import Any

from ij_omero.model import LENGTH_UNITS, TIME_UNITS, Quantity

from ._ice import omero

Color = tuple[int, int, int, int]


def value_of(wrapped: Any) -> Any:
    """Return the plain value of an rtype, None for none."""
    return None if wrapped is None else wrapped.val


def quantity_of(value: Any) -> Quantity | None:
    """Return an OMERO Length or Time as a quantity."""
    if value is None or value.getValue() is None:
        return None
    return Quantity(value.getValue(), str(value.getUnit()))


def length_for(quantity: Quantity | None) -> Any:
    """Return a quantity as an OMERO Length, None for none."""
    if quantity is None:
        return None
    if quantity.unit_name not in LENGTH_UNITS:
        quantity = Quantity(quantity.to("µm"), "µm")
    return omero.model.LengthI(quantity.value, getattr(omero.model.enums.UnitsLength, quantity.unit_name))


def time_for(quantity: Quantity | None) -> Any:
    """Return a quantity as an OMERO Time, None for none."""
    if quantity is None:
        return None
    if quantity.unit_name not in TIME_UNITS:
        quantity = Quantity(quantity.to("s"), "s")
    return omero.model.TimeI(quantity.value, getattr(omero.model.enums.UnitsTime, quantity.unit_name))


def color_of_int(packed: int | None) -> Color | None:
    """Return a shape's colour, which is a signed 32-bit RGBA integer (OME-XML schema 2016-06, Color)."""
    if packed is None:
        return None
    packed &= 0xFFFFFFFF
    return (packed >> 24, packed >> 16 & 0xFF, packed >> 8 & 0xFF, packed & 0xFF)


def int_of_color(color: Color | None) -> int | None:
    """Return a colour as OMERO packs it."""
    if color is None:
        return None
    packed = color[0] << 24 | color[1] << 16 | color[2] << 8 | color[3]
    return packed - (1 << 32) if packed >= 1 << 31 else packed


def optional(make: Any, value: Any) -> Any:
    """Return ``make(value)``, None for none."""
    return None if value is None else make(value)


def set_color(target: Any, color: Color) -> None:
    """Set the four parts of a channel's or a channel binding's colour."""
    target.red, target.green, target.blue, target.alpha = (omero.rtypes.rint(part) for part in color)
