"""A real OMERO.server on this machine from public packages: up, down, status and wipe."""

from __future__ import annotations

from ._home import HOME_VARIABLE, default_home
from ._server import DEFAULT_JAVA_OPTIONS, LocalServer
from ._status import ServerStatus

__all__ = ["DEFAULT_JAVA_OPTIONS", "HOME_VARIABLE", "LocalServer", "ServerStatus", "default_home"]
