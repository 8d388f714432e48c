"""The parameters of a module declared to OMERO at run time, for scripts that name a module and declare nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._parameters import clean_text, script_parameters
from ._source import introduction
from ._types import Kind

if TYPE_CHECKING:
    from ._description import WrappedModule
    from ._parameters import ScriptParameter


def declaring_client(module: WrappedModule) -> Any:
    """Return the ``omero.client`` of a job that runs a module.

    Where the server only asks for the parameters it is told them, and the process ends, as after every
    `omero.scripts.client`.
    """
    from omero import scripts

    parameters = script_parameters(module)
    declared = [_declaration(one) for one in parameters.inputs]
    declared += [_declaration(one).out() for one in parameters.outputs]
    title, about = introduction(module)
    return scripts.client(
        f"[ImageJ] {title}",
        about,
        *declared,
        version=clean_text(module.version, 100),
        authors=["ij_omero"],
        namespaces=["ij_omero"],
    )


def _declaration(one: ScriptParameter) -> Any:
    from omero import rtypes, scripts

    prototypes = {
        Kind.BOOL: rtypes.rbool(False),
        Kind.INT: rtypes.rint(0),
        Kind.LONG: rtypes.rlong(0),
        Kind.FLOAT: rtypes.rfloat(0),
        Kind.DOUBLE: rtypes.rdouble(0),
        Kind.STRING: rtypes.rstring(""),
    }
    given = {"default": one.default, "min": one.minimum, "max": one.maximum, "values": list(one.values) or None}
    said = {name: value for name, value in given.items() if value is not None}
    declared = getattr(scripts, one.kind.value)(
        one.key, optional=one.optional, grouping=one.grouping, description=one.description, **said
    )
    if one.kind is Kind.LIST and one.element is not None:
        declared = declared.ofType(prototypes[one.element])
    return declared
