"""Requests about repositories, their versions, and the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import ij_omero
from ij_omero.errors import InvalidInputError
from ij_omero.services._core import Refusal, read_body, run_heavy

from ._context import context_of, endpoint, json_answer
from ._help import help_text, server_help
from ._instances import lines_of, parse_object, text_of
from ._voxel_types import OTHER_TYPES, VOXEL_TYPES

if TYPE_CHECKING:
    from starlette.requests import Request

    from ._catalogue import Repo
    from ._versions import Node

SMALL_BODY = 1 << 20


async def _told(request: Request) -> dict[str, Any]:
    return parse_object(await read_body(request, SMALL_BODY))


def _uuid(request: Request) -> str:
    uuid: str = request.path_params["uuid"]
    return uuid


async def _node(request: Request) -> tuple[Repo, Node]:
    store, uuid = context_of(request).store, _uuid(request)
    if store.image_of(uuid) is None:
        return store.find(uuid)
    return await run_heavy(request, store.find, uuid)  # which may have to open an image


@endpoint
async def new_repo(request: Request) -> Response:
    """Make a repository."""
    told = await _told(request)
    alias, description = text_of(told, "alias"), text_of(told, "description")
    root, passcode = text_of(told, "root") or None, text_of(told, "passcode")
    store = context_of(request).store
    return json_answer({"root": await run_heavy(request, store.new_repo, alias, description, root, passcode)})


@endpoint
async def repos_info(request: Request) -> Response:
    """Tell of all repositories."""
    return json_answer(await run_heavy(request, context_of(request).store.all_told))


@endpoint
async def repo(request: Request) -> Response:
    """Tell whether there is a repository."""
    found, _ = await _node(request)
    return PlainTextResponse(f"Repo available with root UUID {found.uuid}\n")


@endpoint
async def repo_info(request: Request) -> Response:
    """Tell of a repository, or change what it is called."""
    store, uuid = context_of(request).store, _uuid(request)
    if request.method != "POST":
        return json_answer(await run_heavy(request, store.repo_told, uuid))
    told = await _told(request)
    given = {key: text_of(told, key) if key in told else None for key in ("alias", "description")}
    await run_heavy(request, store.set_repo_info, uuid, given["alias"], given["description"])
    return Response()


@endpoint
async def new_instance(request: Request) -> Response:
    """Make an instance of data."""
    made = await run_heavy(request, context_of(request).store.new_instance, _uuid(request), await _told(request))
    return json_answer({"result": f"Added {made.name} [{made.typename}] to node {made.root}"})


@endpoint
async def delete_instance(request: Request) -> Response:
    """Delete an instance of data, at all versions; ``imsure=true`` must say that this is meant."""
    if request.query_params.get("imsure") != "true":
        raise InvalidInputError("Cannot delete instance unless query string 'imsure=true' is appended")
    store, name = context_of(request).store, request.path_params["name"]
    passcode = request.query_params.get("passcode", "")
    await run_heavy(request, store.delete_instance, _uuid(request), name, passcode)
    return json_answer({"result": f"Deleted {name} from repo of node {_uuid(request)}"})


@endpoint
async def branch_versions(request: Request) -> Response:
    """Tell the versions of a branch, the leaf first."""
    found, _ = await _node(request)
    return json_answer([node.uuid for node in found.versions.branch(request.path_params["name"])])


@endpoint
async def repo_log(request: Request) -> Response:
    """Tell or add to a repository's log."""
    found, _ = await _node(request)
    if request.method != "POST":
        return json_answer({"log": found.log})
    lines = lines_of(await _told(request), "log")
    await run_heavy(request, context_of(request).store.add_repo_log, _uuid(request), lines)
    return Response()


@endpoint
async def note(request: Request) -> Response:
    """Tell or set a version's note."""
    if request.method != "POST":
        return json_answer({"note": (await _node(request))[1].note})
    text = text_of(await _told(request), "note")
    await run_heavy(request, context_of(request).store.set_note, _uuid(request), text)
    return Response()


@endpoint
async def log(request: Request) -> Response:
    """Tell or add to a version's log."""
    if request.method != "POST":
        return json_answer({"log": (await _node(request))[1].log})
    lines = lines_of(await _told(request), "log")
    await run_heavy(request, context_of(request).store.add_log, _uuid(request), lines)
    return Response()


@endpoint
async def status(request: Request) -> Response:
    """Tell whether a version is committed."""
    return json_answer({"Locked": (await _node(request))[1].locked})


