"""What was flushed survives a loss of power, although later commits are not waited for.

LMDB's file begins with two pages that lead to everything else. A commit that has not reached the disk may have
overwritten them there while the pages that they now lead to are missing. So a flush keeps a copy of the two, and holds
a reader at that moment, so that no page which the copies lead to is used again. After a loss of power, which a changed
boot id tells, the copies are put back. Without one they are not needed: what is committed is in the system's memory.
"""

from __future__ import annotations

import os
from pathlib import Path

_PAGES = 2
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what differs after each start of the machine; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def keep_roots(file: Path, page_size: int) -> None:
    """Copy the first pages of a file that was just synced, durably; the copy before stays until then."""
    with file.open("rb") as source:
        pages = source.read(_PAGES * page_size)
    part = _copy_of(file).with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as copy:
        copy.write(boot_id().encode("ascii").ljust(64) + pages)
        copy.flush()
        os.fsync(copy.fileno())
    part.replace(_copy_of(file))
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def restore_roots(file: Path) -> bool:
    """Put the copies back if the machine went down since they were made; tells whether it did."""
    try:
        content = _copy_of(file).read_bytes()
    except FileNotFoundError:
        return False
    made_in, now = content[:64].strip().decode("ascii", "replace"), boot_id()
    lost = bool(made_in and now and made_in != now)
    if lost:
        with file.open("r+b") as target:
            target.write(content[64:])
            target.flush()
            os.fsync(target.fileno())
    _copy_of(file).unlink()
    return lost


def forget_roots(file: Path) -> None:
    """Drop the copies: the file was synced and is not written to any more."""
    _copy_of(file).unlink(missing_ok=True)


def _copy_of(file: Path) -> Path:
    return file.with_name(file.name + ".flushed")
