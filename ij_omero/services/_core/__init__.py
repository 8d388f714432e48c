"""What every HTTP server of this package shares: access, limits, errors, metrics, starting and stopping."""

from __future__ import annotations

from ._app import build_app
from ._bodies import read_body, stream_body
from ._heavy import HeavyWork, run_heavy
from ._jpeg import encode_jpeg
from ._open_sources import OpenedSource, OpenImages, OpenSources
from ._parts import Part, build_app_of
from ._refusals import Refusal, refusal_for
from ._serving import Background, serve
from ._settings import ServiceSettings

__all__ = [
    "Background",
    "HeavyWork",
    "OpenImages",
    "OpenSources",
    "OpenedSource",
    "Part",
    "Refusal",
    "ServiceSettings",
    "build_app",
    "build_app_of",
    "encode_jpeg",
    "read_body",
    "refusal_for",
    "run_heavy",
    "serve",
    "stream_body",
]
