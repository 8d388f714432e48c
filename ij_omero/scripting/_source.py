"""The Python text of a wrapper: readable, ASCII, and always the same statements around other constants.

Everything that comes from a module goes into the text through `ascii`, as a literal; nothing of it ever stands in a
comment or as bare code. Non-ASCII letters are escaped, so it does not matter with which encoding a server reads files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._described import plain_module
from ._parameters import clean_text, script_parameters
from ._types import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._description import WrappedModule
    from ._parameters import ScriptParameter

_WIDTH = 88
_TEMPLATE = """#!/usr/bin/env python
{about_file}
# Written by ij_omero; changes are lost when the scripts are generated again.
import json
import os
import sys

MODULE = {module}
# What a run needs to know of the module, so that it need not ask ImageJ.
DESCRIBED = {described}
PYTHON = {python}
PREFIX = {prefix}
ENVIRONMENT = {environment}


def is_job():
    # OMERO's settings say so where it only asks for the parameters.
    try:
        with open(os.environ['ICE_CONFIG']) as settings:
            return 'omero.scripts.parse' not in settings.read()
    except (KeyError, OSError):
        return False


def run_script():
    if is_job():
        os.environ.update(ENVIRONMENT)
        if sys.prefix != PREFIX:
            # The server's Python is another one than that which has ij_omero.
            command = [PYTHON, '-I', '-u', '-m', 'ij_omero.scripting', MODULE, json.dumps(DESCRIBED)]
            os.execve(PYTHON, command, os.environ)
        from ij_omero.scripting import begin_job

        # Where a process waits with ImageJ the job is done there; else Java begins to start meanwhile.
        status = begin_job(MODULE, DESCRIBED)
        if status is not None:
            sys.exit(status)
    import omero.scripts as scripts

    # OMERO reads the parameters and stops here, unless the script is to be run.
    client = scripts.client(
        {name},
        {description},
{parameters}
        version={version},
        authors=['ij_omero'],
        namespaces=[{namespace}],
    )
    from ij_omero.scripting import end_job, run_job

    end_job(run_job(client, MODULE, DESCRIBED))


if __name__ == '__main__':
    run_script()
"""


@dataclass(frozen=True)
class Target:
    """Where a wrapper finds what it needs; the server's processor passes it almost nothing.

    Parameters
    ----------
    python
        Absolute path of the interpreter of the environment that holds this package.
    prefix
        That environment's ``sys.prefix``.
    environment
        Environment variables that the run needs, such as ``IJ_OMERO_CACHE``.
    namespace
        The scripts' folder below ``lib/scripts``.
    """

    python: str
    prefix: str
    environment: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "imagej"


def script_source(module: WrappedModule, target: Target) -> str:
    """Return the text of the wrapper of a module.

    The text declares the parameters with `omero.scripts.client`, so OMERO reads them without Java and without this
    package; ImageJ starts only when the script runs.
    """
    parameters = script_parameters(module)
    declared = "\n".join(
        [_declaration(item) for item in parameters.inputs]
        + [_declaration(item, out=True) for item in parameters.outputs]
    )
    title, about = introduction(module)
    constants = {
        "about_file": ascii(f"{title}: an ImageJ module as an OMERO script."),
        "module": ascii(module.identifier),
        "described": _literal(plain_module(module)),
        "python": ascii(target.python),
        "prefix": ascii(target.prefix),
        "environment": _mapping(target.environment),
        "name": _text(f"[ImageJ] {title}", 8),
        "description": _text(about, 8),
        "parameters": declared,
        "version": ascii(clean_text(module.version, 100)),
        "namespace": ascii(f"ij_omero/{target.namespace}"),
    }
    return _TEMPLATE.format_map(constants)


def introduction(module: WrappedModule) -> tuple[str, str]:
    """Return a module's name and what it is, as OMERO shows them."""
    title = clean_text(" ".join(module.title.split()) or module.identifier, 200)
    return title, clean_text(module.description.strip()) or f"Runs ImageJ's {title.removesuffix('...')}."


def _declaration(item: ScriptParameter, *, out: bool = False) -> str:
    """Return one parameter's lines."""
    arguments = [ascii(item.key)]
    if not out:
        arguments += [f"optional={item.optional}", f"grouping={item.grouping!a}"]
    if item.default is not None:
        arguments.append(f"default={item.default!a}")
    arguments += [
        f"{name}={bound!a}" for name, bound in (("min", item.minimum), ("max", item.maximum)) if bound is not None
    ]
    lines = ["            " + ", ".join(arguments) + ","]
    if item.values:
        lines.append(f"            values={_list(item.values)},")
    lines.append(f"            description={_text(item.description, 12)},")
    tail = ")"
    if item.kind is Kind.LIST and item.element is not None:
        tail = f").ofType({_PROTOTYPE[item.element]})"
    if out:
        tail += ".out()"
    return "\n".join([f"        scripts.{item.kind.value}(", *lines, f"        {tail},"])


_PROTOTYPE = {
    Kind.BOOL: "scripts.rbool(False)",
    Kind.INT: "scripts.rint(0)",
    Kind.LONG: "scripts.rlong(0)",
    Kind.FLOAT: "scripts.rfloat(0.0)",
    Kind.DOUBLE: "scripts.rdouble(0.0)",
    Kind.STRING: "scripts.rstring('')",
}


def _text(text: str, indent: int) -> str:
    """Return a text as a literal, in several adjoining pieces where it is long."""
    if len(ascii(text)) <= _WIDTH:
        return ascii(text)
    pieces, start = [], 0
    while start < len(text):
        end = min(len(text), start + _WIDTH)
        newline = text.find("\n", start, end)
        space = text.rfind(" ", start, end)
        if newline >= 0:
            end = newline + 1
        elif end < len(text) and space > start:
            end = space + 1
        pieces.append(ascii(text[start:end]))
        start = end
    inner = ("\n" + " " * (indent + 4)).join(pieces)
    return f"({inner})"


def _list(values: tuple[str, ...]) -> str:
    one_line = "[" + ", ".join(ascii(value) for value in values) + "]"
    if len(one_line) <= _WIDTH:
        return one_line
    return "[\n" + "".join(f"                {value!a},\n" for value in values) + "            ]"


def _mapping(values: Mapping[str, Any]) -> str:
    if not values:
        return "{}"
    return "{\n" + "".join(f"    {key!a}: {value!a},\n" for key, value in sorted(values.items())) + "}"


def _literal(value: Any, indent: int = 0) -> str:
    """Return plain data as a literal, one entry per line where it is long."""
    text = ascii(value)
    if len(text) + indent <= _WIDTH or not isinstance(value, (dict, list)):
        return text
    inner = " " * (indent + 4)
    if isinstance(value, dict):
        rows = [f"{key!a}: {_literal(one, indent + 4)}" for key, one in value.items()]
    else:
        rows = [_literal(one, indent + 4) for one in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + "".join(f"{inner}{row},\n" for row in rows) + " " * indent + closing
