"""Subclasses of SCIFIO's own classes, compiled at run time: a proxy can be no subclass, and costs much per call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)


def subclass(parent: str, name: str, members: Sequence[tuple[str, str]], otherwise: str) -> Any:
    """Return a Java class that extends one of SCIFIO's; None without javassist.

    Parameters
    ----------
    parent
        Full name of the class that is extended.
    name
        Of the new class, in the same package.
    members
        javassist's kind (``Field``, ``Constructor`` or ``Method``) and the source of each.
    otherwise
        What happens where it cannot be compiled, for the log.
    """
    import jpype

    try:
        pool = jpype.JClass("javassist.ClassPool")(True)
    except TypeError:
        return None
    extended = java_class(parent)
    pool.appendClassPath(jpype.JClass("javassist.ClassClassPath")(extended.class_))
    try:
        made = pool.makeClass(f"{parent.rpartition('.')[0]}.{name}", pool.get(parent))
        for kind, source in members:
            maker = jpype.JClass("javassist.CtField" if kind == "Field" else f"javassist.CtNew{kind}")
            getattr(made, f"add{kind}")(maker.make(source, made))
        return jpype.JClass(made.toClass(extended.class_))
    except jpype.JException as error:
        _log.info("%s: %s", otherwise, error)
        return None
