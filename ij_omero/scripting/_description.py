"""What the wrapper of a module is made from: the module's name, menu and parameters, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MESSAGE = "MESSAGE"


@dataclass(frozen=True)
class ParameterDescription:
    """One input or output of a module.

    Parameters
    ----------
    name
        The name under which ImageJ takes or gives it.
    java_type
        The full name of its Java class, such as ``"java.lang.Double"``, ``"double"`` or ``"net.imagej.Dataset"``; an
        array's ends in ``[]``.
    label, description
        Texts for people; may be empty.
    required
        Whether the module refuses to run without it.
    default, minimum, maximum, step
        None where there is none.
    choices
        What it may be; empty where everything may be.
    style, visibility
        SciJava's widget style and ``ItemVisibility``.
    """

    name: str
    java_type: str
    label: str = ""
    description: str = ""
    required: bool = True
    default: Any = None
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: tuple[Any, ...] = ()
    style: str = ""
    visibility: str = "NORMAL"


@dataclass(frozen=True)
class WrappedModule:
    """A module as an OMERO script shows it.

    Parameters
    ----------
    identifier
        What finds the module again in ImageJ.
    title
        Its name for people.
    menu
        The menus that lead to it, its own entry included; empty for a module without one.
    inputs, outputs
        Its parameters in their order.
    """

    identifier: str
    title: str
    menu: tuple[str, ...] = ()
    description: str = ""
    version: str = ""
    inputs: tuple[ParameterDescription, ...] = ()
    outputs: tuple[ParameterDescription, ...] = ()
    headless: bool = True
