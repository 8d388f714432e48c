"""Tests of refused writes also mean something where the tests run as root, whom no permission stops."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOBODY = 65534
_ENTER = 0o011  # the group too: root's groups are kept


@contextlib.contextmanager
def as_ordinary_user(folder: Path) -> Iterator[None]:
    """Act as a user whom file permissions bind, and who can enter `folder`."""
    if os.geteuid() != 0:
        yield
        return
    # pytest's own folders are for their owner only
    opened = {parent: parent.stat().st_mode for parent in (folder, *folder.parents) if parent.stat().st_uid == 0}
    for parent, mode in opened.items():
        parent.chmod((mode | _ENTER) & 0o7777)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for parent, mode in opened.items():
            parent.chmod(mode & 0o7777)
