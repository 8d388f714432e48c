"""Codes by which a browser that was started here enters once, since others see the arguments of processes."""

from __future__ import annotations

import hmac
import secrets
import threading
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from ij_omero.services._core import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from ij_omero.services import ServiceSettings

ENTER = "/enter"


class EntryCodes:
    """Codes that are good for one exchange for the session's cookie each, as long as the token is for all."""

    def __init__(self) -> None:
        self._codes: list[str] = []
        self._lock = threading.Lock()

    def make(self) -> str:
        """Return a new code, for the fragment of an address: ``#code=...``."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes.append(code)
        return code

    def use(self, given: str) -> bool:
        """Tell whether a code is good; it is not any more afterwards."""
        with self._lock:
            for code in self._codes:
                if hmac.compare_digest(code.encode(), given.encode("utf-8", "replace")):
                    self._codes.remove(code)
                    return True
        return False

    def route(self, settings: ServiceSettings) -> Route:
        """Return ``POST /enter``, which takes a code as ``Authorization: Bearer CODE`` and sets the cookie."""

        async def enter(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not self.use(given):
                raise Refusal(401, "this code was used already: open the address with the token instead")
            answer = Response(status_code=204)
            if settings.cookie is not None and settings.cookie_name is not None:
                answer.set_cookie(settings.cookie_name, settings.cookie, httponly=True, samesite="strict")
            return answer

        return Route(ENTER, enter, methods=["POST"])
