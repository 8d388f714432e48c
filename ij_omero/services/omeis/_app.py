"""OMEIS by HTTP: GET, HEAD and POST, urlencoded or multipart, at ``/cgi-bin/omeis``."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ij_omero.services._core import Part, Refusal, ServiceSettings, build_app_of, run_heavy

from ._failure import MethodFailure
from ._methods import Omeis
from ._openapi import OPENAPI
from ._parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.applications import Starlette
    from starlette.datastructures import FormData, UploadFile
    from starlette.requests import Request

    from ij_omero.pixels import ImageStore

    from ._repository import Repository
    from ._service import Answer

PATH = "/cgi-bin/omeis"
BINARY_FIELDS = ("File", "Pixels")
MOST_FIELDS = 100
LONGEST_FIELD = 1 << 20


def omeis_part(store: ImageStore, repository: Repository, settings: ServiceSettings) -> Part:
    """Return OMEIS for a server that may serve other interfaces as well; see `omeis_app`."""
    omeis = Omeis(store, repository)

    async def answer(request: Request) -> Response:
        async with _given(request) as parameters:
            try:
                _check_session(request, parameters, settings)
                called = await run_heavy(request, omeis.call, parameters, is_local=_is_local(request))
                return await _response(request, called)
            except MethodFailure as failure:
                return Response(str(failure), failure.status, media_type="text/plain")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            omeis.close()

    # the guard lets the path pass: a session's key may be among the parameters, where only this looks
    return Part([Route(PATH, answer, methods=["GET", "HEAD", "POST"])], (PATH,), OPENAPI, lifespan)


def omeis_app(store: ImageStore, repository: Repository, settings: ServiceSettings | None = None) -> Starlette:
    """Return an OMEIS server over a store.

    Parameters
    ----------
    store
        Where finished pixels are images; it stays its owner's.
    repository
        Where the server keeps the rest.
    settings
        Its limits. Where there is a token, it is taken as ``SessionKey`` as well, best in a POST.
    """
    settings = settings or ServiceSettings()
    return build_app_of([omeis_part(store, repository, settings)], settings)


@contextlib.asynccontextmanager
async def _given(request: Request) -> AsyncIterator[Parameters]:
    """Give the parameters in their order, those in the address first, with the upload."""
    pairs = list(request.query_params.multi_items())
    if request.method != "POST":
        yield Parameters(pairs)
        return
    if "content-length" not in request.headers:
        raise Refusal(411, "a POST must tell its Content-Length")
    form = await _form(request)
    upload: UploadFile | None = None
    try:
        for name, value in form.multi_items():
            if isinstance(value, str):
                pairs.append((name, value))
            elif name in BINARY_FIELDS:
                upload = value
                pairs.append((name, value.filename or ""))
            else:
                raise Refusal(400, f"a file was sent as {name[:40]!r}; its field is File or Pixels")
        yield Parameters(pairs, None if upload is None else upload.file)
    finally:
        await form.close()


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD)
    except Refusal:
        raise
    except HTTPException as error:
        raise Refusal(400, f"the form cannot be read: {error.detail}") from None


def _check_session(request: Request, parameters: Parameters, settings: ServiceSettings) -> None:
    if settings.token is None:
        return
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    given = bearer or parameters.text("SessionKey") or ""
    if not hmac.compare_digest(given.encode(), settings.token.encode()):
        raise MethodFailure(parameters.text("Method") or "OMEIS", "SessionKey is missing or wrong", status=401)


def _is_local(request: Request) -> bool:
    if request.client is None:
        return False
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(request.client.host).is_loopback
    return False


async def _response(request: Request, answer: Answer) -> Response:
    if isinstance(answer.body, bytes):
        return Response(answer.body, headers=answer.headers, media_type=answer.media_type)
    headers = dict(answer.headers)
    if answer.length is not None:
        headers["Content-Length"] = str(answer.length)
    if request.method == "HEAD":
        return Response(headers=headers, media_type=answer.media_type)
    first = await run_heavy(request, next, answer.body, b"")
    return StreamingResponse(_pieces(request, first, answer.body), headers=headers, media_type=answer.media_type)


async def _pieces(
    request: Request, first: bytes | memoryview, rest: Iterator[bytes | memoryview]
) -> AsyncIterator[bytes | memoryview]:
    piece: Any = first
    while piece:
        yield piece
        piece = await run_heavy(request, next, rest, b"")
