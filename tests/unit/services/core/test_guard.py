"""What every server refuses, and how it says so."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from ij_omero.errors import AccessDeniedError, DiskFullError, ImageNotFoundError, InvalidInputError, StorageError
from ij_omero.services import Background, ServiceSettings
from ij_omero.services._core import HeavyWork, Refusal, build_app, read_body, run_heavy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

TOKEN = "0123456789abcdef0123"


async def echo(request: Request) -> Response:
    return PlainTextResponse(await read_body(request))


async def failing(request: Request) -> Response:
    kinds: dict[str, Exception] = {
        "missing": ImageNotFoundError("there is no image 7"),
        "denied": AccessDeniedError("this user\nmay not"),
        "wrong": InvalidInputError("x must be 0 or more, not -1"),
        "full": DiskFullError("no space is left in the store"),
        "disk": StorageError("cannot read /secret/path"),
        "surprise": RuntimeError("password=hunter2"),
        "refused": Refusal(418, "a teapot", {"X-Tea": "green"}),
    }
    raise kinds[request.path_params["kind"]]


async def slow(request: Request) -> Response:
    await asyncio.sleep(60)
    return PlainTextResponse("late")


async def breaks_off(request: Request) -> Response:
    async def body() -> object:
        yield b"half"
        raise RuntimeError("no more")

    return StreamingResponse(body())  # type: ignore[arg-type]


ROUTES = [
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/fail/{kind}", failing),
    Route("/slow", slow),
    Route("/breaks", breaks_off),
]


@pytest.fixture
def started() -> Iterator[Callable[..., str]]:
    running = []

    def start(**limits: object) -> str:
        server = Background(lambda: build_app(ROUTES, ServiceSettings(**limits), public=("/page/",)))  # type: ignore[arg-type]
        running.append(server.start())
        return server.address

    yield start
    for server in running:
        server.stop()


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("missing", 404, "there is no image 7\n"),
        ("denied", 403, "this user may not\n"),
        ("wrong", 400, "x must be 0 or more, not -1\n"),
        ("full", 507, "no space is left in the store\n"),
        ("refused", 418, "a teapot\n"),
    ],
)
def test_an_error_is_one_line_with_its_status(started: Callable[..., str], kind: str, status: int, text: str) -> None:
    answer = httpx.get(f"{started()}/fail/{kind}")
    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers.get("x-tea") == ("green" if kind == "refused" else None)


@pytest.mark.parametrize("kind", ["disk", "surprise"])
def test_what_speaks_of_the_machine_stays_in_the_log(
    started: Callable[..., str], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = httpx.get(f"{started()}/fail/{kind}")
    assert answer.status_code == 500
    assert answer.text == "the server failed at this request; its log says why\n"
    assert f"GET /fail/{kind} failed" in caplog.text


def test_without_its_token_a_server_tells_nothing_but_its_health(started: Callable[..., str]) -> None:
    address = started(token=TOKEN)
    assert httpx.get(f"{address}/healthz").text == "ok\n"
    for path in ("/echo", "/metrics", "/nowhere"):
        refused = httpx.get(f"{address}{path}")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert httpx.get(f"{address}/echo", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(f"{address}/echo?token={TOKEN}").status_code == 401
    assert httpx.get(f"{address}/echo", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert httpx.get(f"{address}/page/app.js").status_code == 404


def test_a_browser_exchanges_the_token_for_a_cookie_that_does_not_tell_it(started: Callable[..., str]) -> None:
    with httpx.Client(base_url=started(token=TOKEN)) as browser:
        assert browser.post("/session", headers={"Authorization": "Bearer no"}).status_code == 401
        assert browser.get("/echo").status_code == 401
        answer = browser.post("/session", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert browser.get("/echo").status_code == 200
        browser.delete("/session")
        assert browser.get("/echo").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
def test_a_name_that_somebody_points_here_is_refused(started: Callable[..., str], host: str) -> None:
    assert httpx.get(f"{started()}/echo", headers={"Host": host}).status_code == 421


def test_this_machines_names_and_given_ones_are_taken(started: Callable[..., str]) -> None:
    address = started(names=("omero.example",))
    for host in ("localhost:1234", "127.0.0.1", "[::1]:80", "OMERO.example:4080"):
        assert httpx.get(f"{address}/echo", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_writes_nothing(started: Callable[..., str]) -> None:
    address = started()
    refused = httpx.post(f"{address}/echo", content=b"x", headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert httpx.post(f"{address}/echo", content=b"x", headers={"Origin": address}).text == "x"
    assert "access-control-allow-origin" not in httpx.get(f"{address}/echo", headers={"Origin": address}).headers


def test_a_body_is_bounded_whether_its_length_is_told_or_not(started: Callable[..., str]) -> None:
    address = started(max_body=1000)
    assert len(httpx.post(f"{address}/echo", content=b"x" * 1000).content) == 1000
    assert httpx.post(f"{address}/echo", content=b"x" * 1001).status_code == 413
    assert httpx.post(f"{address}/echo", content=iter([b"x" * 600, b"x" * 600])).status_code == 413


def test_a_request_ends_in_time(started: Callable[..., str]) -> None:
    answer = httpx.get(f"{started(request_seconds=0.2)}/slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_client_that_falls_silent_within_its_body_is_told_so(started: Callable[..., str]) -> None:
    import socket

    host, port = started(idle_seconds=0.2).removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        connection.settimeout(20)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_fails_half_way_is_not_taken_for_whole(
    started: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    address = started()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{address}/breaks")
    assert "GET /breaks failed" in caplog.text


def test_long_addresses_and_headers_are_refused(started: Callable[..., str]) -> None:
    address = started()
    assert httpx.get(f"{address}/echo?{'x' * 20000}").status_code == 414
    assert httpx.get(f"{address}/echo", headers={f"X-{i}": "y" * 5000 for i in range(16)}).status_code == 431


def test_what_is_asked_for_is_counted(started: Callable[..., str]) -> None:
    address = started()
    httpx.post(f"{address}/echo", content=b"12345")
    httpx.get(f"{address}/nowhere")
    text = httpx.get(f"{address}/metrics").text
    assert 'ij_omero_http_requests_total{endpoint="echo",method="POST",status="200"} 1.0' in text
    assert 'ij_omero_http_requests_total{endpoint="none",method="GET",status="404"} 1.0' in text
    assert 'ij_omero_http_request_seconds_count{endpoint="echo"} 1.0' in text


def test_beyond_loopback_a_token_is_needed() -> None:
    with pytest.raises(InvalidInputError, match="needs a token"):
        ServiceSettings(host="0.0.0.0")  # noqa: S104
    with pytest.raises(InvalidInputError, match="too short"):
        ServiceSettings(host="0.0.0.0", token="secret")  # noqa: S104
    assert TOKEN not in repr(ServiceSettings(token=TOKEN))


def test_heavy_work_is_bounded_and_the_rest_is_told_to_come_again() -> None:
    import threading

    go = threading.Event()
    at_once: list[int] = []
    lock = threading.Lock()
    running = 0

    def work() -> str:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        go.wait(20)
        with lock:
            running -= 1
        return "done"

    async def heavy(request: Request) -> Response:
        return PlainTextResponse(await run_heavy(request, work))

    settings = ServiceSettings(heavy=2, waiting=3, patience=20)
    with Background(lambda: build_app([Route("/heavy", heavy)], settings)) as address:

        async def ask() -> list[tuple[int, str | None]]:
            async with httpx.AsyncClient(timeout=30) as client:
                asked = [asyncio.create_task(client.get(f"{address}/heavy")) for _ in range(8)]
                refused = 0
                while refused < 3:
                    await asyncio.sleep(0.01)
                    refused = sum(task.done() for task in asked)
                go.set()
                answers = await asyncio.gather(*asked)
                return sorted((answer.status_code, answer.headers.get("retry-after")) for answer in answers)

        answers = asyncio.run(ask())
    assert [status for status, _ in answers] == [200] * 5 + [503] * 3
    assert answers[-1] == (503, "1")
    assert max(at_once) == 2


def test_who_could_only_be_refused_after_waiting_is_refused_at_once() -> None:
    import threading

    async def ask() -> None:
        places = HeavyWork(ServiceSettings(heavy=1, waiting=100, patience=0.05))
        slow, go = threading.Event(), threading.Event()
        await places.run(slow.wait, 1.5)  # from which it learns that work takes long
        running = asyncio.create_task(places.run(go.wait, 20))
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="as much work as it can do"):
            await places.run(go.wait, 20)
        go.set()
        assert await running
        places.close()

    asyncio.run(ask())
