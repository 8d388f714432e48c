"""Python functions as SciJava modules: listed in ImageJ, run through its ModuleService, callable from Java."""

from __future__ import annotations

import inspect
import logging
import threading
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from ij_omero.errors import InvalidInputError, ModuleCanceledError, NotFoundError
from ij_omero.model import Roi, Table

from ._dataset_arrays import array_to_dataset
from ._description import ModuleParameter
from ._image_array import ImageArray
from ._imageplus import is_dataset, is_imageplus
from ._java_proxies import implement
from ._java_values import to_java, to_python
from ._runtime import java_class, start
from ._scijava import PYTHON_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

F = TypeVar("F", bound="Callable[..., Any]")
_log = logging.getLogger(__name__)
_JAVA_TYPES: dict[Any, str] = {
    bool: "java.lang.Boolean",
    int: "java.lang.Long",
    float: "java.lang.Double",
    str: "java.lang.String",
    np.ndarray: "net.imagej.Dataset",
    ImageArray: "net.imagej.Dataset",
    Roi: "ij.gui.Roi",
}
_SECRET_STYLE = "password"  # noqa: S105 - the name that SciJava's text widget has for it
_registered: dict[str, Any] = {}
_lock = threading.Lock()


def register_module(
    function: F,
    *,
    title: str | None = None,
    menu: Sequence[str] = (),
    choices: Mapping[str, Sequence[Any]] | None = None,
    limits: Mapping[str, tuple[float | None, float | None]] | None = None,
    outputs: Mapping[str, type] | None = None,
    styles: Mapping[str, str] | None = None,
    java: Mapping[str, str] | None = None,
) -> F:
    """Make a module of ImageJ of a Python function; returns the function, so it can decorate one.

    Parameters
    ----------
    function
        Its signature says what the inputs are: ``bool``, ``int``, ``float``, ``str`` and ``Literal[...]`` parameters,
        images as ``numpy.ndarray`` (given to it as (T, C, Z, Y, X)) or :class:`ImageArray`, tables and ROIs of
        ``ij_omero.model``. Parameters with a default are optional. It returns one value, or a dict of named ones.
    title
        Its name in ImageJ; the function's without it.
    menu
        Menus that lead to it, such as ``("Plugins", "OMERO")``.
    choices, limits
        What a parameter may be, and its (lowest, highest) value, by name.
    outputs
        Names and types of the values of the dict that it returns; ``{"result": <return annotation>}`` without it.
    styles
        SciJava's widget styles by parameter. A ``"password"`` is masked, and the module forgets it as soon as the
        function has it, so that nothing that looks at finished modules can record it.
    java
        Parameters and outputs that are handed over as Java's own objects, by name with their class, such as
        ``{"image": "net.imagej.Dataset"}``.

    Raises
    ------
    InvalidInputError
        A parameter has no type that ImageJ knows, or takes any number of values.

    Examples
    --------
    >>> @register_module
    ... def double(image: np.ndarray, factor: float = 2.0) -> np.ndarray:
    ...     return image * factor
    """
    name = function.__name__
    raw = java or {}
    parameters, hints = _inputs(function, choices or {}, limits or {}, styles or {}, raw)
    returned = dict(outputs) if outputs else {"result": hints.get("return", object)}
    start()
    identifier = f"{PYTHON_PREFIX}{function.__module__}.{function.__qualname__}"
    info = _info(identifier, title or name, menu, parameters, returned, inspect.getdoc(function) or "", raw)
    proxies = _proxies()
    module_info = proxies.info(info, identifier, _Body(function, parameters, hints, tuple(returned), raw))
    service = start().service("org.scijava.module.ModuleService")
    with _lock:
        old = _registered.pop(identifier, None)
        if old is not None:
            service.removeModule(old)
        service.addModule(module_info)
        _registered[identifier] = module_info
    return function


def unregister_module(function: Callable[..., Any]) -> None:
    """Take a function out of ImageJ again.

    Raises
    ------
    NotFoundError
        It was not registered.
    """
    identifier = f"{PYTHON_PREFIX}{function.__module__}.{function.__qualname__}"
    with _lock:
        info = _registered.pop(identifier, None)
    if info is None:
        raise NotFoundError(f"{function.__qualname__} is not registered as a module of ImageJ")
    start().service("org.scijava.module.ModuleService").removeModule(info)


