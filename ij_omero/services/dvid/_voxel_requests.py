"""What requests for voxels ask, out of their paths and queries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ij_omero.errors import InvalidInputError

from ._geometry import Box, Point, parse_box, parse_point, parse_shape, parse_whole
from ._pictures import parse_format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._instances import Instance

ATTENUATION = re.compile(r"[0-9]{1,3}")


class VoxelRequest(NamedTuple):
    """A plane or a volume.

    ``picture`` is the format and quality to encode it in; None for the bytes of a volume.
    """

    isotropic: bool
    axes: tuple[int, ...]
    box: Box
    picture: tuple[str, int] | None
    roi: str
    attenuation: int

    @property
    def is_plane(self) -> bool:
        """Whether two axes were named."""
        return len(self.axes) == 2


def parse_voxels(keyword: str, parts: Sequence[str], query: Mapping[str, str], instance: Instance) -> VoxelRequest:
    """Return what ``raw`` and ``isotropic`` ask.

    Raises
    ------
    InvalidInputError
        The path is too short, or a part of it or of the query is not possible.
    """
    if not 3 <= len(parts) <= 4:
        raise InvalidInputError(
            f'"{keyword}" must be followed by shape/size/offset, and a format where it is a picture'
        )
    axes = parse_shape(parts[0])
    box = parse_box(axes, parts[1], parts[2])
    named = parts[3] if len(parts) == 4 else ""
    picture = None
    if len(axes) == 2 or named not in ("", "octet-stream"):
        picture = parse_format(named)
    if len(axes) == 3 and picture and picture[0] != "jpg":
        raise InvalidInputError(f"a volume is sent as bytes, or as jpg; not as {picture[0]}")
    roi = query.get("roi", "")
    return VoxelRequest(keyword == "isotropic", axes, box, picture, roi, _attenuation(query, roi, instance))


def _attenuation(query: Mapping[str, str], roi: str, instance: Instance) -> int:
    text = query.get("attenuation", "")
    if not roi or not text:
        return 0
    if not ATTENUATION.fullmatch(text) or not 1 <= int(text) <= 7:
        raise InvalidInputError("Attenuation should be from 1 to 7 (divides by 2^n)")
    if instance.voxels.nbytes != 1:
        raise InvalidInputError("Can only scale non-ROI blocks with 1 byte voxels")
    return int(text)


def parse_span(parts: Sequence[str]) -> tuple[Point, int]:
    """Return the first block and the number of blocks that ``blocks`` asks."""
    if len(parts) != 2:
        raise InvalidInputError('"blocks" must be followed by block-coord/span-x')
    first, span = parse_point(parts[0], "the block coordinate"), parse_whole(parts[1], "spanX")
    if span < 1:
        raise InvalidInputError(f"spanX must be 1 or more, not {span}")
    parse_whole(str(first.x + span - 1), "the last block's coordinate")
    return first, span


def parse_block_list(text: str) -> list[Point]:
    """Return the blocks of ``x,y,z,x,y,z,...``."""
    numbers = text.split(",") if text else []
    if len(numbers) % 3:
        raise InvalidInputError("block query string should be three coordinates per block")
    whole = [parse_whole(number, "a block's coordinate") for number in numbers]
    return [Point(*whole[at : at + 3]) for at in range(0, len(whole), 3)]


def parse_compression(query: Mapping[str, str]) -> str:
    """Return how blocks are to be sent: ``""`` is as they are stored, else ``jpeg`` or ``uncompressed``."""
    text = query.get("compression", "")
    if text not in ("", "jpeg", "uncompressed"):
        raise InvalidInputError(f"don't understand 'compression' query string value: {text[:40]}")
    return text


def is_on(query: Mapping[str, str], name: str) -> bool:
    """Whether an option of the query is switched on."""
    return query.get(name) in ("on", "true")
