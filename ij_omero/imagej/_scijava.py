"""SciJava modules: describing and running them; commands of ImageJ2, scripts and Python functions alike."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ImageJError, ModuleCanceledError, OperationTimeoutError

from ._description import PROPERTIES, ModuleDescription, ModuleParameter
from ._imageplus import is_dataset, is_imageplus
from ._java_values import to_java, to_python
from ._result import ModuleResult
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._description import ModuleKind

_MODULES = "org.scijava.module.ModuleService"
_SERVICE_TYPES = ("org.scijava.service.Service", "org.scijava.Context")
PYTHON_PREFIX = "python:"


def module_infos() -> list[Any]:
    """Return the ``ModuleInfo`` of all SciJava modules."""
    return list(start().service(_MODULES).getModules())


def describe_info(info: Any) -> ModuleDescription:
    """Describe a SciJava module from its ``ModuleInfo``."""
    delegate = str(info.getDelegateClassName() or "")
    identifier = str(info.getIdentifier() or f"command:{delegate}")
    kind: ModuleKind = "scijava"
    if delegate.startswith(PYTHON_PREFIX):
        kind = "python"
    elif isinstance(info, java_class("org.scijava.script.ScriptInfo")):
        kind = "script"
    menu = info.getMenuPath()
    steps = tuple(str(entry.getName()) for entry in menu) if menu is not None else ()
    return ModuleDescription(
        identifier,
        str(info.getTitle() or delegate),
        steps,
        kind,
        tuple(_parameter(item, as_input=True) for item in info.inputs() if not _is_service(item)),
        tuple(_parameter(item, as_input=False) for item in info.outputs()),
        str(info.getDescription() or ""),
        bool(info.canRunHeadless()),
    )


def _is_service(item: Any) -> bool:
    """Tell whether an input is filled in by SciJava itself, or is a message rather than an input."""
    kind = item.getType()
    if str(item.getVisibility()) == "MESSAGE":
        return True
    return any(java_class(name).class_.isAssignableFrom(kind) for name in _SERVICE_TYPES)


def _parameter(item: Any, *, as_input: bool) -> ModuleParameter:
    choices = item.getChoices()
    return ModuleParameter(
        str(item.getName()),
        str(item.getType().getTypeName()),
        str(item.getLabel() or ""),
        str(item.getDescription() or ""),
        required=bool(item.isRequired()) if as_input else False,
        default=to_python(item.getDefaultValue()),
        minimum=to_python(item.getMinimumValue()),
        maximum=to_python(item.getMaximumValue()),
        step=to_python(item.getStepSize()),
        choices=tuple(to_python(choice) for choice in choices) if choices is not None else (),
        style=str(item.getWidgetStyle() or ""),
        visibility=str(item.getVisibility() or "NORMAL"),
        properties=tuple((key, str(value)) for key in PROPERTIES if (value := item.get(key)) is not None),
    )


def run_info(
    info: Any, description: ModuleDescription, inputs: Mapping[str, Any], *, timeout: float | None = None
) -> ModuleResult:
    """Run a SciJava module with pre- and postprocessing.

    Inputs that are not given take the module's own defaults, not what SciJava remembers of an earlier run.

    Raises
    ------
    InvalidInputError
        An input is unknown, missing, of the wrong type or out of range.
    ImageJError
        The module failed.
    ModuleCanceledError
        The module canceled itself.
    OperationTimeoutError
        It did not end in time.
    """
    import jpype

    description.check(inputs)
    values = java_class("java.util.HashMap")()
    for parameter in description.inputs:
        value = inputs.get(parameter.name)
        if value is None:
            value = parameter.default
        if value is not None:
            values.put(parameter.name, to_java(value, parameter, description.title))
    service = start().service(_MODULES)
    as_info = jpype.JObject(info, java_class("org.scijava.module.ModuleInfo"))
    try:
        future = service.run(as_info, *_processors(), values)
        module = _wait(future, description.title, timeout)
    except jpype.JException as error:
        raise _failure(error, description.title) from error
    if module is None:
        raise ModuleCanceledError(f"{description.title} was canceled before it began; an input may be missing")
    for one in (module, module.getDelegateObject()):
        if hasattr(one, "getCancelReason") and one.isCanceled():
            raise ModuleCanceledError(f"{description.title} canceled itself: {one.getCancelReason() or 'no reason'}")
    return _result(module)


def _processors() -> tuple[Any, ...]:
    """Return what comes before and after a module; where nobody sees displays, none are made of its outputs.

    A display loads what it would show and holds the image until it is closed.
    """
    if not java_class("java.awt.GraphicsEnvironment").isHeadless():
        return (True,)
    plugins = start().service("org.scijava.plugin.PluginService")
    before, after = (
        plugins.createInstancesOfType(java_class(f"org.scijava.module.process.{kind}Plugin").class_)
        for kind in ("Preprocessor", "Postprocessor")
    )
    display = java_class("org.scijava.display.DisplayPostprocessor")
    kept = java_class("java.util.ArrayList")()
    for processor in after:
        if not isinstance(processor, display):
            kept.add(processor)
    return (before, kept)


def _wait(future: Any, title: str, timeout: float | None) -> Any:
    import jpype

    if timeout is None and threading.current_thread() is threading.main_thread():
        # short waits let ^C through
        while not future.isDone():
            try:
                return future.get(200, java_class("java.util.concurrent.TimeUnit").MILLISECONDS)
            except jpype.JClass("java.util.concurrent.TimeoutException"):
                continue
    if timeout is None:
        return future.get()
    try:
        return future.get(int(timeout * 1000), java_class("java.util.concurrent.TimeUnit").MILLISECONDS)
    except jpype.JClass("java.util.concurrent.TimeoutException"):
        future.cancel(True)
        raise OperationTimeoutError(f"{title} did not finish within {timeout:g} s and was asked to stop") from None


def _failure(error: Any, title: str) -> ImageJError:
    """Unwrap what a module threw; a Python exception keeps its own text."""
    cause = error
    while cause.getCause() is not None and str(cause.getClass().getSimpleName()) in (
        "ExecutionException",
        "RuntimeException",
        "InvocationTargetException",
        "ModuleException",
    ):
        cause = cause.getCause()
    kind = str(cause.getClass().getSimpleName())
    text = " ".join(str(cause.getMessage() or "").split())
    if "HeadlessException" in kind:
        return ImageJError(f"{title} wants to open a window, and there is no screen ({kind})")
    if kind == "IllegalStateException":  # what a Python function raised, told with its own class
        return ImageJError(f"{title} failed: {text}")
    return ImageJError(f"{title} failed: {kind}: {text}")


def _result(module: Any) -> ModuleResult:
    """Sort the outputs of a finished module."""
    from ij_omero.model import Roi, Table

    outputs = {str(entry.getKey()): to_python(entry.getValue()) for entry in module.getOutputs().entrySet()}
    values = [one for value in outputs.values() for one in (value if isinstance(value, list) else [value])]
    return ModuleResult(
        images=[value for value in values if is_dataset(value) or is_imageplus(value)],
        tables=[value for value in values if isinstance(value, Table)],
        rois=[value for value in values if isinstance(value, Roi)],
        outputs=outputs,
    )
