"""ImageJ 1's macro language: a text, images that it finds open, and what it leaves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ImageJError

from ._commands import CommandRun, collect
from ._imagej1_call import call_imagej1, one_line
from ._imagej1_state import imagej1_state
from ._imageplus import to_imageplus
from ._result import ModuleResult
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STACK_TRACE = re.compile(r"^((?:[a-z]\w*\.)+\w*(?:Exception|Error)\b[^\n]*)\n\s+at ", re.MULTILINE)
_EXIT = re.compile(r"\bexit\b\s*(?:\(\s*(?P<message>[^)\s])?|;|$)")


def run_macro(
    text: str,
    images: Sequence[Any] | Any = (),
    argument: str = "",
    *,
    variables: Mapping[str, Any] | None = None,
    outputs: Sequence[str] = (),
    timeout: float | None = None,
) -> ModuleResult:
    """Run a macro of ImageJ 1.

    Parameters
    ----------
    text
        The macro. It runs in batch mode, so no window opens; ``selectImage`` finds images by id, number and title.
    images
        What it finds open, the first as the active one: arrays of (Y, X) to (T, C, Z, Y, X), :class:`ImageArray`,
        Datasets, ImagePlus, or images of ``ij_omero``. One image or several; an array is one image.
    argument
        What the macro's ``getArgument()`` returns.
    variables
        Set at the head of the macro: numbers, texts and truth values by name.
    outputs
        Names of the macro's variables whose values at its end are wanted.
    timeout
        Seconds; without it there is no limit.

    Returns
    -------
    ModuleResult
        Images that the macro opened, the active one first (where it opened none, those it was given, as it left them),
        the results table, the ROIs of its ROI manager or overlays. ``outputs["return"]`` is what it returned.

    Raises
    ------
    ImageJError
        The macro has an error or calls ``exit(message)``; the message has ImageJ's own text and the line.
    OperationTimeoutError
        It did not end in time; it is aborted.
    """
    start().imagej1()
    opened = [to_imageplus(image) for image in image_list(images)]
    prefix = "".join(f"{name} = {_literal(value)}; " for name, value in (variables or {}).items())
    source = prefix + text  # on one line with the first, so that line numbers stay the user's
    interpreter = java_class("ij.macro.Interpreter")()
    returned: list[Any] = []
    named: dict[str, Any] = {}

    def work() -> CommandRun:
        with imagej1_state(opened) as state:
            _interpret(interpreter, source, argument, returned)
            if interpreter.wasError():
                raise ImageJError("the macro failed")
            named.update({name: _variable(interpreter, name) for name in outputs})
            return collect(state, "Results")

    try:
        outcome = call_imagej1(work, "the macro", timeout=timeout, stop=interpreter.abortMacro)
    except ImageJError as error:
        _explain(error, interpreter, source)
        raise
    trace = _STACK_TRACE.search(outcome.log)
    if trace:
        # ImageJ 1 only prints what goes wrong inside a command that a macro runs
        raise ImageJError(f"a command of the macro failed: {trace.group(1)}")
    run = outcome.value
    if returned and returned[0] is not None:
        named["return"] = str(returned[0])
    return ModuleResult(
        images=run.images,
        tables=[run.table] if run.table is not None else [],
        rois=run.rois,
        outputs=named,
        log=outcome.log,
    )


def image_list(images: Any) -> list[Any]:
    """Return one image or several as a list; a list or tuple holds several, anything else is one."""
    if images is None:
        return []
    return list(images) if isinstance(images, (list, tuple)) else [images]


def _interpret(interpreter: Any, source: str, argument: str, returned: list[Any]) -> None:
    """Run the macro; ``exit()`` without a message is a normal end."""
    import jpype

    try:
        returned.append(interpreter.run(source, argument))
    except jpype.JException as error:
        canceled = str(error.getMessage()) == "Macro canceled"
        if not canceled or interpreter.wasError() or interpreter.getErrorMessage() is not None:
            raise
        left = _EXIT.search(_line(interpreter, source))
        if left is None or left["message"]:
            raise


def _variable(interpreter: Any, name: str) -> float | int | str | None:
    """Return a variable of a macro that has ended; None where it has none of this name."""
    text = interpreter.getStringVariable(name)
    if text is not None:
        return str(text)
    value = float(interpreter.getVariable2(name))
    if value != value:
        return None
    return int(value) if value.is_integer() else value


def _line(interpreter: Any, source: str) -> str:
    lines = source.splitlines()
    number = int(interpreter.getLineNumber())
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _explain(error: ImageJError, interpreter: Any, source: str) -> None:
    """Add the interpreter's own words and the line to the error."""
    own = interpreter.getErrorMessage()
    number, line = int(interpreter.getLineNumber()), _line(interpreter, source).strip()
    if own is not None:
        error.args = (f"the macro failed in line {number}: {one_line(str(own))}: {line[:120]}",)
    elif line:
        error.args = (f"{error.args[0]} (line {number}: {line[:120]})",)


def _literal(value: Any) -> str:
    """Write a value as the macro language does."""
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (int, float)):
        return repr(plain).replace("inf", "1/0").replace("nan", "0/0")
    text = str(plain).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
