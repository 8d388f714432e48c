"""Names that survive: keys that a shell, `omero script launch` and OMERO.web take, and file names on any disk."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_KEY = 60
_LONGEST_FILE = 100
_WINDOWS_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.I)


def parameter_key(name: str) -> str:
    """Return the key of a parameter: letters, digits and ``_``, the first letter large, as OMERO's own scripts have it.

    OMERO.web shows ``_`` as a space, and `omero script launch` takes ``key=value``.
    """
    key = re.sub(r"_+", "_", "".join(c if c.isascii() and c.isalnum() else "_" for c in _ascii(name))).strip("_")
    if not key:
        key = "Parameter"
    return (key[:1].upper() + key[1:])[:_LONGEST_KEY].rstrip("_")


def file_stem(title: str) -> str:
    """Return the file or folder name of a menu entry.

    Spaces and slashes become ``_`` and a trailing ``...`` is dropped; what a shell, a URL or Windows would stumble over
    becomes ``_`` too. The script repository passes over names that begin with a dot.
    """
    text = re.sub(r"[^A-Za-z0-9()+,.-]", "_", _ascii(title.strip().removesuffix("...").removesuffix("…").strip()))
    text = text.lstrip(".-").rstrip(".")[:_LONGEST_FILE]
    if not text.strip("_"):
        # nothing readable is left, for example of a title in Chinese: a name that stays the same from run to run
        text = f"module_{hashlib.sha256(title.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    if text.endswith(".py"):
        text = text.removesuffix(".py") + "_py"
    return f"{text}_" if _WINDOWS_DEVICES.fullmatch(text.partition(".")[0]) else text


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return the names with ``_2``, ``_3`` ... appended where a name came before, large and small letters alike."""
    seen = {name.lower() for name in taken}
    result = []
    for name in names:
        unique, number = name, 2
        while unique.lower() in seen:
            unique, number = f"{name}_{number}", number + 1
        seen.add(unique.lower())
        result.append(unique)
    return result


def _ascii(text: str) -> str:
    """Return the text without accents."""
    replaced = text.replace("µ", "u").replace("μ", "u").replace("ß", "ss")
    decomposed = unicodedata.normalize("NFKD", replaced)
    return "".join(c for c in decomposed if not unicodedata.combining(c))
