"""Progress on a terminal: a bar for counted steps, a line for what is fetched or started.

Both go to standard error, and only where that is a terminal; a bar appears after a second of work.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE = 1.0  # seconds of work before a bar appears


class Bar:
    """A bar for counted steps; an instance is what the package calls a `Progress`."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Move the bar; a new kind of work begins a new one."""
        if self._bar is None or what != self._what:
            self.close()
            self._what = what
            # A library's progress bar, imported only by commands that have something to wait for.
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=what, delay=_PATIENCE, disable=None, leave=False, file=sys.stderr)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Bar:
        """Return the bar."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self.close()


class Lines:
    """Says what is fetched, built or started; an instance is what `ij_omero.provision` calls a `Progress`.

    Parameters
    ----------
    always
        Say it even where standard error is no terminal (in a log of continuous integration, for example).
    """

    def __init__(self, always: bool = False) -> None:
        self._shown = always or sys.stderr.isatty()
        self._last = ""

    def __call__(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Say a step once, however often its count changes."""
        if self._shown and message != self._last:
            self._last = message
            click.echo(f"  {message}", err=True)
