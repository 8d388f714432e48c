"""Whether installed wrappers are as they were written, and whether the server can parse and run them."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._installing import NAMESPACE, InstalledScript, installed_scripts, scripts_folder
from ._record import Record, digest
from ._script_folders import COPIED, source_file


@dataclass(frozen=True)
class ScriptProblem:
    """What is wrong with an installed wrapper, and what to do about it."""

    path: str
    problem: str


def check_scripts(omerodir: Path | str, *, namespace: str = NAMESPACE) -> list[ScriptProblem]:
    """Look at every wrapper that was installed; nothing is run.

    Returns
    -------
    list of ScriptProblem
        Empty where all is well.

    Raises
    ------
    ScriptError
        No OMERODIR, or the record of what was installed cannot be read.
    """
    folder = scripts_folder(omerodir) / namespace
    record = Record.read(folder) or Record()
    missing = [
        ScriptProblem(f"/{namespace}/{path}", "is missing; generate the scripts again")
        for path in sorted(record.files)
        if not (folder / path).is_file()
    ]
    found = [
        ScriptProblem(one.path, problem)
        for one in installed_scripts(omerodir, namespace=namespace)
        for problem in _problems(one, record.files[one.file.relative_to(folder).as_posix()])
    ]
    return missing + found


def _problems(script: InstalledScript, sha: str) -> list[str]:
    problems = []
    content = script.file.read_bytes()
    source = source_file(script.module)
    if source is not None and not source.is_file():
        problems.append(f"was made of {source}, which does not exist; update the scripts")
    if digest(content) != sha:
        problems.append("was changed after it was written; generate the scripts again, or keep the change elsewhere")
    try:
        if script.module.startswith(COPIED):
            ast.parse(content)
            return problems
        constants = _constants(content.decode())
    except (SyntaxError, ValueError) as error:
        return [*problems, f"is no Python ({error}); generate the scripts again"]
    python = constants.get("PYTHON", "")
    if not os.access(python, os.X_OK):
        problems.append(f"runs {python}, which is no program any more; generate the scripts again")
    environment = constants.get("ENVIRONMENT", {})
    for name in ("IJ_OMERO_CACHE", "IJ_OMERO_IMAGEJ", "JAVA_HOME"):
        place = environment.get(name)
        if place and not Path(place).exists():
            problems.append(f"uses {name}={place}, which does not exist; generate the scripts again")
    return problems


def _constants(text: str) -> dict[str, Any]:
    """Return the constants at a wrapper's head."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
