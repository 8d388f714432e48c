"""ImageJ 1's classes patched to run without a screen, made once and kept in the user's cache.

ij1-patcher rewrites about 40 classes of ImageJ 1 with javassist, which costs 1.2 to 1.7 s when it is done in every
process. Here a process of its own does it once and writes the rewritten classes as a jar, which goes before ``ij.jar``
on the class path from then on. Where that fails, the runtime falls back to patching at its start.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import StorageError
from ij_omero.provision import cache_dir, file_lock, is_whole_zip, write_whole

from ._headless_recipe import DIALOG_ENTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ij_omero.provision import Java

_log = logging.getLogger(__name__)
_RECIPE = Path(__file__).with_name("_headless_recipe.py")
_TIMEOUT_S = 120
_TIME = 1_577_836_800  # the first of January 2020
_PARTS = ("ij-", "ij1-patcher-", "javassist-")


def headless_jar(class_path: Sequence[Path], java: Java) -> Path | None:
    """Return the jar of ImageJ 1's headless classes that fits a class path, making it on first use.

    Parameters
    ----------
    class_path
        Jars with ImageJ 1, ij1-patcher and javassist among them.
    java
        The Java that makes it.

    Returns
    -------
    Path or None
        None where it cannot be made or kept; the reason is logged.
    """
    jars = [jar for jar in class_path if jar.name.startswith(_PARTS)]
    if len(jars) < len(_PARTS):
        return None
    target = cache_dir("imagej", f"ij1-headless-{_key(jars)}.jar")
    try:
        _make_once(target, lambda part: _write(part, jars, java))
    except (StorageError, subprocess.SubprocessError, OSError) as error:
        detail = getattr(error, "stderr", None) or error
        _log.warning("ImageJ 1 is patched at every start, because its patched classes cannot be kept: %s", detail)
        return None
    return target


def dialog_jar(class_path: Sequence[Path], java: Java) -> Path | None:
    """Return a jar of ij1-patcher's dialog alone, as it tells what commands ask for; made on first use.

    For a Fiji folder, whose imagej-legacy patches ImageJ 1 itself: of all classes only this one is another.

    Parameters
    ----------
    class_path
        Jars with ImageJ 1, ij1-patcher and javassist among them.
    java
        The Java that makes it.

    Returns
    -------
    Path or None
        None where it cannot be made or kept; the reason is logged.
    """
    patched = headless_jar(class_path, java)
    if patched is None:
        return None
    target = patched.with_name(patched.name.replace("headless", "dialog"))
    try:
        _make_once(target, lambda part: _write_dialog(part, patched))
    except (StorageError, OSError, KeyError) as error:
        _log.warning("what ImageJ 1's dialogs ask for stays unknown, because their class cannot be kept: %s", error)
        return None
    return target


def _make_once(jar: Path, write: Callable[[Path], None]) -> None:
    """Write a jar of the cache unless it is there and whole, which is found out without a lock."""
    if is_whole_zip(jar):
        return
    with file_lock(jar.with_suffix(".lock")):
        if not is_whole_zip(jar):
            write_whole(jar, write)


def _write_dialog(part: Path, patched: Path) -> None:
    with zipfile.ZipFile(patched) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr(zipfile.ZipInfo(DIALOG_ENTRY), source.read(DIALOG_ENTRY))


def _key(jars: Sequence[Path]) -> str:
    """Identify the jars and the recipe by their content."""
    digest = hashlib.sha256(_RECIPE.read_bytes())
    for jar in jars:
        digest.update(hashlib.sha256(jar.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _write(part: Path, jars: Sequence[Path], java: Java) -> None:
    """Run the recipe in its own process, so that no class of ImageJ is loaded in this one."""
    _log.info("patching ImageJ 1 to run without a screen (once)")
    command = [sys.executable, "-I", str(_RECIPE), str(java.jvm_library), str(part), *map(str, jars)]
    subprocess.run(command, check=True, timeout=_TIMEOUT_S, capture_output=True, text=True)  # noqa: S603 - own file
    # Java takes its archive of classes for jars of the same time only, and one that is made again is the same
    os.utime(part, (_TIME, _TIME))
