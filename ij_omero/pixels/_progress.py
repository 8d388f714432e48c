"""How long work tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with steps done and steps in all; raising from it cancels the work, which then undoes itself."""

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Report that ``done`` of ``total`` steps are finished; ``what`` names the work."""


def no_progress(done: int, total: int, what: str = "") -> None:
    """Report to nobody."""
