"""The routes as an OpenAPI document, for clients and for those who test them."""

from __future__ import annotations

from typing import Any

from ij_omero import __version__

_PICTURES = ("image/jpeg", "image/png", "image/tiff")
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_NUMBER = {"type": "integer", "minimum": 0}
_NAME = {"type": "string", "minLength": 1}


def describe_routes() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    plane = [_path("image", _NAME), _path("z", _NUMBER), _path("t", _NUMBER)]
    region = [
        _query("tile", "level,x,y[,width,height]; level 0 is full size, x and y count tiles", "0,0,0,512,512"),
        _query("region", "x,y,width,height in pixels of full size", "0,0,256,256"),
    ]
    scaled = [
        {**_query("region", "x,y,width,height in pixels of full size", "-10,-10,512.5,512.5"), "required": True},
        _query("max_size", "the longest side of the answer", "2000"),
    ]
    sizes = [_path("width", _NUMBER), _path("height", _NUMBER)]
    part = [_query("offset", "how many to leave out", "0"), _query("limit", "how many at most", "100")]
    bins = [_query("theZ", "z-section", "0"), _query("theT", "timepoint", "0"), _query("bins", "how many", "256")]
    image = _path("image", _NAME)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ij_omero viewer", "version": __version__},
        "paths": {
            "/webgateway/render_image_region/{image}/{z}/{t}/": _picture(
                "A tile of a resolution level, or a region of full size", [*plane, *region, *_rendering()]
            ),
            "/webgateway/render_image/{image}/": _picture("The default plane", [image, *_rendering()]),
            "/webgateway/render_image/{image}/{z}/{t}/": _picture("A plane at full size", [*plane, *_rendering()]),
            "/figure/render_scaled_region/{image}/{z}/{t}/": _picture(
                "A region of full size, scaled down", [*plane, *scaled, *_rendering()]
            ),
            "/webgateway/render_thumbnail/{image}/": _picture("The image, small", [image, *_rendering()]),
            "/webgateway/render_thumbnail/{image}/{width}/": _picture(
                "The image within a square", [image, sizes[0], *_rendering()]
            ),
            "/webgateway/render_thumbnail/{image}/{width}/{height}/": _picture(
                "The image within a rectangle", [image, *sizes, *_rendering()]
            ),
            "/webgateway/imgData/{image}/": _json("What a viewer wants to know of an image", [image], "object"),
            "/webgateway/imgData/{image}/{key}/": _json("One part of it", [image, _path("key", _NAME)], None),
            "/webgateway/histogram_json/{image}/channel/{c}/": _json(
                "How often pixel values occur", [image, _path("c", _NUMBER), *bins], "object"
            ),
            "/webgateway/get_rois_json/{image}/": _json("ROIs with their shapes", [image, *part], "array"),
            "/api/images": _json("The images of the store", part, "array"),
            "/api/images/{image}": _json("What belongs to an image but is not a pixel", [image], "object"),
            "/api/images/{image}/masks/{roi}/{index}": _picture(
                "A mask of a ROI as a transparent PNG", [image, _path("roi", _NAME), _path("index", _NUMBER)]
            ),
        },
    }


def _rendering() -> list[dict[str, Any]]:
    return [
        _query("c", "channels as [-]index[|start:end][$RRGGBB or $name.lut],..., counted from 1", "1|0:255$FF0000,-2"),
        _query("maps", "JSON: per entry of c {inverted: {enabled}, quantization: {family, coefficient}}", "[]"),
        _query("m", "g for grey, c for colours", "c"),
        _query("p", "normal, intmax, intmean or intsum, with |first:last z-section", "intmax|0:1"),
        _query("q", "quality of a JPEG, 0 to 1", "0.9"),
        _query("format", "jpeg, png or tif", "png"),
        _query("v", "the image's version, as /api/images/{image} tells it: the answer may be kept", ""),
    ]


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "query", "description": description, "schema": schema, "example": example}


def _operation(summary: str, parameters: list[dict[str, Any]], content: dict[str, Any]) -> dict[str, Any]:
    refusals = {
        "304": {"description": "The client has it (If-None-Match)"},
        "400": {"description": "A parameter is wrong; one line says which", "content": _TEXT},
        "401": {"description": "The token is missing", "content": _TEXT},
        "404": {"description": "There is no such image, or no such part of it", "content": _TEXT},
        "414": {"description": "The address is too long", "content": _TEXT},
        "503": {"description": "Too much work at once; come again after Retry-After", "content": _TEXT},
    }
    done = {"description": summary, "content": content, "headers": {"ETag": {"schema": {"type": "string"}}}}
    return {"get": {"summary": summary, "parameters": parameters, "responses": {"200": done, **refusals}}}


def _picture(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return _operation(summary, parameters, {media_type: {} for media_type in _PICTURES})


def _json(summary: str, parameters: list[dict[str, Any]], kind: str | None) -> dict[str, Any]:
    schema = {} if kind is None else {"type": kind}
    return _operation(summary, parameters, {"application/json": {"schema": schema}})
