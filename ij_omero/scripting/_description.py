"""What the wrapper of a module is made from: the module's name, menu and parameters, as plain data."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ._types import Role, omero_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ij_omero.imagej import ModuleDescription, ModuleParameter

_log = logging.getLogger(__name__)
MESSAGE = "MESSAGE"
IMAGEJ1 = "imagej1:"  # how identifiers of ImageJ 1's commands begin
FUNCTION = "function:"  # and those of Python functions
ATTACH_TO = "attachToImages"
DATASETS = "attachToOMERODatasetIDs"
TITLE = re.compile(r"image\d+")
# Commands whose own defaults only show something on a screen, or nothing: what makes them leave a table and ROIs.
_KEEPING = {"imagej1:Analyze Particles...": ("display", "add")}
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
    datasets
        Names of images among the outputs -> ids of the datasets that they go to, where the module says so.
    """

    identifier: str
    title: str
    menu: tuple[str, ...] = ()
    description: str = ""
    version: str = ""
    inputs: tuple[ModuleParameter, ...] = ()
    outputs: tuple[ModuleParameter, ...] = ()
    attachments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    datasets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def image_inputs(self) -> tuple[str, ...]:
        """The names of the inputs that are images."""
        return tuple(one.name for one in self.inputs if omero_type(one.java_type).role is Role.IMAGE)

    @property
    def makes_images(self) -> bool:
        """Whether an output is an image."""
        return any(omero_type(one.java_type).role is Role.IMAGE for one in self.outputs)


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
        _listed(module, ATTACH_TO),
        _datasets(module),
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
        if one.name in _KEEPING.get(module.identifier, ()):
            shown.append(replace(one, default=True))
        elif one.name == "options":
            shown.append(replace(one, label="", description=_OPTIONS_HELP))
        elif one in titles:
            shown.append(replace(one, java_type="ij.ImagePlus", required=True, default=None, choices=()))
        elif one.name != "image" or not titles:
            shown.append(one)
    return tuple(shown)


def _datasets(module: ModuleDescription) -> dict[str, tuple[int, ...]]:
    found = {}
    for name, ids in _listed(module, DATASETS).items():
        wrong = [one for one in ids if not one.isdecimal()]
        if wrong:
            _log.warning("%s: %s names the dataset %s, which is no id", module.title, name, ", ".join(wrong))
        found[name] = tuple(int(one) for one in ids if one.isdecimal())
    return {name: ids for name, ids in found.items() if ids}


def _listed(module: ModuleDescription, key: str) -> dict[str, tuple[str, ...]]:
    """Read a property such as ``attachToImages="name1, name2"`` of outputs, as imagej-omero has it."""
    found = {}
    for output in module.outputs:
        named = dict(output.properties).get(key, "")
        parts = tuple(one.strip() for one in named.split(",") if one.strip())
        if parts:
            found[output.name] = parts
    return found
