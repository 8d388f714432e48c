"""What a module is and takes, as plain data; and the check of inputs against it. No Java."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ij_omero.errors import InvalidInputError, ModuleNotFoundInImageJError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ModuleKind = Literal["scijava", "imagej1", "script", "macro", "python"]

PROPERTIES = ("attachToImages", "attachToOMERODatasetIDs")
"""Properties by which modules written for imagej-omero say where their results go."""

_WHOLE = {"int", "long", "short", "byte", "java.lang.Integer", "java.lang.Long", "java.lang.Short", "java.lang.Byte"}
_REAL = {"float", "double", "java.lang.Float", "java.lang.Double", "java.math.BigDecimal"}
_TRUTH = {"boolean", "java.lang.Boolean"}
_BITS = {"byte": 8, "short": 16, "int": 32, "integer": 32, "long": 64}
IMAGE_TYPES = frozenset(
    {
        "net.imagej.Dataset",
        "net.imagej.ImgPlus",
        "net.imagej.display.DatasetView",
        "net.imagej.display.ImageDisplay",
        "ij.ImagePlus",
    }
)


@dataclass(frozen=True)
class ModuleParameter:
    """One input or output of a module.

    Parameters
    ----------
    name
        The name under which it is given or returned.
    java_type
        The full name of its Java class (``"java.lang.Double"``, ``"net.imagej.Dataset"``).
    label, description
        Texts for people; may be empty.
    required
        Whether the module refuses to run without it.
    default, minimum, maximum, step
        None where there is none.
    choices
        What it may be; empty where everything of its type may be.
    style, visibility
        SciJava's widget style and ``ItemVisibility``.
    properties
        What else it says of itself that matters here, as (key, value): `PROPERTIES`.
    """

    name: str
    java_type: str
    label: str = ""
    description: str = ""
    required: bool = True
    default: Any = None
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: tuple[Any, ...] = ()
    style: str = ""
    visibility: str = "NORMAL"
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def is_image(self) -> bool:
        """Whether it is an image, in any of ImageJ's classes for one."""
        return self.java_type in IMAGE_TYPES

    @property
    def expectation(self) -> str:
        """What a value must be, in words: ``"a number from 0 to 10"``."""
        if self.choices:
            return f"one of {', '.join(repr(choice) for choice in self.choices)}"
        kind = _kind(self.java_type)
        low, high = self.minimum, self.maximum
        if low is not None and high is not None:
            return f"{kind} from {low:g} to {high:g}" if _is_number(low) else f"{kind} from {low} to {high}"
        if low is not None:
            return f"{kind} of at least {low}"
        if high is not None:
            return f"{kind} of at most {high}"
        return kind

    def check(self, value: Any, module: str) -> None:
        """Refuse a value of the wrong type, out of range or not among the choices.

        Raises
        ------
        InvalidInputError
            Names the parameter, the value and what is expected.
        """
        complaint = self._complaint(value)
        if complaint:
            raise InvalidInputError(
                f"input {self.name!r} of {module} is {_short(value)}, which {complaint}; expected {self.expectation}"
            )

    def _complaint(self, value: Any) -> str | None:
        if value is None:
            return "is nothing" if self.required else None
        plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
        if self.java_type in _TRUTH:
            return None if isinstance(plain, bool) else "is no truth value"
        if self.java_type in _WHOLE:
            if isinstance(plain, bool) or not _is_number(plain) or not math.isfinite(plain) or plain != int(plain):
                return "is no whole number"
            bits = _BITS[self.java_type.rsplit(".", 1)[-1].lower()]
            if not -(2 ** (bits - 1)) <= plain < 2 ** (bits - 1):
                return f"does not fit into {bits} bits"
        elif self.java_type in _REAL:
            if isinstance(plain, bool) or not _is_number(plain):
                return "is no number"
        elif self.java_type in ("java.lang.String", "char", "java.lang.Character") and not isinstance(plain, str):
            return "is no text" if type(plain).__module__ == "builtins" else None
        if self.choices and plain not in self.choices and str(plain) not in {str(choice) for choice in self.choices}:
            return "is none of the choices"
        if _is_number(plain) and _is_number(self.minimum) and (plain < self.minimum or math.isnan(plain)):
            return "is too small"
        if _is_number(plain) and _is_number(self.maximum) and plain > self.maximum:
            return "is too large"
        return None


@dataclass(frozen=True)
class ModuleDescription:
    """A module of ImageJ: an ImageJ2 command, an ImageJ 1 command, a script, a macro or a Python function.

    Parameters
    ----------
    identifier
        What finds the module again; unique.
    title
        Its name for people, such as ``"Gaussian Blur..."``.
    menu
        The menus that lead to it, its own entry included; empty for a module without one.
    kind
        ``"scijava"``, ``"imagej1"``, ``"script"``, ``"macro"`` or ``"python"``.
    inputs, outputs
        Its parameters. An ImageJ 1 command tells its own only when it is asked for one by one (:func:`find_module`); in
        a listing it has ``image`` and ``options``.
    description
        What it does; often empty.
    runs_headless
        Whether it says that it runs without a screen.
    """

    identifier: str
    title: str
    menu: tuple[str, ...] = ()
    kind: ModuleKind = "scijava"
    inputs: tuple[ModuleParameter, ...] = ()
    outputs: tuple[ModuleParameter, ...] = ()
    description: str = ""
    runs_headless: bool = True

    @property
    def menu_path(self) -> str:
        """The menus joined by ``>``, as ImageJ writes them."""
        return ">".join(self.menu)

    def input(self, name: str) -> ModuleParameter:
        """Return an input by name.

        Raises
        ------
        InvalidInputError
            The module has no such input.
        """
        for parameter in self.inputs:
            if parameter.name == name:
                return parameter
        known = [parameter.name for parameter in self.inputs]
        raise InvalidInputError(
            f"{self.title} has no input {name!r}{_suggestion(name, known)}; it has {_listing(known)}"
        )

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Refuse unknown, missing, ill-typed and out-of-range inputs.

        Raises
        ------
        InvalidInputError
            Names the parameter, the expectation and the allowed range or choices.
        """
        for name, value in inputs.items():
            self.input(name).check(value, self.title)
        for parameter in self.inputs:
            if parameter.required and parameter.default is None and inputs.get(parameter.name) is None:
                raise InvalidInputError(
                    f"{self.title} needs the input {parameter.name!r}"
                    f"{f' ({parameter.label})' if parameter.label else ''}; expected {parameter.expectation}"
                )


def not_found(name: str, titles: Iterable[str]) -> ModuleNotFoundInImageJError:
    """Return the error for a module that does not exist, with the nearest that do."""
    near = difflib.get_close_matches(name, list(titles), n=4, cutoff=0.6)
    hint = f"; did you mean {' or '.join(repr(title) for title in near)}?" if near else ""
    return ModuleNotFoundInImageJError(
        f"ImageJ has no module or command {name!r}{hint or '; ij_omero.imagej.modules() lists what there is'}"
    )


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _listing(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(java_type: str) -> str:
    if java_type in _TRUTH:
        return "True or False"
    if java_type in _WHOLE:
        return "a whole number"
    if java_type in _REAL:
        return "a number"
    if java_type in IMAGE_TYPES:
        return "an image"
    if java_type == "java.lang.String":
        return "a text"
    return f"a {java_type}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
