"""A module that is declared when a script runs shows the parameters that its wrapper would declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ij_omero.imagej import ModuleParameter
from ij_omero.scripting._declaring import declaring_client
from ij_omero.scripting._description import WrappedModule
from ij_omero.scripting._source import Target, script_source

if TYPE_CHECKING:
    from pathlib import Path

MODULE = WrappedModule(
    "test:all",
    "All kinds",
    version="1.2",
    inputs=(
        ModuleParameter("image", "net.imagej.Dataset"),
        ModuleParameter("flag", "boolean", default=True),
        ModuleParameter("count", "int", "How many", default=3, minimum=1, maximum=9, step=2),
        ModuleParameter("size", "double", required=False, default=0.5, minimum=0.0),
        ModuleParameter("mode", "java.lang.String", default="b", choices=("a", "b")),
        ModuleParameter("names", "java.util.List<java.lang.String>", required=False),
        ModuleParameter("anything", "java.util.List", required=False),
    ),
    outputs=(ModuleParameter("mask", "net.imagej.Dataset"), ModuleParameter("area", "float")),
)


def shown(parameters: Any) -> dict[str, Any]:
    """Return what OMERO shows of a script's parameters."""
    from omero.rtypes import unwrap

    def plain(one: Any) -> tuple[Any, ...]:
        bounds = [unwrap(value) for value in (one.min, one.max, one.values)]
        return type(one.prototype), unwrap(one.prototype), one.optional, one.useDefault, one.description, bounds

    inputs = {key: (*plain(one), one.grouping) for key, one in parameters.inputs.items()}
    outputs = {key: plain(one) for key, one in parameters.outputs.items()}
    told = [parameters.name, parameters.version, parameters.description, parameters.authors]
    return {"told": told, "inputs": inputs, "outputs": outputs}


def test_a_module_is_declared_as_in_its_wrapper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from omero import scripts

    settings = tmp_path / "ice.config"
    settings.write_text("omero.host=localhost\nomero.scripts.parse=only\n")  # as where a server only asks
    monkeypatch.setenv("ICE_CONFIG", str(settings))
    wrapper = scripts.parse_text(script_source(MODULE, Target("/python", "/prefix")))
    with pytest.raises(scripts.ParseExit) as told:
        declaring_client(MODULE)
    assert shown(told.value.params) == shown(wrapper)