def _inputs(
    function: Callable[..., Any],
    choices: Mapping[str, Sequence[Any]],
    limits: Mapping[str, tuple[float | None, float | None]],
    styles: Mapping[str, str],
    java: Mapping[str, str],
) -> tuple[list[ModuleParameter], dict[str, Any]]:
    hints = get_type_hints(function)
    parameters = []
    for name, declared in inspect.signature(function).parameters.items():
        if declared.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise InvalidInputError(
                f"{function.__name__} takes any number of values as {name!r}; a module needs named parameters"
            )
        hint, optional, literal = _plain_hint(hints.get(name))
        has_default = declared.default is not inspect.Parameter.empty
        low, high = limits.get(name, (None, None))
        parameters.append(
            ModuleParameter(
                name,
                java.get(name) or _java_type(hint, f"parameter {name!r} of {function.__name__}"),
                name.replace("_", " ").capitalize(),
                required=not has_default and not optional,
                default=declared.default if has_default else None,
                minimum=low,
                maximum=high,
                choices=tuple(choices.get(name, literal)),
                style=styles.get(name, ""),
            )
        )
    return parameters, hints


def _plain_hint(hint: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """Take ``X | None`` and ``Literal`` apart: (type, optional, choices)."""
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0]), False, get_args(hint)
    if get_origin(hint) is Union or str(get_origin(hint)) == "<class 'types.UnionType'>":
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        if len(kinds) == 1:
            inner, _, literal = _plain_hint(kinds[0])
            return inner, True, literal
    # numpy.typing.NDArray[...]
    return (get_origin(hint) or hint), False, ()


def _java_type(hint: Any, what: str) -> str:
    if hint is None:
        raise InvalidInputError(f"{what} has no type; annotate it, such as 'sigma: float'")
    if hint is Table:
        return "net.imagej.table.Table" if not _has_scijava_tables() else "org.scijava.table.Table"
    if hint in _JAVA_TYPES:
        return _JAVA_TYPES[hint]
    raise InvalidInputError(
        f"{what} is a {hint}, which no module of ImageJ takes; expected bool, int, float, str, Literal, "
        "numpy.ndarray, ImageArray, Table or Roi"
    )


def _has_scijava_tables() -> bool:
    from ij_omero.errors import ImageJError

    start()
    try:
        java_class("org.scijava.table.Table")
    except ImageJError:
        return False
    return True


def _info(
    identifier: str,
    title: str,
    menu: Sequence[str],
    parameters: Sequence[ModuleParameter],
    returned: Mapping[str, Any],
    description: str,
    java: Mapping[str, str],
) -> Any:
    """Make the Java object that holds names, types and defaults."""
    import jpype

    info = java_class("org.scijava.module.DefaultMutableModuleInfo")()
    info.setName(identifier)
    info.setLabel(title)
    info.setDescription(description)
    if menu:
        info.setMenuPath(java_class("org.scijava.MenuPath")(">".join((*menu, title))))
    item_class = java_class("org.scijava.module.DefaultMutableModuleItem")
    for parameter in parameters:
        item = item_class(info, parameter.name, java_class(parameter.java_type).class_)
        item.setLabel(parameter.label)
        item.setRequired(parameter.required)
        item.setPersisted(False)
        if parameter.style:
            item.setWidgetStyle(parameter.style)
        for setter, value in (
            ("setDefaultValue", parameter.default),
            ("setMinimumValue", parameter.minimum),
            ("setMaximumValue", parameter.maximum),
        ):
            if value is not None and not parameter.is_image:
                getattr(item, setter)(to_java(value, parameter, title))
        if parameter.choices:
            listed = jpype.JClass("java.util.ArrayList")()
            for choice in parameter.choices:
                listed.add(to_java(choice, parameter, title))
            item.setChoices(listed)
        info.addInput(item)
    for name, hint in returned.items():
        plain = _plain_hint(hint)[0]
        java_type = (
            _java_type(plain, f"output {name!r}") if plain is Table else _JAVA_TYPES.get(plain, "java.lang.Object")
        )
        item = item_class(info, name, java_class(java.get(name, java_type)).class_)
        # an item is an input unless it says so, and what shows outputs would look for the input
        item.setIOType(java_class("org.scijava.ItemIO").OUTPUT)
        info.addOutput(item)
    return info


