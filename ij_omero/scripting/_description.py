"""What the wrapper of a module is made from: the module's name, menu and parameters, as plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ._types import Role, omero_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ij_omero.imagej import ModuleDescription, ModuleParameter

MESSAGE = "MESSAGE"
ATTACH_TO = "attachToImages"
TITLE = re.compile(r"image\d+")
_OPTIONS_HELP = (
    "In place of all other settings: what a macro would write, such as sigma=2 stack. "
    "On a command line write sigma:2 stack"
)


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
    attachments
        Names of tables and ROIs among the outputs -> names of the images that they are attached to, where the module
        says so; otherwise to all its input images.
    """

    identifier: str
    title: str
    menu: tuple[str, ...] = ()
    description: str = ""
    version: str = ""
    inputs: tuple[ModuleParameter, ...] = ()
    outputs: tuple[ModuleParameter, ...] = ()
    attachments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def image_inputs(self) -> tuple[str, ...]:
        """The names of the inputs that are images."""
        return tuple(one.name for one in self.inputs if omero_type(one.java_type).role is Role.IMAGE)


def wrap(module: ModuleDescription, version: str = "") -> WrappedModule:
    """Return how an OMERO script shows a module of ImageJ."""
    return WrappedModule(
        module.identifier,
        module.title,
        module.menu,
        module.description,
        version,
        _inputs(module),
        module.outputs,
        _attachments(module),
    )


def _inputs(module: ModuleDescription) -> tuple[ModuleParameter, ...]:
    """Return the inputs as a form has them.

    ImageJ 1's commands that take several images ask for the titles of open ones; a form asks for the images themselves.
    """
    if module.kind != "imagej1":
        return module.inputs
    titles = [one for one in module.inputs if TITLE.fullmatch(one.name) and one.java_type == "java.lang.String"]
    shown = []
    for one in module.inputs:
        if one.name == "options":
            shown.append(replace(one, label="", description=_OPTIONS_HELP))
        elif one in titles:
            shown.append(replace(one, java_type="ij.ImagePlus", required=True, default=None, choices=()))
        elif one.name != "image" or not titles:
            shown.append(one)
    return tuple(shown)


def _attachments(module: ModuleDescription) -> dict[str, tuple[str, ...]]:
    """Read ``attachToImages="name1, name2"`` of outputs, as imagej-omero has it."""
    found = {}
    for output in module.outputs:
        named = getattr(output, "properties", {}).get(ATTACH_TO)
        if named:
            found[output.name] = tuple(one for one in re.split(r",\s*", str(named).strip()) if one)
    return found
