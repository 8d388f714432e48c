"""Pixels over HTTP: what is common to all servers here, each of which is a package of its own.

Every server reads through the same stores, cells and rendering as the rest, and answers as
`ij_omero.services.ServiceSettings` allows: loopback only unless there is a token, bodies bounded and streamed, heavy
work limited, every refusal one line of text.
"""

from __future__ import annotations

from ._core import Background, ServiceSettings, serve

__all__ = ["Background", "ServiceSettings", "serve"]
