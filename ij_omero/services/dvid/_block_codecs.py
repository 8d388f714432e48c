"""Blocks as they are stored and, in their stored form, sent: uncompressed, LZ4, gzip or JPEG.

The forms are those of DVID's own serialization: LZ4 is a length of 4 bytes, little endian, and one LZ4 block; gzip is a
gzip file; JPEG is a grey picture as wide as the block, its y and z below each other.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numcodecs import lz4
from PIL import Image

from ij_omero.errors import CorruptedDataError, InvalidInputError
from ij_omero.services._core import encode_jpeg

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._geometry import Point

_HEADER = struct.Struct("<BxxxxxxxQ")  # form, digest of what follows
HEADER_BYTES = _HEADER.size
_ALIGNMENT = 16
_NUMBERS = {"none": 0, "gzip": 2, "lz4": 4, "jpeg": 5}
_TOLD = {"none": "No compression", "gzip": "gzip compression", "lz4": "LZ4 compression", "jpeg": "jpeg compression"}
_FORMS = {number: name for name, number in _NUMBERS.items()}
LZ4_ACCELERATION = 4  # noisy pictures hardly shrink; trying hard costs a third of the speed of writing them
SAMPLE, SMALLEST_SAMPLED = 4096, 16384
NOISE = 0.97  # of its length, to which a sample of bytes that are kept as they are shrinks at best
JPEG_QUALITY = 80


@dataclass(frozen=True)
class Compression:
    """How an instance's blocks are stored.

    Parameters
    ----------
    form
        ``none``, ``lz4``, ``gzip`` or ``jpeg``.
    level
        Of gzip 1 to 9, of JPEG the quality; -1 is the default.
    """

    form: str = "lz4"
    level: int = -1

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Return what a setting such as ``lz4``, ``gzip:6`` or ``jpeg:80`` says."""
        form, colon, level = text.strip().lower().partition(":")
        form = form or "lz4"
        if form not in _NUMBERS:
            raise InvalidInputError(f"compression {text[:40]!r} is not known here: use none, lz4, gzip or jpeg")
        if not colon:
            return cls(form)
        most = {"gzip": 9, "jpeg": 100}.get(form)
        if most is None or not re.fullmatch(r"[0-9]{1,3}", level) or not 1 <= int(level) <= most:
            raise InvalidInputError(f"compression level {level[:20]!r} of {form} is not known; gzip has 1 to 9")
        return cls(form, int(level))

    def __str__(self) -> str:
        """Return it as DVID tells it."""
        return f"{_TOLD[self.form]}, level {self.level}"

    def encode(self, blocks: npt.NDArray[Any]) -> list[bytes | memoryview]:
        """Return blocks as they are stored, with their headers.

        Parameters
        ----------
        blocks
            (..., Z, Y, X), which need not be contiguous: a view of a volume will do.

        Returns
        -------
        list
            In the order of the first axes. Blocks that are kept as they are share one piece of memory.
        """
        if not blocks.size:
            return []
        nbytes = int(np.prod(blocks.shape[-3:])) * blocks.itemsize
        copied = _copy_command(nbytes) if self.form == "lz4" and nbytes >= SMALLEST_SAMPLED else b""
        begin = -(-(HEADER_BYTES + len(copied)) // _ALIGNMENT) * _ALIGNMENT
        room = np.empty((*blocks.shape[:-3], begin + nbytes), np.uint8)
        layout = np.empty(blocks.shape[-3:], blocks.dtype).strides
        np.ndarray(blocks.shape, blocks.dtype, room, begin, room.strides[:-1] + layout)[...] = blocks
        before, width = begin - len(copied), blocks.shape[-1] * blocks.itemsize
        return [self._encode(row, begin, before, copied, width) for row in room.reshape(-1, begin + nbytes)]

    def _encode(
        self, row: npt.NDArray[np.uint8], begin: int, before: int, copied: bytes, width: int
    ) -> bytes | memoryview:
        """Return the stored form of the bytes of a row after `begin`; what goes before them may be written there."""
        plain = row[begin:]
        packed: bytes | None = None
        if self.form == "gzip":
            packed = gzip.compress(plain.tobytes(), 6 if self.level < 0 else self.level, mtime=0)
        elif self.form == "jpeg":
            packed = encode_jpeg(plain.reshape(-1, width), JPEG_QUALITY if self.level < 0 else self.level)
        elif self.form == "lz4" and not _is_noise(plain):
            packed = lz4.compress(plain, LZ4_ACCELERATION)
        number = _NUMBERS[self.form]
        if packed is not None:
            return _HEADER.pack(number, xxhash.xxh3_64_intdigest(packed)) + packed
        view = row.data
        view[before:begin] = copied
        _HEADER.pack_into(view, before - HEADER_BYTES, number, xxhash.xxh3_64_intdigest(view[before:]))
        return view[before - HEADER_BYTES :]


def _copy_command(nbytes: int) -> bytes:
    """Return what makes an LZ4 block with its length of bytes that follow as they are, at least 15."""
    more, last = divmod(nbytes - 15, 255)
    return nbytes.to_bytes(4, "little") + b"\xf0" + b"\xff" * more + bytes([last])


def _is_noise(plain: npt.NDArray[np.uint8]) -> bool:
    """Tell whether bytes hardly shrink, by a sample of them; few are always tried."""
    if plain.size < SMALLEST_SAMPLED:
        return False
    middle = plain.size // 2
    return len(lz4.compress(plain[middle : middle + SAMPLE], LZ4_ACCELERATION)) > NOISE * SAMPLE


def stored_form(value: memoryview | bytes) -> tuple[str, memoryview]:
    """Return a stored block's form and its bytes without the header, checked.

    Raises
    ------
    CorruptedDataError
        The bytes are not what was stored.
    """
    view = memoryview(value)
    if len(view) <= HEADER_BYTES:
        raise CorruptedDataError("a stored block is damaged: it is cut off")
    number, digest = _HEADER.unpack(view[:HEADER_BYTES])
    body = view[HEADER_BYTES:]
    if number not in _FORMS or xxhash.xxh3_64_intdigest(body) != digest:
        raise CorruptedDataError("a stored block is damaged: its bytes are not those that were written")
    return _FORMS[number], body


def decode(value: memoryview | bytes, nbytes: int) -> npt.NDArray[np.uint8]:
    """Return the plain bytes of a stored block, which must be so many; they may be a view of `value`."""
    form, body = stored_form(value)
    return plain_bytes(form, body, nbytes)


def plain_bytes(form: str, body: memoryview | bytes, nbytes: int) -> npt.NDArray[np.uint8]:
    """Return what a block in its stored form holds.

    Raises
    ------
    CorruptedDataError
        It is damaged, or does not hold `nbytes`; no more than these are unpacked.
    """
    try:
        if form == "lz4":
            if len(body) < 4 or int.from_bytes(body[:4], "little") != nbytes:
                raise ValueError("another length")
            found = np.frombuffer(lz4.decompress(body), np.uint8)
        elif form == "gzip":
            unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            found = np.frombuffer(unpacker.decompress(body, nbytes), np.uint8)
        elif form == "jpeg":
            with Image.open(io.BytesIO(body), formats=("JPEG",)) as picture:
                if picture.width * picture.height != nbytes or picture.mode != "L":
                    raise ValueError("another size")
                found = np.asarray(picture).reshape(-1)
        else:
            found = np.frombuffer(body, np.uint8)
    except (ValueError, RuntimeError, OSError, zlib.error) as error:
        raise CorruptedDataError(f"a block in {form} form is damaged: {error}") from error
    if found.size != nbytes:
        raise CorruptedDataError(f"a block in {form} form holds {found.size} bytes; expected {nbytes}")
    return found


def block_bytes(block: Point, voxel_bytes: int) -> int:
    """Return the bytes of one block without compression."""
    return block.x * block.y * block.z * voxel_bytes
