"""ImageJ's modules, found by name, described for wrapping, and run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ij_omero.model import Roi, Table

from ._description import WrappedModule, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ij_omero.imagej import ModuleDescription, ModuleResult


@dataclass
class RunResult:
    """What one run of a module gave, by the names of its outputs."""

    images: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    rois: dict[str, Sequence[Roi]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    log: str = ""


def wrapped_modules(
    wanted: Sequence[str | WrappedModule] | None, *, include_interactive: bool = False
) -> list[WrappedModule]:
    """Return descriptions of modules; of all that ImageJ has where none are named.

    Parameters
    ----------
    wanted
        Names, identifiers or descriptions; ImageJ is started only where something else than a description is given.
    include_interactive
        Of all modules, take also those that say they need a screen.

    Raises
    ------
    ModuleNotFoundInImageJError
        ImageJ has no such module.
    """
    if wanted is not None:
        return [one if isinstance(one, WrappedModule) else find_wrapped_module(one) for one in wanted]
    from ij_omero.imagej import modules

    chosen = [one for one in modules() if one.menu and (include_interactive or one.runs_headless)]
    return [wrap(one, _version(one)) for one in chosen]


def find_wrapped_module(identifier: str) -> WrappedModule:
    """Return the description of one module.

    Raises
    ------
    ModuleNotFoundInImageJError
        ImageJ has no such module.
    """
    from ij_omero.imagej import find_module

    module = find_module(identifier)
    return wrap(module, _version(module))


def run_wrapped_module(module: WrappedModule, inputs: Mapping[str, Any]) -> RunResult:
    """Run a module and return what it gave, by name.

    Raises
    ------
    ImageJError
        The module failed, with ImageJ's own text.
    InvalidInputError
        An input is missing or unfit.
    """
    from ij_omero.imagej import run_module

    return named_results(run_module(module.identifier, {**inputs}), module)


def named_results(result: ModuleResult, module: WrappedModule) -> RunResult:
    """Sort what a module gave by the names of its outputs; what it does not declare gets a name of its own."""
    run = RunResult(log=result.log.strip())
    names = {id(value): name for name, value in result.outputs.items()}
    for number, image in enumerate(result.java_images, 1):
        run.images[names.get(id(image)) or _free("image", number, run.images)] = image
    for number, table in enumerate(result.tables, 1):
        if table.row_count:
            run.tables[names.get(id(table)) or _free("table", number, run.tables)] = table
    if result.rois:
        run.rois["rois"] = result.rois
    kept = {id(one) for one in (*result.java_images, *result.tables, *result.rois)}
    for name, value in result.outputs.items():
        if id(value) not in kept and _is_plain(value):
            run.values[name] = value
    return run


def _free(stem: str, number: int, taken: Mapping[str, Any]) -> str:
    name = stem if number == 1 else f"{stem}{number}"
    return name if name not in taken else f"{stem}_{number}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, (bool, int, float, str)):
        return True
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(_is_plain(one) for one in value.values())
    return hasattr(value, "tolist") and not isinstance(value, (Roi, Table))


def _version(module: ModuleDescription) -> str:
    """Return the version of what does the work: of ImageJ 1 for its commands."""
    if module.kind == "imagej1":
        from ij_omero.imagej import start

        return f"ImageJ {start().imagej1_version}"
    return ""
