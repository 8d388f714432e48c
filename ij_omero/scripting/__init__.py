"""ImageJ modules as OMERO scripts: generated wrappers, the job that a wrapper runs, installing and removing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._command import LaunchResult, launch, list_scripts
    from ._installing import InstalledScript, InstallReport, install_scripts, installed_scripts, remove_scripts
    from ._job import run_job

__all__ = [
    "InstallReport",
    "InstalledScript",
    "LaunchResult",
    "install_scripts",
    "installed_scripts",
    "launch",
    "list_scripts",
    "remove_scripts",
    "run_job",
]

_MODULES = {
    "InstallReport": "_installing",
    "InstalledScript": "_installing",
    "LaunchResult": "_command",
    "install_scripts": "_installing",
    "installed_scripts": "_installing",
    "launch": "_command",
    "list_scripts": "_command",
    "remove_scripts": "_installing",
    "run_job": "_job",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: a wrapper needs nothing of it until it runs."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
