"""Instances of data: their settings and how they are told."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError

from ._block_codecs import Compression
from ._geometry import Box, Point, block_of, checked_box, parse_point, parse_whole
from ._versions import LONGEST_TEXT
from ._voxel_types import OTHER_TYPES, VOXEL_TYPES, VoxelType

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_BLOCK = 16 << 20
DEFAULT_BLOCK = Point(32, 32, 32)
_NAME = re.compile(r"[^\s/?#:%\\\x00-\x1f\x7f]{1,200}")
_RESERVED = frozenset({"note", "log", "commit", "status", "branch", "newversion", "tag", "info", "instance"})
_CHANGEABLE = frozenset({"voxelsize", "res", "voxelunits", "background", "minpoint", "maxpoint", "tags"})


@dataclass(frozen=True)
class Instance:
    """One instance of data in a repository.

    Attributes
    ----------
    number
        Its number in the store, which keys hold.
    name, typename, uuid, root
        Its name, its type, its own UUID, and the UUID of the version that it was made at.
    versioned
        Whether each version has its own data; else all share the root's.
    grid_store, scale_level
        The precomputed volume, and its scale, that it shows; empty where it has voxels of its own.
    """

    number: int
    name: str
    typename: str
    uuid: str
    root: str
    versioned: bool = True
    compression: Compression = field(default_factory=Compression)
    tags: Mapping[str, str] = field(default_factory=dict)
    block: Point = DEFAULT_BLOCK
    voxel_size: tuple[float, float, float] = (8.0, 8.0, 8.0)
    voxel_units: tuple[str, str, str] = ("nanometers", "nanometers", "nanometers")
    background: int = 0
    min_point: Point | None = None
    max_point: Point | None = None
    grid_store: str = ""
    scale_level: int = 0

    @property
    def voxels(self) -> VoxelType:
        """The kind of its voxels; only for instances that have some."""
        kind = VOXEL_TYPES.get(self.typename)
        if kind is None:
            raise InvalidInputError(f"data {self.name!r} is of type {self.typename} and has no voxels")
        return kind

    @property
    def block_bytes(self) -> int:
        """Bytes of a block without compression."""
        return self.block.x * self.block.y * self.block.z * self.voxels.nbytes

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return told | {"compression": [self.compression.form, self.compression.level], "tags": dict(self.tags)}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Instance:
        """Undo `to_json`."""
        points = {name: None if told[name] is None else Point(*told[name]) for name in ("min_point", "max_point")}
        return cls(
            **told
            | {"compression": Compression(*told["compression"]), "block": Point(*told["block"])}
            | {"voxel_size": tuple(told["voxel_size"]), "voxel_units": tuple(told["voxel_units"])}
            | points
        )

    def told(self, extents: Box | None) -> dict[str, Any]:
        """Return what ``info`` answers."""
        base = {
            "TypeName": self.typename,
            "TypeURL": VOXEL_TYPES[self.typename].url if self.typename in VOXEL_TYPES else OTHER_TYPES[self.typename],
            "TypeVersion": "0.2",
            "DataUUID": self.uuid,
            "Name": self.name,
            "RepoUUID": self.root,
            "Compression": str(self.compression),
            "Checksum": "XXH3 checksum",
            "Syncs": [],
            "Versioned": self.versioned,
            "KVStore": "LMDB",
            "LogStore": "no mutation log set",
            "Tags": dict(self.tags),
        }
        if self.typename not in VOXEL_TYPES:
            return {"Base": base, "Extended": {"BlockSize": list(self.block)}}
        known = None if extents is None else (list(extents.offset), list(extents.last))
        points = {"MinPoint": known and known[0], "MaxPoint": known and known[1]}
        return {"Base": base, "Extended": self.properties(extents), "Extents": points}

    def properties(self, extents: Box | None) -> dict[str, Any]:
        """Return what ``info`` and ``metadata`` say of the voxels."""
        kind = self.voxels
        corners = None if extents is None else (extents.offset, extents.last)
        return {
            "Values": [{"DataType": kind.dtype.name, "Label": label} for label in kind.labels],
            "Interpolable": True,
            "BlockSize": list(self.block),
            "VoxelSize": list(self.voxel_size),
            "VoxelUnits": list(self.voxel_units),
            "MinPoint": corners and list(corners[0]),
            "MaxPoint": corners and list(corners[1]),
            "MinIndex": corners and list(block_of(corners[0], self.block)),
            "MaxIndex": corners and list(block_of(corners[1], self.block)),
            "Background": self.background,
            "GridStore": self.grid_store,
            "ScaleLevel": self.scale_level,
        }

    def metadata(self, extents: Box | None) -> dict[str, Any]:
        """Return the layout of the bytes as ``application/vnd.dvid-nd-data+json`` has it."""
        size = (0, 0, 0) if extents is None else extents.size
        offset = (0, 0, 0) if extents is None else extents.offset
        axes = [
            {"Label": label, "Resolution": length, "Units": unit, "Size": count, "Offset": start}
            for label, length, unit, count, start in zip(
                "XYZ", self.voxel_size, self.voxel_units, size, offset, strict=True
            )
        ]
        return {"Axes": axes, "Properties": self.properties(extents)}

    def changed(self, settings: Mapping[str, Any]) -> Instance:
        """Return the instance with other settings; InvalidInputError where one cannot change any more."""
        given = {key.lower(): value for key, value in settings.items()}
        fixed = sorted(set(given) - _CHANGEABLE)
        if fixed:
            raise InvalidInputError(
                f"{', '.join(fixed)[:200]} of {self.name!r} cannot be changed; {', '.join(sorted(_CHANGEABLE))} can"
            )
        return replace(self, **_values(given, self.typename))


def make_instance(number: int, uuid: str, root: str, settings: Mapping[str, Any]) -> Instance:
    """Return a new instance as a client asks for it; keys may be written in any case.

    Raises
    ------
    InvalidInputError
        A setting is unknown or not possible.
    """
    given = {str(key).lower(): value for key, value in settings.items()}
    typename, name = given.get("typename"), given.get("dataname")
    if not isinstance(typename, str) or not typename:
        raise InvalidInputError("POST on repo endpoint requires specification of valid 'typename'")
    if not isinstance(name, str) or not name:
        raise InvalidInputError("POST on repo endpoint requires specification of valid 'dataname'")
    if typename not in VOXEL_TYPES and typename not in OTHER_TYPES:
        known = ", ".join([*VOXEL_TYPES, *OTHER_TYPES])
        raise InvalidInputError(f"data type {typename[:80]!r} is not known here; there are {known}")
    if name in _RESERVED:
        raise InvalidInputError(f'cannot use reserved name "{name}"')
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise InvalidInputError("a data name has up to 200 printable characters, no spaces and none of / ? # : % \\")
    made = Instance(number, name, typename, uuid, root, **_values(given, typename))
    if typename in VOXEL_TYPES and made.compression.form == "jpeg" and VOXEL_TYPES[typename].nbytes != 1:
        raise InvalidInputError("only voxels of 1 byte can be stored as JPEG; use lz4, gzip or none")
    if math.prod(made.block) * (made.voxels.nbytes if typename in VOXEL_TYPES else 1) > LARGEST_BLOCK:
        raise InvalidInputError(f"a block of {tuple(made.block)} voxels is larger than {LARGEST_BLOCK} bytes")
    if made.compression.form == "jpeg" and (made.block.x > 65535 or made.block.y * made.block.z > 65535):
        raise InvalidInputError("such blocks are too long for a JPEG, which has at most 65535 rows and columns")
    return made


def _values(given: Mapping[str, Any], typename: str) -> dict[str, Any]:
    """Return the fields that settings give; a JSON list does as well as a text with commas."""
    text = {key: _text(key, value) for key, value in given.items() if value is not None}
    found: dict[str, Any] = {}
    if "versioned" in text:
        if text["versioned"].lower() not in ("true", "false", "1", "0"):
            raise InvalidInputError(f"versioned is 'true' or 'false', not {text['versioned'][:40]!r}")
        found["versioned"] = text["versioned"].lower() in ("true", "1")
    if "compression" in text:
        found["compression"] = Compression.parse(text["compression"])
    if text.get("tags"):
        found["tags"] = _tags(text["tags"])
    if "blocksize" in text:
        sides = _repeated(text["blocksize"], "BlockSize")
        found["block"] = Point(*(parse_whole(side, "BlockSize") for side in sides))
        if min(found["block"]) < 1:
            raise InvalidInputError(f"BlockSize must be 1 or more along every axis, not {tuple(found['block'])}")
    size = text.get("voxelsize", text.get("res"))
    if size is not None:
        found["voxel_size"] = resolution(_repeated(size, "VoxelSize"))
    if "voxelunits" in text:
        found["voxel_units"] = _repeated(text["voxelunits"], "VoxelUnits")
    if "background" in text:
        found["background"] = parse_whole(text["background"], "Background")
        if not 0 <= found["background"] <= 255:
            raise InvalidInputError(f"Background is 0 to 255, not {found['background']}")
    for key, name in (("minpoint", "min_point"), ("maxpoint", "max_point")):
        if key in text:
            found[name] = parse_point(text[key], key, ",")
    if "scalelevel" in text:
        found["scale_level"] = parse_whole(text["scalelevel"], "ScaleLevel")
    if text.get("gridstore"):
        found["grid_store"] = text["gridstore"]
    return found


def resolution(given: Any) -> tuple[float, float, float]:
    """Return the distance of voxels along x, y and z, which must be three positive numbers."""
    try:
        numbers = tuple(float(number) for number in given)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    # float32, as DVID keeps them
    if len(numbers) != 3 or not all(0 < number < 3e38 and np.float32(number) > 0 for number in numbers):
        raise InvalidInputError("the resolution must be three positive numbers, as in [8, 8, 8]")
    return (numbers[0], numbers[1], numbers[2])


def extents_of(body: bytes | bytearray) -> Box:
    """Return the box that the body of ``POST extents`` says."""
    told = parse_object(body)
    corners = []
    for name in ("MinPoint", "MaxPoint"):
        value = told.get(name)
        if not isinstance(value, list) or len(value) != 3 or not all(type(number) is int for number in value):
            raise InvalidInputError('extents must be {"MinPoint": [x, y, z], "MaxPoint": [x, y, z]} in whole numbers')
        corners.append(value)
    size = Point(*(last - first + 1 for first, last in zip(*corners, strict=True)))
    return checked_box(Point(*corners[0]), size)


def parse_json(body: bytes | bytearray) -> Any:
    """Return what a body of JSON holds, or raise InvalidInputError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"Malformed JSON request in body: {str(error)[:200]}") from None


