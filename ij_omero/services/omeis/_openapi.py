"""The description of OMEIS in OpenAPI's terms."""

from __future__ import annotations

from typing import Any

from ._methods import METHODS

_NUMBERS = ("PixelsID", "FileID", "theY", "theZ", "theC", "theT", "nRows", "Offset", "Length", "TIFFDirIndex")
_TEXTS = (
    "Dims",
    "ROI",
    "Size",
    "SHA1",
    "Save",
    "OrigName",
    "RedChannel",
    "GreenChannel",
    "BlueChannel",
    "AlphaChannel",
    "GrayChannel",
    "TableID",
    "Dataset",
)
_FLAGS = ("IsSigned", "IsFloat", "BigEndian", "FlipHorizontal", "Force")


def _parameter(name: str, schema: dict[str, Any], required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


_PARAMETERS = [
    _parameter("Method", {"type": "string", "enum": sorted(METHODS)}, required=True),
    *(_parameter(name, {"type": "integer", "format": "int64"}) for name in _NUMBERS),
    *(_parameter(name, {"type": "string"}) for name in _TEXTS),
    *(_parameter(name, {"type": "string", "enum": ["0", "1", "true", "false"]}) for name in _FLAGS),
    _parameter("LevelBasis", {"type": "string", "enum": ["fixed", "mean", "geomean"]}),
    _parameter("Format", {"type": "string", "enum": ["jpeg", "png", "tiff"]}),
]
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES = {
    "200": {
        "description": "What the method answers",
        "content": {
            **_TEXT,
            **dict.fromkeys(("application/octet-stream", "image/jpeg", "image/png", "image/tiff"), _BINARY),
            "text/xml": {"schema": {"type": "string"}},
            "application/json": {"schema": {}},
        },
    },
    **{
        status: {"description": description, "content": _TEXT}
        for status, description in {
            "400": "The call was wrong",
            "401": "SessionKey is missing or wrong",
            "403": "This may only be done from the server's own machine",
            "404": "There are no such pixels, or no such file",
            "409": "The pixels cannot be read or written now",
            "411": "Content-Length is missing",
            "413": "The body is too long",
            "414": "The address is too long",
            "503": "Too much is asked for at once; ask again",
            "507": "There is no room",
        }.items()
    },
}
_FORM = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["Method"],
            "properties": {
                "Method": {"type": "string", "enum": sorted(METHODS)},
                **{name: {"type": "string"} for name in (*_NUMBERS, *_TEXTS)},
                **{name: {"type": "string", "format": "binary"} for name in ("File", "Pixels")},
            },
        }
    }
}

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "OMEIS", "version": "1", "description": "The image server interface of OME"},
    "paths": {
        "/cgi-bin/omeis": {
            "get": {"operationId": "call", "parameters": _PARAMETERS, "responses": _RESPONSES},
            "post": {
                "operationId": "callWithUpload",
                "requestBody": {"required": True, "content": _FORM},
                "responses": _RESPONSES,
            },
        }
    },
}
