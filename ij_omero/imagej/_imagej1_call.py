"""Calling ImageJ 1: one call at a time, on a thread of its own, with a time limit, its errors as Python exceptions."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ij_omero.errors import IJOmeroError, ImageJError, OperationTimeoutError

from ._headless_recipe import THREAD_NAME
from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_log = logging.getLogger(__name__)
_CANCELED = "Macro canceled"
_GRACE_S = 3.0
_POLL_S = 0.2


@dataclass(frozen=True)
class CallOutcome(Generic[T]):
    """What a call returned and what ImageJ wrote meanwhile."""

    value: T
    log: str


class _Gate:
    """Lets one call in at a time; remembers one that did not stop at its time limit."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stuck: str | None = None


_gate = _Gate()


def call_imagej1(
    work: Callable[[], T], what: str, *, timeout: float | None = None, stop: Callable[[], None] | None = None
) -> CallOutcome[T]:
    """Run a function that uses ImageJ 1.

    Parameters
    ----------
    work
        Called on a thread whose name makes ImageJ 1 take options from a macro and abort at its own errors.
    what
        What is run, for messages: ``"Gaussian Blur..."``.
    timeout
        Seconds to wait; without it there is no limit.
    stop
        Asks `work` to end, at the time limit or on ^C.

    Raises
    ------
    ImageJError
        ImageJ failed, with its own text.
    OperationTimeoutError
        The time limit was reached. ImageJ is asked to stop; until it has, other calls are refused.
    """
    start().imagej1()
    if threading.current_thread() is _gate.thread:
        # a Python module that ImageJ 1 itself called: it is inside the gate already
        return CallOutcome(work(), "")
    _enter(what, timeout)
    call = _Call(work, what)
    thread = threading.Thread(target=call.run, name=THREAD_NAME, daemon=True)
    _gate.thread = thread
    thread.start()
    try:
        finished = call.wait(timeout)
    except BaseException:
        call.interrupt(stop)
        raise
    if not finished:
        call.interrupt(stop)
        raise OperationTimeoutError(
            f"{what} did not finish within {timeout:g} s and was asked to stop; allow more time, or give it less to do"
        )
    return call.outcome()


def _enter(what: str, timeout: float | None) -> None:
    """Wait for the gate, but not for a call that ignores being stopped."""
    waited = 0.0
    while not _gate.lock.acquire(timeout=_POLL_S):
        waited += _POLL_S
        if _gate.stuck is not None:
            raise ImageJError(
                f"{what} cannot run: {_gate.stuck} was asked to stop and still runs, and ImageJ 1 does one thing at a "
                "time; wait for it, or start a new process"
            )
        if timeout is not None and waited >= timeout:
            raise OperationTimeoutError(f"{what} waited {timeout:g} s for another call of ImageJ 1 to finish")


class _Call(Generic[T]):
    def __init__(self, work: Callable[[], T], what: str) -> None:
        self._work = work
        self._what = what
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._log = ""
        self._java_thread: Any = None
        self.done = threading.Event()

    def run(self) -> None:
        """Do the work; the gate opens again when it has ended, however long that takes."""
        import jpype

        try:
            self._java_thread = java_class("java.lang.Thread").currentThread()
            self._java_thread.setName(THREAD_NAME)
            with _captured_output() as written:
                try:
                    self._value.append(self._work())
                except jpype.JException as error:
                    self._error = error
                finally:
                    self._log = written()
            if isinstance(self._error, jpype.JException):
                self._error = imagej_error(self._error, self._what, self._log)
        except BaseException as error:
            self._error = error
        finally:
            _gate.stuck = None
            _gate.thread = None
            _gate.lock.release()
            self.done.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end and tell whether it came; signals get through.

        One of Java's threads may be given the signal, which wakes nobody up here, so waits are short.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while not self.done.wait(_POLL_S if until is None else min(_POLL_S, max(0.0, until - time.monotonic()))):
            if until is not None and time.monotonic() >= until:
                return self.done.is_set()
        return True

    def interrupt(self, stop: Callable[[], None] | None) -> None:
        """Ask the work to end, and note it where it does not."""
        import jpype

        try:
            if stop is not None:
                stop()
            java_class("ij.IJ").setKeyDown(java_class("java.awt.event.KeyEvent").VK_ESCAPE)
            if self._java_thread is not None:
                self._java_thread.interrupt()
        except jpype.JException as error:
            _log.warning("%s could not be asked to stop: %s", self._what, error)
        if not self.done.wait(_GRACE_S):
            _gate.stuck = self._what
            _log.warning("%s was asked to stop and still runs", self._what)
        java_class("ij.IJ").setKeyUp(java_class("java.awt.event.KeyEvent").VK_ESCAPE)

    def outcome(self) -> CallOutcome[T]:
        if self._error is not None:
            raise self._error
        return CallOutcome(self._value[0], self._log)


class _captured_output:
    """Java's standard output and error, as text, while this is open."""

    def __enter__(self) -> Callable[[], str]:
        system = java_class("java.lang.System")
        self._saved = (system.out, system.err)
        self._bytes = java_class("java.io.ByteArrayOutputStream")()
        stream = java_class("java.io.PrintStream")(self._bytes, True, "UTF-8")
        system.setOut(stream)
        system.setErr(stream)
        return lambda: str(self._bytes.toString("UTF-8"))

    def __exit__(self, *_: object) -> None:
        system = java_class("java.lang.System")
        system.setOut(self._saved[0])
        system.setErr(self._saved[1])


def imagej_error(error: Any, what: str, log: str) -> IJOmeroError:
    """Return a Java exception as an error of this package, with ImageJ's own text."""
    text = str(error.getMessage() or "")
    kind = str(error.getClass().getSimpleName())
    if text == _CANCELED:
        own = java_class("ij.IJ").getErrorMessage()
        text = str(own) if own is not None else last_lines(log)
        message = f"{what} failed: {one_line(text) or 'it canceled itself without a word'}"
    elif "HeadlessException" in kind or "headless dialog" in text or "dialog headlessly" in text:
        message = (
            f"{what} wants to open a window or to ask with a dialog, and there is no screen ({kind}); "
            "give what it asks for as inputs, or use a command that needs no window"
        )
    elif kind == "OutOfMemoryError":
        message = f"{what} needs more memory than Java may use; start with more: IJ_OMERO_MAX_HEAP=8g"
    else:
        message = f"{what} failed in ImageJ: {kind}: {one_line(text)}"
    failure = ImageJError(message)
    failure.__cause__ = error
    return failure


def last_lines(log: str, count: int = 3) -> str:
    """Return the last lines that say something."""
    return " ".join([line.strip() for line in log.splitlines() if line.strip()][-count:])


def one_line(text: str) -> str:
    """Join the lines of a message of ImageJ."""
    return " ".join(text.split())
