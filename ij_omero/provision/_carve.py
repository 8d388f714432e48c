"""The classes of `net.imagej` out of the jar that the PyPI package `prokaryote` carries.

Maven Central has no imagej-common. The prokaryote jar has it, among 90 MB of old versions of other things that would
shadow newer ones, so the classes are cut out into a small jar of their own: on this machine, from the installed
package, and never redistributed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import zipfile
import zlib
from pathlib import Path

from ij_omero.errors import MissingDependencyError, SetupError

from ._checksums import recorded_file
from ._folders import cache_dir
from ._progress import Progress, log_progress

_PLUGIN_INDEX = "META-INF/json/org.scijava.plugin.Plugin"
_WANTED = ("net/imagej/", "luts/", "icons/", "META-INF/maven/net.imagej/imagej-common/")
# the updater needs a Fiji to update; the patcher is taken, newer, from Maven Central
_UNWANTED = ("net/imagej/updater/", "net/imagej/patcher/")
_RULES = "1"  # a new number makes new jars of what older rules have cut
_EPOCH = (1980, 1, 1, 0, 0, 0)


def prokaryote_jar() -> Path:
    """Find the jar of the installed package `prokaryote` (without importing it, which would start a JVM).

    Raises
    ------
    MissingDependencyError
        It is not installed, or has no jar.
    """
    spec = importlib.util.find_spec("prokaryote")
    jars = sorted(Path(spec.origin).parent.glob("*.jar")) if spec and spec.origin else []
    if not jars:
        raise MissingDependencyError(
            "the package prokaryote, whose jar holds ImageJ's classes, is not installed: pip install 'ij-omero[imagej]'"
        )
    return jars[-1]


def carved_imagej_jar(progress: Progress = log_progress) -> Path:
    """Give the small jar of `net.imagej`, cutting it out of prokaryote's where the cache has no whole one.

    Raises
    ------
    MissingDependencyError
        prokaryote is not installed.
    SetupError
        prokaryote's jar is damaged.
    StorageError
        The cache folder cannot be written.
    """
    source = prokaryote_jar()
    key = hashlib.sha256(f"{_RULES} {source.name} {source.stat().st_size}".encode()).hexdigest()[:16]

    def write(part: Path) -> None:
        progress(f"cutting net.imagej out of {source.name}")
        carve(source, part)

    return recorded_file(cache_dir("imagej", f"net.imagej-{key}.jar"), write)


def carve(source: Path, target: Path) -> None:
    """Write `net.imagej`, its lookup tables and its own entries of the SciJava plugin index to a new jar."""
    try:
        with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as part:
            index = _own_plugins(whole.read(_PLUGIN_INDEX).decode("utf-8"))
            part.writestr(zipfile.ZipInfo(_PLUGIN_INDEX, _EPOCH), index)
            for name in whole.namelist():
                if name.startswith(_WANTED) and not name.startswith(_UNWANTED) and not name.endswith("/"):
                    part.writestr(zipfile.ZipInfo(name, _EPOCH), whole.read(name), zipfile.ZIP_DEFLATED)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError) as error:
        raise SetupError(
            f"{source} is damaged ({error}): pip install --force-reinstall --no-deps prokaryote"
        ) from error


def _own_plugins(index: str) -> str:
    """Keep `net.imagej`'s entries of a SciJava index.

    The index is JSON objects in a row. The raw text of each entry is kept, because SciJava's parser is strict: it takes
    no blanks and no ``+`` in exponents.
    """
    decoder, position, kept = json.JSONDecoder(), 0, []
    while position < len(index):
        if index[position].isspace():
            position += 1
            continue
        entry, end = decoder.raw_decode(index, position)
        name = entry["class"]
        if name.startswith("net.imagej.") and not name.startswith("net.imagej.updater."):
            kept.append(index[position:end])
        position = end
    return "".join(kept)