@endpoint
async def commit(request: Request) -> Response:
    """Commit a version."""
    if request.method != "POST":
        return json_answer({"Locked": (await _node(request))[1].locked})
    told = await _told(request)
    store = context_of(request).store
    done = await run_heavy(request, store.commit, _uuid(request), text_of(told, "note"), lines_of(told, "log"))
    return json_answer({"committed": done})


@endpoint
async def new_version(request: Request) -> Response:
    """Add a version on the same branch."""
    return await _child(request, branch=False)


@endpoint
async def branch(request: Request) -> Response:
    """Add a version on a new branch."""
    return await _child(request, branch=True)


async def _child(request: Request, *, branch: bool) -> Response:
    told = await _told(request)
    name = text_of(told, "branch") if branch else None
    wished = text_of(told, "uuid") or None
    store = context_of(request).store
    child = await run_heavy(request, store.new_version, _uuid(request), text_of(told, "note"), name, wished)
    return json_answer({"child": child})


@endpoint
async def tag(request: Request) -> Response:
    """Give a version a further name."""
    told = await _told(request)
    store = context_of(request).store
    child = await run_heavy(request, store.tag, _uuid(request), text_of(told, "tag"), text_of(told, "note"))
    return json_answer({"child": child})


@endpoint
async def general_help(request: Request) -> Response:
    """Tell what there is."""
    return PlainTextResponse(server_help())


@endpoint
async def type_help(request: Request) -> Response:
    """Tell what there is for a data type."""
    typename = request.path_params["typename"]
    if typename not in VOXEL_TYPES and typename not in OTHER_TYPES:
        raise Refusal(404, f"there is no data type {typename[:80]!r}")
    return PlainTextResponse(help_text(typename))


@endpoint
async def server_info(request: Request) -> Response:
    """Tell what server this is."""
    info = {
        "DVID Version": f"ij-omero {ij_omero.__version__}",
        "Storage driver": "LMDB",
        "Cores": "",
        "Server uptime": "",
    }
    return json_answer({key: value for key, value in info.items() if value})


@endpoint
async def compiled_types(request: Request) -> Response:
    """Tell which data types may be made."""
    return json_answer({name: kind.url for name, kind in VOXEL_TYPES.items()} | OTHER_TYPES)


@endpoint
async def used_types(request: Request) -> Response:
    """Tell which data types there are."""
    repos = context_of(request).store.catalogue().repos.values()
    used = {each.typename for found in repos for each in found.instances.values()}
    urls = {name: kind.url for name, kind in VOXEL_TYPES.items()} | OTHER_TYPES
    return json_answer({name: urls[name] for name in sorted(used)})


@endpoint
async def settings(request: Request) -> Response:
    """Set how many throttled requests may be at work at once; ``gc`` has no meaning here."""
    told = await _told(request)
    most = told.get("throttle")
    if most is not None:
        if type(most) is not int:
            raise InvalidInputError("throttle must be a whole number")
        await run_heavy(request, context_of(request).set_throttle, most)
    return PlainTextResponse("")


@endpoint
async def heartbeat(request: Request) -> Response:
    """Tell that the server is alive."""
    return PlainTextResponse("I'm alive!\n")


@endpoint
async def load(request: Request) -> Response:
    """Tell how busy the server is."""
    return json_answer(
        {"throttle": context_of(request).store.throttle, "repos": len(context_of(request).store.catalogue().repos)}
    )


def repo_routes() -> list[Route]:
    """Return the routes of everything but data."""
    both = ["GET", "POST"]
    node, above = "/api/node/{uuid}", "/api/repo/{uuid}"
    return [
        Route("/api/help", general_help),
        Route("/api/help/{typename}", type_help),
        Route("/api/heartbeat", heartbeat),
        Route("/api/load", load),
        Route("/api/server/info", server_info),
        Route("/api/server/types", used_types),
        Route("/api/server/compiled-types", compiled_types),
        Route("/api/server/settings", settings, methods=["POST"]),
        Route("/api/repos", new_repo, methods=["POST"]),
        Route("/api/repos/info", repos_info),
        Route(above, repo),
        Route(f"{above}/info", repo_info, methods=both),
        Route(f"{above}/instance", new_instance, methods=["POST"]),
        Route(f"{above}/log", repo_log, methods=both),
        Route(f"{above}/branch-versions/{{name}}", branch_versions),
        Route(f"{above}/{{name}}", delete_instance, methods=["DELETE"]),
        Route(f"{node}/note", note, methods=both),
        Route(f"{node}/log", log, methods=both),
        Route(f"{node}/status", status),
        Route(f"{node}/commit", commit, methods=both),
        Route(f"{node}/newversion", new_version, methods=["POST"]),
        Route(f"{node}/branch", branch, methods=["POST"]),
        Route(f"{node}/tag", tag, methods=["POST"]),
    ]
