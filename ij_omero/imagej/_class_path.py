"""Which jars a runtime is made of: the embedded class path, or those of a Fiji folder that the user names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.errors import InvalidInputError
from ij_omero.provision import imagej_class_path

from ._headless import headless_jar

if TYPE_CHECKING:
    from pathlib import Path

    from ij_omero.provision import Java


def embedded_class_path(java: Java) -> list[Path]:
    """Return the jars of the embedded runtime, ImageJ 1's headless classes first where they could be made."""
    jars = imagej_class_path()
    patched = headless_jar(jars, java)
    return [patched, *jars] if patched else jars


def fiji_class_path(folder: Path) -> list[Path]:
    """Return the jars of a Fiji or ImageJ2 folder in Fiji's own order, ``jars`` before ``plugins``.

    Raises
    ------
    InvalidInputError
        The folder holds no ImageJ.
    """
    for root in (folder, folder / "Fiji.app", folder / "Fiji", folder / "Contents" / "Java"):
        jars = sorted((root / "jars").rglob("*.jar"))
        if any(jar.name.startswith(("ij-", "imagej-", "scijava-common", "net.imagej")) for jar in jars):
            return jars + sorted((root / "plugins").rglob("*.jar"))
    raise InvalidInputError(
        f"{folder} is no Fiji or ImageJ2 folder: it has no jars/ with ImageJ in it; "
        "name the folder that holds jars/ and plugins/ (such as ~/Fiji or ~/Fiji.app)"
    )
