"""ImageJ modules as OMERO scripts: generated wrappers, the job that a wrapper runs, installing and removing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._checking import ScriptProblem, check_scripts
    from ._command import LaunchResult, launch, list_scripts
    from ._installing import (
        InstalledScript,
        InstallReport,
        ScriptsExistError,
        ScriptsFolderNotFoundError,
        ScriptsFolderNotWritableError,
        install_scripts,
        installed_scripts,
        remove_scripts,
        server_environment,
        source_folders,
        update_scripts,
    )
    from ._launching import begin_job, end_job, run_job, start_worker
    from ._modules import script_modules
    from ._server_imagej import existing_imagej, install_imagej, remove_imagej, server_imagej
    from ._watching import watch_scripts
    from ._worker import stop_workers, workers

__all__ = [
    "InstallReport",
    "InstalledScript",
    "LaunchResult",
    "ScriptProblem",
    "ScriptsExistError",
    "ScriptsFolderNotFoundError",
    "ScriptsFolderNotWritableError",
    "begin_job",
    "check_scripts",
    "end_job",
    "existing_imagej",
    "install_imagej",
    "install_scripts",
    "installed_scripts",
    "launch",
    "list_scripts",
    "remove_imagej",
    "remove_scripts",
    "run_job",
    "script_modules",
    "server_environment",
    "server_imagej",
    "source_folders",
    "start_worker",
    "stop_workers",
    "update_scripts",
    "watch_scripts",
    "workers",
]

_MODULES = {
    "InstallReport": "_installing",
    "InstalledScript": "_installing",
    "LaunchResult": "_command",
    "ScriptProblem": "_checking",
    "ScriptsExistError": "_installing",
    "ScriptsFolderNotFoundError": "_installing",
    "ScriptsFolderNotWritableError": "_installing",
    "begin_job": "_launching",
    "check_scripts": "_checking",
    "end_job": "_launching",
    "existing_imagej": "_server_imagej",
    "install_imagej": "_server_imagej",
    "install_scripts": "_installing",
    "installed_scripts": "_installing",
    "launch": "_command",
    "list_scripts": "_command",
    "remove_imagej": "_server_imagej",
    "remove_scripts": "_installing",
    "run_job": "_launching",
    "script_modules": "_modules",
    "server_environment": "_installing",
    "server_imagej": "_server_imagej",
    "source_folders": "_installing",
    "start_worker": "_launching",
    "stop_workers": "_worker",
    "update_scripts": "_installing",
    "watch_scripts": "_watching",
    "workers": "_worker",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: a wrapper needs nothing of it until it runs."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
