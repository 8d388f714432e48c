"""The description of the interface as OpenAPI, for programs that write or test clients."""

from __future__ import annotations

from typing import Any

import ij_omero

from ._voxel_types import OTHER_TYPES, VOXEL_TYPES

Json = dict[str, Any]

_COORDINATES = r"^-?[0-9]{1,6}_-?[0-9]{1,6}_-?[0-9]{1,6}$"
_SIZE = r"^[0-9]{1,3}(_[0-9]{1,3}){1,2}$"
_REAL = r"^-?[0-9]{1,5}(\.[0-9]{1,3})?_-?[0-9]{1,5}(\.[0-9]{1,3})?_-?[0-9]{1,5}(\.[0-9]{1,3})?$"
_PATTERNS: dict[str, Json] = {
    "uuid": {"type": "string", "minLength": 1, "description": "a version: a UUID, its beginning, or UUID:branch"},
    "name": {"type": "string", "minLength": 1, "description": "an instance of data"},
    "branch": {"type": "string", "minLength": 1},
    "typename": {"enum": [*VOXEL_TYPES, *OTHER_TYPES]},
    "dims": {"enum": ["xy", "xz", "yz", "0_1", "0_2", "1_2", "0_1_2", "vol"]},
    "volume": {"enum": ["0_1_2"]},
    "size": {"type": "string", "pattern": _SIZE},
    "offset": {"type": "string", "pattern": _COORDINATES},
    "format": {"enum": ["png", "jpg", "jpg:80", "tif", "bmp"]},
    "block": {"type": "string", "pattern": _COORDINATES},
    "span": {"type": "integer", "minimum": 1, "maximum": 64},
    "topleft": {"type": "string", "pattern": _REAL},
    "topright": {"type": "string", "pattern": _REAL},
    "bottomleft": {"type": "string", "pattern": _REAL},
    "res": {"type": "number", "exclusiveMinimum": 0},
    "key": {"type": "string", "minLength": 1},
    "first": {"type": "string", "minLength": 1},
    "last": {"type": "string", "minLength": 1},
}
_SWITCH: Json = {"enum": ["on", "true", "off", "false"]}
_QUERY: dict[str, Json] = {
    "roi": {"type": "string"},
    "attenuation": {"type": "integer", "minimum": 1, "maximum": 7},
    "throttle": _SWITCH,
    "mutate": _SWITCH,
    "prefetch": _SWITCH,
    "compression": {"enum": ["", "jpeg", "uncompressed"]},
    "blocks": {"type": "string"},
    "imsure": {"enum": ["true"]},
    "passcode": {"type": "string"},
    "x": {"type": "integer"},
    "y": {"type": "integer"},
    "z": {"type": "integer"},
}
_POINT: Json = {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3}
_TEXT: Json = {"type": "string"}
_LINES: Json = {"type": "array", "items": _TEXT}


def _object(required: list[str] | None = None, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required or []}


_INSTANCE = _object(
    ["typename", "dataname"],
    typename={"enum": [*VOXEL_TYPES, *OTHER_TYPES]},
    dataname=_TEXT,
    BlockSize=_TEXT,
    VoxelSize=_TEXT,
    VoxelUnits=_TEXT,
    Background={"type": "integer", "minimum": 0, "maximum": 255},
    Compression={"enum": ["lz4", "gzip", "jpeg", "none"]},
    Versioned={"enum": ["true", "false"]},
    Tags=_TEXT,
)
_NODE, _REPO, _DATA = "/api/node/{uuid}", "/api/repo/{uuid}", "/api/node/{uuid}/{name}"
_VOXELS = ["roi", "attenuation", "throttle"]
_OCTETS = "application/octet-stream"
_PICTURES = ["image/png", "image/jpeg", "image/tiff", "image/bmp"]

