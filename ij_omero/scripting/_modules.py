"""ImageJ's modules, found by name, described for wrapping, and run."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ij_omero.errors import IJOmeroError, InvalidInputError
from ij_omero.model import Roi, Table

from ._description import FUNCTION, IMAGEJ1, TITLE, WrappedModule, wrap
from ._python_functions import find_function, is_omero_script, parsed, registers_functions, run_function
from ._system_information import SYSTEM_INFORMATION, system_information
from ._types import Role, omero_type

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ij_omero.imagej import ModuleDescription, ModuleResult

T = TypeVar("T")
_log = logging.getLogger(__name__)
SCRIPT = "script:"
SCRIPT_SUFFIXES = (".ijm", ".bsh", ".clj", ".groovy", ".js", ".py", ".rb", ".R", ".scala")
_OPTIONS = "options"
_COLON = re.compile(r"(?<!\S)([A-Za-z_][\w.-]*):(?=\S)")
_FOR_PEOPLE = (
    "File",
    "Window",
    "Help",
    "Edit>Options",
    "Edit>Undo",
    "Edit>Cut",
    "Edit>Copy",
    "Edit>Paste",
    "Plugins>Macros",
    "Plugins>Shortcuts",
    "Plugins>New",
    "Plugins>Utilities",
    "Plugins>Tools",
    "Plugins>Install",
    "Plugins>Compile",
)


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
        Names, identifiers, descriptions, or ``script:`` with a path; ImageJ is started only where something else than
        a description is given.
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

    chosen = [one for one in modules() if one.menu and (include_interactive or _runs_on_a_server(one))]
    return [*(_described(one) for one in chosen), SYSTEM_INFORMATION]


def _runs_on_a_server(module: ModuleDescription) -> bool:
    """Tell whether a module does anything without a screen, a person and that person's files."""
    if module.kind == "python" and module.menu[0] == "File":  # importing from OMERO, and exporting to it
        return False
    return module.runs_headless and not (module.kind == "imagej1" and module.menu_path.startswith(_FOR_PEOPLE))


def _described(module: ModuleDescription) -> WrappedModule:
    """Return the description of a listed module; ImageJ 1's commands tell their inputs only one by one."""
    if module.kind == "imagej1":
        from ij_omero.imagej import find_module

        try:
            module = find_module(module.identifier)
        except IJOmeroError as error:
            _log.warning("%s takes its inputs as one text, since it does not tell them: %s", module.title, error)
    return wrap(module, version_of(module.identifier))


def find_wrapped_module(identifier: str) -> WrappedModule:
    """Return the description of one module.

    Raises
    ------
    ModuleNotFoundInImageJError
        ImageJ has no such module.
    """
    if identifier in (SYSTEM_INFORMATION.identifier, SYSTEM_INFORMATION.title):
        return SYSTEM_INFORMATION
    if identifier.startswith(SCRIPT):
        return script_module(Path(identifier.removeprefix(SCRIPT)))
    if identifier.startswith(FUNCTION):
        return find_function(identifier)
    from ij_omero.imagej import find_module

    module = find_module(identifier)
    return wrap(module, version_of(module.identifier))


def script_modules(folder: Path | str) -> list[WrappedModule]:
    """Return descriptions of the macros and ``#@`` scripts below a folder, its folders as their menus.

    Files in Python 3 that make OMERO scripts or functions of their own are passed over.

    Raises
    ------
    InvalidInputError
        There is no such folder, or a script's ``#@`` lines cannot be read.
    """
    root = Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise InvalidInputError(f"{root} is no folder; name one with ImageJ macros (.ijm) or #@ scripts in it")
    found = sorted(path for path in root.rglob("*") if path.suffix in SCRIPT_SUFFIXES and path.is_file())
    return [script_module(path, root) for path in found if path.suffix != ".py" or not _is_of_python(path)]


def _is_of_python(path: Path) -> bool:
    tree = parsed(path.read_bytes())
    return tree is not None and (is_omero_script(tree) or registers_functions(tree))


