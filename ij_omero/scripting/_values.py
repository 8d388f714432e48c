"""Values between OMERO and a module: what a form gives becomes what ImageJ takes, and results become outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._parameters import choice_text, clean_text
from ._types import Kind, Role

if TYPE_CHECKING:
    from ij_omero.imagej import ModuleParameter

    from ._parameters import ScriptParameter

_INT = (-(2**31), 2**31 - 1)
_LONG = (-(2**63), 2**63 - 1)


def module_value(parameter: ScriptParameter, described: ModuleParameter, value: Any) -> Any:
    """Return what a module's input takes of a script's input (plain Python, as `omero.rtypes.unwrap` gives it).

    Raises
    ------
    InvalidInputError
        A map's text is no JSON object, or a choice is none of those offered.
    """
    if value is None:
        return None
    if described.choices and parameter.role is Role.VALUE:
        for choice in described.choices:
            if choice_text(choice) == value:
                return choice
        raise InvalidInputError(f"{parameter.key} is {value!r}; expected one of {', '.join(parameter.values)}")
    if parameter.kind is Kind.STRING and described.java_type.startswith("java.util.") and "Map" in described.java_type:
        try:
            decoded = json.loads(value) if value.strip() else {}
        except ValueError as error:
            raise InvalidInputError(
                f'{parameter.key} is no JSON ({error}); expected for example {{"key": "value"}}'
            ) from None
        if not isinstance(decoded, dict):
            raise InvalidInputError(f'{parameter.key} is {value!r}; expected a JSON object such as {{"key": "value"}}')
        return decoded
    return value


def rtype_of(value: Any, kind: Kind | None = None) -> Any:
    """Return a value as an OMERO type: lists, maps and sets with their elements, other things as their text.

    Parameters
    ----------
    value
        Plain Python, numpy's numbers and arrays, or anything with a text.
    kind
        The type that the output was declared with, where it was.
    """
    import omero
    from omero import rtypes

    if value is None or isinstance(value, omero.RType):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bool):
        return rtypes.rbool(value)
    if isinstance(value, int):
        if kind in (Kind.FLOAT, Kind.DOUBLE):
            return rtypes.rdouble(float(value)) if kind is Kind.DOUBLE else rtypes.rfloat(float(value))
        if kind is not Kind.LONG and _INT[0] <= value <= _INT[1]:
            return rtypes.rint(value)
        return rtypes.rlong(value) if _LONG[0] <= value <= _LONG[1] else rtypes.rstring(str(value))
    if isinstance(value, float):
        return rtypes.rfloat(value) if kind is Kind.FLOAT else rtypes.rdouble(value)
    if isinstance(value, dict):
        return rtypes.rmap({str(key): rtype_of(one) for key, one in value.items()})
    if isinstance(value, (set, frozenset)):
        return rtypes.rset([rtype_of(one) for one in value])
    if isinstance(value, (list, tuple)):
        return rtypes.rlist([rtype_of(one) for one in value])
    return rtypes.rstring(clean_text(str(value), 1 << 20))