# method, path, what it does, query, body, media types of the answer
_OPERATIONS: list[tuple[str, str, str, list[str], Json | str | None, list[str]]] = [
    ("get", "/api/help", "What there is", [], None, ["text/plain"]),
    ("get", "/api/help/{typename}", "What there is for a data type", [], None, ["text/plain"]),
    ("get", "/api/heartbeat", "Whether the server is alive", [], None, ["text/plain"]),
    ("get", "/api/load", "How busy it is", [], None, ["application/json"]),
    ("get", "/api/server/info", "What it is", [], None, ["application/json"]),
    ("get", "/api/server/types", "Data types in use", [], None, ["application/json"]),
    ("get", "/api/server/compiled-types", "Data types", [], None, ["application/json"]),
    ("post", "/api/server/settings", "Settings", [], _object(throttle={"type": "integer"}), ["text/plain"]),
    (
        "post",
        "/api/repos",
        "Make a repository",
        [],
        _object(alias=_TEXT, description=_TEXT, root=_TEXT, passcode=_TEXT),
        ["application/json"],
    ),
    ("get", "/api/repos/info", "All repositories", [], None, ["application/json"]),
    ("get", _REPO, "Whether there is a repository", [], None, ["text/plain"]),
    ("get", f"{_REPO}/info", "One repository", [], None, ["application/json"]),
    ("post", f"{_REPO}/info", "Name a repository", [], _object(alias=_TEXT, description=_TEXT), []),
    ("post", f"{_REPO}/instance", "Make an instance of data", [], _INSTANCE, ["application/json"]),
    ("delete", f"{_REPO}/{{name}}", "Delete an instance", ["imsure", "passcode"], None, ["application/json"]),
    ("get", f"{_REPO}/log", "A repository's log", [], None, ["application/json"]),
    ("post", f"{_REPO}/log", "Add to a repository's log", [], _object(log=_LINES), []),
    ("get", f"{_REPO}/branch-versions/{{branch}}", "Versions of a branch", [], None, ["application/json"]),
    ("get", f"{_NODE}/note", "A version's note", [], None, ["application/json"]),
    ("post", f"{_NODE}/note", "Set a version's note", [], _object(note=_TEXT), []),
    ("get", f"{_NODE}/log", "A version's log", [], None, ["application/json"]),
    ("post", f"{_NODE}/log", "Add to a version's log", [], _object(log=_LINES), []),
    ("get", f"{_NODE}/status", "Whether a version is committed", [], None, ["application/json"]),
    ("post", f"{_NODE}/commit", "Commit a version", [], _object(note=_TEXT, log=_LINES), ["application/json"]),
    ("post", f"{_NODE}/newversion", "Add a version", [], _object(note=_TEXT, uuid=_TEXT), ["application/json"]),
    (
        "post",
        f"{_NODE}/branch",
        "Add a branch",
        [],
        _object(["branch"], branch=_TEXT, note=_TEXT, uuid=_TEXT),
        ["application/json"],
    ),
    ("post", f"{_NODE}/tag", "Tag a version", [], _object(["tag"], tag=_TEXT, note=_TEXT), ["application/json"]),
    ("get", f"{_DATA}/help", "What there is for this instance", [], None, ["text/plain"]),
    ("get", f"{_DATA}/info", "Settings and extents", [], None, ["application/json"]),
    ("post", f"{_DATA}/info", "Change settings", [], _object(VoxelSize=_TEXT, VoxelUnits=_TEXT), []),
    ("get", f"{_DATA}/metadata", "Axes", [], None, ["application/vnd.dvid-nd-data+json"]),
    (
        "post",
        f"{_DATA}/extents",
        "Set the extents",
        [],
        _object(["MinPoint", "MaxPoint"], MinPoint=_POINT, MaxPoint=_POINT),
        [],
    ),
    (
        "post",
        f"{_DATA}/resolution",
        "Set the resolution",
        [],
        {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 3, "maxItems": 3},
        [],
    ),
    ("get", f"{_DATA}/rawkey", "A block's key", ["x", "y", "z"], None, ["application/json"]),
    ("get", f"{_DATA}/raw/{{dims}}/{{size}}/{{offset}}", "Voxels", _VOXELS, None, [_OCTETS, *_PICTURES]),
    ("get", f"{_DATA}/raw/{{dims}}/{{size}}/{{offset}}/{{format}}", "A picture", _VOXELS, None, _PICTURES),
    ("post", f"{_DATA}/raw/{{volume}}/{{size}}/{{offset}}", "Store blocks", ["roi", "mutate", "throttle"], _OCTETS, []),
    (
        "get",
        f"{_DATA}/isotropic/{{dims}}/{{size}}/{{offset}}/{{format}}",
        "A picture with square pixels",
        _VOXELS,
        None,
        _PICTURES,
    ),
    (
        "get",
        f"{_DATA}/arb/{{topleft}}/{{topright}}/{{bottomleft}}/{{res}}/{{format}}",
        "A plane in any orientation",
        ["throttle"],
        None,
        _PICTURES,
    ),
    ("get", f"{_DATA}/blocks/{{block}}/{{span}}", "Blocks along x", [], None, [_OCTETS]),
    ("post", f"{_DATA}/blocks/{{block}}/{{span}}", "Store blocks along x", ["mutate"], _OCTETS, []),
    ("get", f"{_DATA}/specificblocks", "Some blocks", ["blocks", "compression", "prefetch"], None, [_OCTETS]),
    ("get", f"{_DATA}/subvolblocks/{{size}}/{{offset}}", "A box", ["compression", "throttle"], None, [_OCTETS]),
    ("get", f"{_DATA}/roi", "A region's spans", [], None, ["application/json"]),
    ("post", f"{_DATA}/roi", "Store a region", [], {"type": "array", "items": {"type": "array"}}, []),
    ("delete", f"{_DATA}/roi", "Delete a region", [], None, []),
    ("get", f"{_DATA}/mask/{{volume}}/{{size}}/{{offset}}", "A region as voxels", [], None, [_OCTETS]),
    (
        "post",
        f"{_DATA}/ptquery",
        "Which voxels lie in a region",
        [],
        {"type": "array", "items": _POINT},
        ["application/json"],
    ),
    ("get", f"{_DATA}/key/{{key}}", "A value", [], None, [_OCTETS]),
    ("post", f"{_DATA}/key/{{key}}", "Store a value", [], _OCTETS, []),
    ("delete", f"{_DATA}/key/{{key}}", "Delete a value", [], None, []),
    ("get", f"{_DATA}/keys", "All keys", [], None, ["application/json"]),
    ("get", f"{_DATA}/keyrange/{{first}}/{{last}}", "Keys in a range", [], None, ["application/json"]),
]
_REFUSALS = {
    "400": "the request is not possible; the body says why",
    "401": "the server's token is needed",
    "404": "there is nothing at this address",
    "413": "the body is too long",
    "414": "the address is too long",
    "503": "the server is busy; ask again",
}


def description() -> Json:
    """Return the OpenAPI document."""
    paths: dict[str, Json] = {}
    for method, path, summary, query, body, answers in _OPERATIONS:
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": _PATTERNS[name]}
            for name in (part[1:-1] for part in path.split("/") if part.startswith("{"))
        ]
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name == "imsure" or path.endswith("rawkey"),
                "schema": _QUERY[name],
            }
            for name in query
        ]
        content: Json = {media: {"schema": {}} for media in answers}
        refused = {code: {"description": why, "content": {"text/plain": {}}} for code, why in _REFUSALS.items()}
        operation: Json = {
            "summary": summary,
            "parameters": parameters,
            "responses": {"200": {"description": "done"} | ({"content": content} if content else {}), **refused},
        }
        if body is not None:
            media, schema = (
                (body, {"type": "string", "format": "binary"}) if isinstance(body, str) else ("application/json", body)
            )
            operation["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "DVID imageblk", "version": ij_omero.__version__},
        "paths": paths,
    }