class _Body:
    """Calls the Python function with a module's inputs and gives its values back as Java's."""

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Sequence[ModuleParameter],
        hints: Mapping[str, Any],
        outputs: tuple[str, ...],
        java: Mapping[str, str],
    ) -> None:
        self._function = function
        self._parameters = parameters
        self._hints = hints
        self._outputs = outputs
        self._java = java

    def __call__(self, module: Any) -> None:
        values = {}
        for parameter in self._parameters:
            value = module.getInput(parameter.name)
            if parameter.style == _SECRET_STYLE:
                module.setInput(parameter.name, None)
            if value is None and parameter.default is not None:
                values[parameter.name] = parameter.default
            elif parameter.name in self._java:
                values[parameter.name] = value
            else:
                values[parameter.name] = self._python(value, parameter.name)
        returned = self._function(**values)
        named = returned if isinstance(returned, dict) else {self._outputs[0]: returned}
        for name, value in named.items():
            module.setOutput(name, _to_java_output(value))

    def _python(self, value: Any, name: str) -> Any:
        if value is None:
            return None
        if is_dataset(value) or is_imageplus(value):
            from ._result import _image_array

            image = _image_array(value)
            return image if _plain_hint(self._hints.get(name))[0] is ImageArray else image.pixels
        return to_python(value)


def _to_java_output(value: Any) -> Any:
    import jpype

    if value is None or isinstance(value, (jpype.JObject, jpype.JArray)):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (np.ndarray, ImageArray)):
        return array_to_dataset(value)
    kind = _JAVA_TYPES.get(type(value), "java.lang.Object")
    return to_java(value, ModuleParameter("output", kind), "a Python module")


class _Proxies:
    """The Java interfaces ``ModuleInfo`` and ``Module``, in Python over a Java object that does the rest."""

    def __init__(self) -> None:
        self.module = implement(_PythonModule, "org.scijava.module.Module", "org.scijava.Cancelable", delegating=True)
        self.info = implement(_PythonModuleInfo, "org.scijava.module.ModuleInfo", delegating=True)


_made: list[_Proxies] = []


def _proxies() -> _Proxies:
    with _lock:
        if not _made:
            _made.append(_Proxies())
        return _made[0]


class _PythonModuleInfo:
    """``org.scijava.module.ModuleInfo`` of a Python function."""

    def __init__(self, java: Any, identifier: str, body: _Body) -> None:
        self.java = java
        self.identifier = identifier
        self.body = body

    def createModule(self) -> Any:
        """Return a module to run once."""
        return _proxies().module(java_class("org.scijava.module.DefaultMutableModule")(self.java), self)

    def getDelegateClassName(self) -> str:
        """Name the function in place of a class."""
        return self.identifier

    def getIdentifier(self) -> str:
        """Name the function."""
        return self.identifier

    def getTitle(self) -> str:
        """Return the label."""
        return str(self.java.getLabel())

    def canRunHeadless(self) -> bool:
        """Python functions open no windows."""
        return True

    def compareTo(self, other: Any) -> int:
        """Sort by identifier."""
        theirs = str(other.getIdentifier() or "") if other is not None else ""
        return (self.identifier > theirs) - (self.identifier < theirs)


class _PythonModule:
    """``org.scijava.module.Module`` that runs a Python function."""

    def __init__(self, java: Any, info: Any) -> None:
        self.java = java
        self.info = info
        self._reason: str | None = None

    def getInfo(self) -> Any:
        """Return what made it."""
        return self.info

    def getDelegateObject(self) -> Any:
        """Return the Java object that holds the values."""
        return self.java

    def run(self) -> None:
        """Call the function; its exception reaches Java, and so the caller, with its text."""
        try:
            self.info.body(self.java)
        except ModuleCanceledError as error:
            self._reason = str(error)
        except Exception as error:
            _log.debug("the module %s failed", self.info.identifier, exc_info=True)
            raise java_class("java.lang.IllegalStateException")(f"{type(error).__name__}: {error}") from error

    def initialize(self) -> None:
        """Do nothing: there are no initial values to compute."""

    def preview(self) -> None:
        """Do nothing: there is no dialog."""

    def cancel(self, *reason: Any) -> None:
        """Note why it was canceled; a Python function cannot be interrupted."""
        if reason:
            self._reason = str(reason[0])

    def isCanceled(self) -> bool:
        """Tell whether it canceled itself, or was."""
        return self._reason is not None

    def getCancelReason(self) -> str | None:
        """Tell why."""
        return self._reason
