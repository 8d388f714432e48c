"""The module "System Information": which ImageJ, Java and Python a server's scripts run with."""

from __future__ import annotations

import os
import platform
import sys

from ij_omero.imagej import ModuleParameter

from ._description import WrappedModule

SYSTEM_INFORMATION = WrappedModule(
    "ij_omero:system-information",
    "System Information",
    ("Help", "System Information"),
    "Tells which ImageJ, Java and Python the scripts of this server run with.",
    outputs=(ModuleParameter("info", "java.lang.String"),),
)


def system_information() -> str:
    """Return names and versions, one per line; starts ImageJ."""
    from ij_omero import __version__
    from ij_omero.imagej import start

    runtime = start()
    rows = {
        "ij_omero": __version__,
        "ImageJ": f"{runtime.imagej1_version} ({'full' if runtime.is_full else 'embedded'})",
        "Java": runtime.java_version,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "System": platform.platform(),
        "Processors": os.cpu_count(),
        "User": os.environ.get("USER") or str(os.getuid() if hasattr(os, "getuid") else ""),
    }
    return "\n".join(f"{name}: {value}" for name, value in rows.items())
