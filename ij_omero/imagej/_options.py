"""ImageJ 1's options: keyword inputs <-> the text that a macro's ``run("Command", "key=value flag")`` takes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = re.compile(r"[^\s\[\]'=]+")


def option_key(label: str) -> str:
    """Return the key of a dialog's field: its label to the first blank or colon, in lower case (``Macro.trimKey``)."""
    return re.split(r"[ :]", label, maxsplit=1)[0].lower()


def options_text(options: Mapping[str, Any]) -> str:
    """Write options the way that ImageJ 1 reads them.

    Truth values become flags (present or absent), pairs become ranges (``(10, inf)`` -> ``10-Infinity``), and values
    with blanks are put in brackets.

    Raises
    ------
    InvalidInputError
        A value cannot be written: it has unbalanced brackets, or is no number, text, truth value or pair.

    Examples
    --------
    >>> options_text({"sigma": 2, "title": "my image", "stack": True, "scaled": False})
    'sigma=2 title=[my image] stack'
    """
    words = []
    for key, value in options.items():
        if not _PLAIN.fullmatch(key):
            raise InvalidInputError(f"{key!r} is no name of an option; expected one word, such as 'sigma'")
        plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
        if plain is None or plain is False:
            continue
        if plain is True:
            words.append(key.lower())
        else:
            words.append(f"{key.lower()}={_value(key, plain)}")
    return " ".join(words)


def option_names(text: str) -> tuple[list[str], list[str]]:
    """Return the keys with a value, and the flags, of an options text."""
    keys, flags = [], []
    rest = text.strip()
    while rest:
        word = re.match(r"[^\s=]+", rest)
        if word is None:
            rest = rest[1:].lstrip()
            continue
        rest = rest[word.end() :]
        if not rest.startswith("="):
            flags.append(word.group())
            rest = rest.lstrip()
            continue
        keys.append(word.group())
        rest = rest[1 + _value_length(rest[1:]) :].lstrip()
    return keys, flags


def _value_length(text: str) -> int:
    """Count the characters of the value that a text begins with."""
    if text.startswith("'"):
        end = text.find("'", 1)
        return len(text) if end < 0 else end + 1
    if not text.startswith("["):
        blank = re.search(r"\s", text)
        return blank.start() if blank else len(text)
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth == 0:
            return index + 1
    return len(text)


def _value(key: str, value: Any) -> str:
    if isinstance(value, (tuple, list)):
        if len(value) == 2 and all(isinstance(end, (int, float)) for end in value):
            return "-".join(_number(end) for end in value)
        raise InvalidInputError(
            f"option {key!r} is {value!r}; expected a number, a text, True or False, or a (low, high) range"
        )
    if isinstance(value, (int, float)):
        return _number(value)
    text = str(value)
    depth = lowest = 0
    for character in text:
        depth += (character == "[") - (character == "]")
        lowest = min(lowest, depth)
    if depth != 0 or lowest < 0:
        raise InvalidInputError(f"option {key!r} is {text!r}; ImageJ's options cannot hold brackets that do not match")
    return text if _PLAIN.fullmatch(text) else f"[{text}]"


def _number(value: float) -> str:
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
    return repr(value)