def parse_object(body: bytes | bytearray) -> dict[str, Any]:
    """Return the object that a body holds; an empty body is an empty one."""
    if not body.strip():
        return {}
    told = parse_json(body)
    if not isinstance(told, dict):
        raise InvalidInputError("Malformed JSON request in body: expected an object {...}")
    return told


def text_of(told: Mapping[str, Any], key: str) -> str:
    """Return a text of an object; missing is empty."""
    value = told.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or (not value.isprintable() and "\0" in value):
        raise InvalidInputError(f"{key!r} must be a text of up to {LONGEST_TEXT} characters")
    return _sendable(value)


def lines_of(told: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts of an object; missing is empty."""
    value = told.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(line, str) and len(line) <= LONGEST_TEXT for line in value):
        raise InvalidInputError(f"{key!r} must be a list of texts")
    return [_sendable(line) for line in value]


def _sendable(text: str) -> str:
    if re.search("[\ud800-\udfff]", text):
        raise InvalidInputError("a text holds half of a character; send it as UTF-8")
    return text


def _text(key: str, value: Any) -> str:
    if isinstance(value, list):
        value = ",".join(_text(key, each) for each in value)
    elif isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, (int, float)):
        value = repr(value)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise InvalidInputError(f"setting {key!r} must be a text or a number")
    return _sendable(value)


def _repeated(text: str, what: str) -> tuple[str, str, str]:
    """Return three parts of a text; one stands for all three."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        parts *= 3
    if len(parts) != 3 or not all(parts):
        raise InvalidInputError(f"{what} must be one or three values joined by commas, not {text[:80]!r}")
    return (parts[0], parts[1], parts[2])


def _tags(text: str) -> dict[str, str]:
    tags = dict(part.partition("=")[::2] for part in text.split(",") if part)
    if "" in tags:
        raise InvalidInputError("tags are 'name=value' joined by commas")
    return tags