def script_module(path: Path, root: Path | None = None) -> WrappedModule:
    """Return the description of a macro or ``#@`` script."""
    from ij_omero.imagej import describe_script, start

    path = path.expanduser().absolute()
    start()
    described = describe_script(path)
    title = path.stem.replace("_", " ").strip()
    menu = (*(path.parent.relative_to(root).parts if root else ()), title)
    return replace(wrap(described), identifier=f"{SCRIPT}{path}", title=title, menu=menu)


def run_wrapped_module(module: WrappedModule, inputs: Mapping[str, Any], *, timeout: float | None = None) -> RunResult:
    """Run a module and return what it gave, by the names that it declares where it does.

    Raises
    ------
    OperationTimeoutError
        It did not end within ``timeout`` seconds; it was asked to stop.
    ImageJError
        The module failed, with ImageJ's own text.
    InvalidInputError
        An input is missing or unfit.
    """
    run = _run(module, inputs, timeout)
    outputs = [(one.name, omero_type(one.java_type).role) for one in module.outputs]
    run.images = _declared(run.images, [name for name, role in outputs if role is Role.IMAGE])
    run.tables = _declared(run.tables, [name for name, role in outputs if role is Role.TABLE])
    return run


def _declared(found: Mapping[str, T], declared: Sequence[str]) -> dict[str, T]:
    """Give the names of declared outputs to results that ImageJ 1 only left open, in their order."""
    free = iter([name for name in declared if name not in found])
    return {name if name in declared else next(free, name): one for name, one in found.items()}


def _run(module: WrappedModule, inputs: Mapping[str, Any], timeout: float | None) -> RunResult:
    if module.identifier == SYSTEM_INFORMATION.identifier:
        return RunResult(values={"info": system_information()})
    if module.identifier.startswith(SCRIPT):
        from ij_omero.imagej import run_script

        path = Path(module.identifier.removeprefix(SCRIPT))
        return named_results(run_script(path, inputs=inputs, timeout=timeout))
    if module.identifier.startswith(FUNCTION):
        return named_results(run_function(module.identifier, inputs, timeout=timeout))
    from ij_omero.imagej import ModuleDescription, run_module

    if not module.identifier.startswith(IMAGEJ1):
        return named_results(run_module(module.identifier, inputs, timeout=timeout))
    known = ModuleDescription(
        module.identifier, module.title, module.menu, "imagej1", module.inputs, module.outputs, module.description
    )
    given = {name: value for name, value in inputs.items() if name not in module.image_inputs}
    images = [(name, inputs[name]) for name in module.image_inputs if name in inputs]
    if given.get(_OPTIONS):
        # a form sends every field, with its default; what is written out by hand takes their place
        given = {_OPTIONS: options_of_a_form(str(given[_OPTIONS]))}
    if not any(TITLE.fullmatch(name) for name, _ in images):
        return named_results(run_module(known, given, images=[image for _, image in images], timeout=timeout))
    from ij_omero.imagej import to_imageplus

    opened = []
    for name, image in images:
        opened.append(to_imageplus(image))
        # the command finds its images by title, and two may have one name
        opened[-1].setTitle(name)
        given[name] = name
    return named_results(run_module(known, given, images=opened, timeout=timeout))


def options_of_a_form(text: str) -> str:
    """Return options as ImageJ 1 reads them: ``sigma:2 stack`` means ``sigma=2 stack``.

    `omero script launch` drops what follows a second ``=``, so on a command line there is no other way to write them.
    """
    return text if "=" in text else _COLON.sub(r"\1=", text)


def named_results(result: ModuleResult) -> RunResult:
    """Sort what a module gave by the names of its outputs; what it does not declare gets a name of its own.

    Empty tables are left out.
    """
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


def version_of(identifier: str) -> str:
    """Return the version of what does the work: of ImageJ 1 for its commands; empty where it is unknown."""
    if identifier.startswith(IMAGEJ1):
        from ij_omero.imagej import start

        return f"ImageJ {start().imagej1_version}"
    return ""
