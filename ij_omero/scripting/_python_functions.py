"""Python functions in a folder, registered as modules of ImageJ by the file that holds them.

Such a file decorates its functions with `ij_omero.imagej.register_module`; it is run anew in each process that needs
one of them.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._description import FUNCTION, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ij_omero.imagej import ModuleResult

    from ._description import WrappedModule

_REGISTER = "register_module"


def parsed(content: bytes) -> ast.Module | None:
    """Return a Python file's syntax tree; None of a Jython script, which is not this Python's throughout."""
    try:
        return ast.parse(content)
    except (SyntaxError, ValueError):
        return None


def is_omero_script(tree: ast.Module) -> bool:
    """Tell whether a Python file imports ``omero.scripts``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(one.name == "omero.scripts" for one in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (
            node.module == "omero.scripts" or (node.module == "omero" and any(n.name == "scripts" for n in node.names))
        ):
            return True
    return False


def registers_functions(tree: ast.Module) -> bool:
    """Tell whether a Python file imports what makes modules of functions."""
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == "ij_omero"
        and any(one.name == _REGISTER for one in node.names)
        for node in ast.walk(tree)
    )


def function_modules(path: Path, root: Path) -> list[WrappedModule]:
    """Run a file and return descriptions of the functions that it registered.

    Raises
    ------
    InvalidInputError
        It cannot be run, or registers none.
    """
    from ij_omero.imagej import modules

    name = _load(path)
    found = []
    for module in modules():
        if module.identifier.startswith(f"python:{name}."):
            menu = (*path.parent.relative_to(root).parts, *(module.menu[:-1]), module.title)
            identifier = f"{FUNCTION}{path}#{module.identifier.removeprefix(f'python:{name}.')}"
            found.append(replace(wrap(module), identifier=identifier, menu=menu))
    if not found:
        raise InvalidInputError(f"{path} registers no function; decorate one with {_REGISTER}")
    return found


def find_function(identifier: str) -> WrappedModule:
    """Return the description of a function by its identifier.

    Raises
    ------
    InvalidInputError
        The file cannot be run, or registers no such function any more.
    """
    path, _, function = identifier.removeprefix(FUNCTION).rpartition("#")
    for module in function_modules(Path(path), Path(path).parent):
        if module.identifier == identifier:
            return module
    raise InvalidInputError(f"{path} registers no function {function} any more; update the scripts")


def run_function(identifier: str, inputs: Mapping[str, Any], *, timeout: float | None = None) -> ModuleResult:
    """Run a function that a file registers, through ImageJ.

    Raises
    ------
    OperationTimeoutError
        It did not end within ``timeout`` seconds.
    InvalidInputError
        The file cannot be run, or an input is missing or unfit.
    ImageJError
        The function failed, with its own text.
    """
    from ij_omero.imagej import run_module

    path, _, function = identifier.removeprefix(FUNCTION).rpartition("#")
    return run_module(f"python:{_load(Path(path))}.{function}", dict(inputs), timeout=timeout)


def _load(path: Path) -> str:
    """Run a file as a module of its own and return the module's name, which no other file's has."""
    name = f"ij_omero_functions_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidInputError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # type hints are looked up in it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file does
        raise InvalidInputError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return name
