"""What all endpoints share: the store, kept answers, limits, and how refusals are told."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette.responses import JSONResponse, Response

from ij_omero.errors import AccessDeniedError, InvalidInputError, NotFoundError
from ij_omero.services._core import Refusal

from ._answers import AnswerCache, BodyBudget
from ._layers import LayerCache
from ._throttle import MOST, Throttle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence

    from starlette.requests import Request

    from ._instances import Instance
    from ._store import VoxelStore

    Handler = Callable[[Request, str, str, str, Sequence[str]], Awaitable[Response]]

KEPT_STAMPS = 10_000
T = TypeVar("T")


@dataclass(frozen=True)
class Stamp:
    """An instance at a version, and how often it was written until now: what kept answers depend on."""

    state: int
    instance: Instance
    key: Hashable


@dataclass
class Limits:
    """Bounds of this interface, besides those of all servers.

    Parameters
    ----------
    request
        Bytes of voxels that one request may ask for or send.
    cache
        Bytes of answers, and of voxels for further ones, that each process keeps.
    bodies
        Bytes of bodies that each process holds at once.
    read_only
        Whether everything but reading is refused.
    grids
        Precomputed volumes by the names that instances may be made over; see `VoxelStore`.
    """

    request: int = 1 << 30
    cache: int = 256 << 20
    bodies: int = 1 << 30
    read_only: bool = False
    grids: Mapping[str, str] = field(default_factory=dict)


class Context:
    """One process' server.

    Parameters
    ----------
    store
        What is served.
    limits
        The bounds.
    """

    def __init__(self, store: VoxelStore, limits: Limits) -> None:
        self.store = store
        self.limits = limits
        self.answers = AnswerCache(limits.cache // 2)
        self.layers = LayerCache(limits.cache // 2)
        self.bodies = BodyBudget(limits.bodies)
        self._throttle = Throttle(store.folder)
        self._stamps: dict[tuple[str, str], Stamp] = {}
        self._asked: dict[Hashable, Any] = {}

    def known_stamp(self, uuid: str, name: str) -> Stamp | None:
        """Return what `stamp` does if that is known, without waiting for anything."""
        known = self._stamps.get((uuid, name))
        return known if known is not None and known.state == self.store.state_of(uuid) else None

    def stamp(self, uuid: str, name: str) -> Stamp:
        """Return what answers about an instance at a version depend on."""
        known = self.known_stamp(uuid, name)
        if known is not None:
            return known
        with self.store.reading(uuid, name) as place:
            # What is read, not `state`: that tells of a commit a moment before readers see it
            found = Stamp(place.transaction.id(), place.instance, place.state)
        if len(self._stamps) >= KEPT_STAMPS:
            self._stamps.clear()
        self._stamps[uuid, name] = found
        return found

    def parsed(self, key: Hashable, parse: Callable[[], T]) -> T:
        """Return what a request asks, parsed once: clients ask for the same places again."""
        found = self._asked.get(key)
        if found is None:
            if len(self._asked) >= KEPT_STAMPS:
                self._asked.clear()
            found = self._asked[key] = parse()
        parsed: T = found
        return parsed

    @contextmanager
    def throttled(self, wanted: str | None) -> Iterator[None]:
        """Do a request among no more than the server's throttled ones, where it asks for that; 503 otherwise."""
        if wanted not in ("on", "true"):
            yield
            return
        most = self.store.throttle
        with self._throttle.place(most) as free:
            if not free:
                raise Refusal(
                    503,
                    f"Server already running {most} throttled operations (max = {most})",
                    {"Retry-After": "1"},
                )
            yield

    def set_throttle(self, most: int) -> None:
        """Allow so many throttled requests at once."""
        if not 1 <= most <= MOST:
            raise InvalidInputError(f"throttle is 1 to {MOST}, not {most}")
        self.store.throttle = most


def context_of(request: Request) -> Context:
    """Return the server's context."""
    return cast("Context", request.app.state.dvid)


def endpoint(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Make refusals of an endpoint those of the interface: 400 with ``<message> (<path>).``."""

    @functools.wraps(handler)
    async def told(request: Request) -> Response:
        try:
            if request.method not in ("GET", "HEAD") and context_of(request).limits.read_only:
                raise AccessDeniedError("Server in read-only mode and will only accept GET and HEAD requests")
            return await handler(request)
        except Refusal:
            raise
        except (InvalidInputError, NotFoundError, AccessDeniedError) as error:
            raise bad_request(request, str(error)) from error

    return told


def bad_request(request: Request, message: str) -> Refusal:
    """Return the refusal of a request, with its path."""
    return Refusal(400, f"{message} ({request.url.path}).")


def json_answer(content: Any, media_type: str = "application/json") -> Response:
    """Return an answer of JSON."""
    return JSONResponse(content, media_type=media_type)
