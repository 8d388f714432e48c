"""The public names are what the documentation says, and importing them is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ij_omero

EXPECTED = set(
    """
    Channel Column Connection Ellipse IJOmeroError Image ImageAddress ImageDescription ImageStore ImageSummary KeyValue
    Label Line Mask ModuleResult PixelSink PixelSource PixelType PlaneIndex Point Polygon Polyline Quantity Rectangle
    Region ResolutionLevel Roi Table TableSummary __version__ connect open_image open_store parse_address run save_image
    """.split()
)
HEAVY = {
    "Ice",
    "omero",
    "jpype",
    "scyjava",
    "pandas",
    "dask",
    "xarray",
    "matplotlib",
    "zarr",
    "PIL",
    "tifffile",
    "click",
}


def test_the_public_names_are_pinned() -> None:
    assert set(ij_omero.__all__) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(ij_omero, name) is not None
    assert name in dir(ij_omero)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="open_imgae"):
        ij_omero.open_imgae  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(ij_omero.__file__).read_text())
    relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    seen = {alias.name for node in relative for alias in node.names}
    assert seen | {"__version__"} == EXPECTED


@pytest.mark.parametrize(
    "statement", ["import ij_omero", "import ij_omero; ij_omero.open_store", "import ij_omero.cli"]
)
def test_importing_is_cheap(statement: str) -> None:
    code = f"import sys; {statement}; print(*sorted(n for n in sys.modules if '.' not in n))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not (HEAVY - ({"click"} if "cli" in statement else set())) & set(loaded)


def test_importing_the_root_loads_nothing_but_the_root() -> None:
    code = "import sys; import ij_omero; print(*[n for n in sys.modules if n.startswith(('ij_omero.', 'numpy'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
