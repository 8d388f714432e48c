"""Lengths and times with the units of the OME model (OME-XML schema 2016-06, UnitsLength and UnitsTime)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ij_omero.errors import InvalidInputError

# enum name on an OMERO.server -> (symbol, metres)
LENGTH_UNITS: dict[str, tuple[str, float | None]] = {
    "YOTTAMETER": ("Ym", 1e24),
    "ZETTAMETER": ("Zm", 1e21),
    "EXAMETER": ("Em", 1e18),
    "PETAMETER": ("Pm", 1e15),
    "TERAMETER": ("Tm", 1e12),
    "GIGAMETER": ("Gm", 1e9),
    "MEGAMETER": ("Mm", 1e6),
    "KILOMETER": ("km", 1e3),
    "HECTOMETER": ("hm", 1e2),
    "DECAMETER": ("dam", 1e1),
    "METER": ("m", 1.0),
    "DECIMETER": ("dm", 1e-1),
    "CENTIMETER": ("cm", 1e-2),
    "MILLIMETER": ("mm", 1e-3),
    "MICROMETER": ("µm", 1e-6),
    "NANOMETER": ("nm", 1e-9),
    "PICOMETER": ("pm", 1e-12),
    "FEMTOMETER": ("fm", 1e-15),
    "ATTOMETER": ("am", 1e-18),
    "ZEPTOMETER": ("zm", 1e-21),
    "YOCTOMETER": ("ym", 1e-24),
    "ANGSTROM": ("Å", 1e-10),
    "ASTRONOMICALUNIT": ("ua", 149_597_870_700.0),
    "LIGHTYEAR": ("ly", 9_460_730_472_580_800.0),
    "PARSEC": ("pc", 149_597_870_700.0 * 648_000 / math.pi),
    "THOU": ("thou", 2.54e-5),
    "LINE": ("li", 2.54e-2 / 12),
    "INCH": ("in", 2.54e-2),
    "FOOT": ("ft", 0.3048),
    "YARD": ("yd", 0.9144),
    "MILE": ("mi", 1609.344),
    "POINT": ("pt", 2.54e-2 / 72),
    "PIXEL": ("pixel", None),
    "REFERENCEFRAME": ("reference frame", None),
}

# enum name on an OMERO.server -> (symbol, seconds)
TIME_UNITS: dict[str, tuple[str, float | None]] = {
    "YOTTASECOND": ("Ys", 1e24),
    "ZETTASECOND": ("Zs", 1e21),
    "EXASECOND": ("Es", 1e18),
    "PETASECOND": ("Ps", 1e15),
    "TERASECOND": ("Ts", 1e12),
    "GIGASECOND": ("Gs", 1e9),
    "MEGASECOND": ("Ms", 1e6),
    "KILOSECOND": ("ks", 1e3),
    "HECTOSECOND": ("hs", 1e2),
    "DECASECOND": ("das", 1e1),
    "SECOND": ("s", 1.0),
    "DECISECOND": ("ds", 1e-1),
    "CENTISECOND": ("cs", 1e-2),
    "MILLISECOND": ("ms", 1e-3),
    "MICROSECOND": ("µs", 1e-6),
    "NANOSECOND": ("ns", 1e-9),
    "PICOSECOND": ("ps", 1e-12),
    "FEMTOSECOND": ("fs", 1e-15),
    "ATTOSECOND": ("as", 1e-18),
    "ZEPTOSECOND": ("zs", 1e-21),
    "YOCTOSECOND": ("ys", 1e-24),
    "MINUTE": ("min", 60.0),
    "HOUR": ("h", 3600.0),
    "DAY": ("d", 86400.0),
}

# Spellings that other programs write: ImageJ's "micron", the Greek mu beside the micro sign, ...
_ALIASES = {"um": "µm", "μm": "µm", "micron": "µm", "microns": "µm", "us": "µs", "μs": "µs", "sec": "s", "second": "s"}

_SCALES: dict[str, tuple[str, float | None]] = {
    **{symbol: ("length", metres) for symbol, metres in LENGTH_UNITS.values()},
    **{symbol: ("time", seconds) for symbol, seconds in TIME_UNITS.values()},
}
_SYMBOLS = {
    **{name: symbol for name, (symbol, _) in LENGTH_UNITS.items()},
    **{name: symbol for name, (symbol, _) in TIME_UNITS.items()},
}
_NAMES = {symbol: name for name, symbol in _SYMBOLS.items()}


@dataclass(frozen=True)
class Quantity:
    """A number with the symbol of an OME unit.

    Parameters
    ----------
    value
        The number.
    unit
        The symbol (``"µm"``) or the server's enum name (``"MICROMETER"``); kept as the symbol.

    Raises
    ------
    InvalidInputError
        The unit is neither a length nor a time of the OME model.

    Examples
    --------
    >>> Quantity(250, "nm").to("µm")
    0.25
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        """Normalise the unit to its symbol."""
        symbol = _SYMBOLS.get(self.unit, _ALIASES.get(self.unit, self.unit))
        if symbol not in _SCALES:
            raise InvalidInputError(
                f"Unknown unit: {self.unit!r}; expected a length or time of the OME model, e.g. 'µm'"
            )
        object.__setattr__(self, "unit", symbol)
        object.__setattr__(self, "value", float(self.value))

    @property
    def unit_name(self) -> str:
        """The unit's enum name on an OMERO.server, for example ``MICROMETER``."""
        return _NAMES[self.unit]

    def to(self, unit: str) -> float:
        """Return the value in another unit.

        Raises
        ------
        InvalidInputError
            The units do not convert (a length to a time, or pixels to micrometres).
        """
        other = Quantity(1.0, unit)
        if other.unit == self.unit:
            return self.value
        (kind, scale), (other_kind, other_scale) = _SCALES[self.unit], _SCALES[other.unit]
        if kind != other_kind or scale is None or other_scale is None:
            raise InvalidInputError(f"cannot convert {self.unit} to {other.unit}")
        return self.value * (scale / other_scale)

    def __str__(self) -> str:
        """Return for example ``0.25 µm``."""
        return f"{self.value:g} {self.unit}"
