"""The parameters of a call: names are case-sensitive, the first of several counts, errors in the original's words."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from ij_omero.model import ImageDescription, PixelType, PlaneIndex, Region

from ._failure import MethodFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

LARGEST = (1 << 64) - 1
LARGEST_SIZE = (1 << 31) - 1
TRUE, FALSE = ("1", "true"), ("0", "false")
ID = re.compile(r"\d{1,20}")
_NUMBER = re.compile(r"\s*([+-]?\d{1,21})(?!\d)")


class Box(NamedTuple):
    """A box of pixels, both corners included."""

    x0: int
    y0: int
    z0: int
    c0: int
    t0: int
    x1: int
    y1: int
    z1: int
    c1: int
    t1: int

    @property
    def region(self) -> Region:
        """The rectangle of it in each plane."""
        return Region(self.x0, self.y0, self.x1 - self.x0 + 1, self.y1 - self.y0 + 1)

    @property
    def planes(self) -> Iterator[PlaneIndex]:
        """Its planes in the order of the bytes: z fastest, then c, then t."""
        for t in range(self.t0, self.t1 + 1):
            for c in range(self.c0, self.c1 + 1):
                for z in range(self.z0, self.z1 + 1):
                    yield PlaneIndex(z=z, c=c, t=t)

    @property
    def size(self) -> int:
        """How many pixels it holds."""
        return math.prod(last - first + 1 for first, last in zip(self[:5], self[5:], strict=True))


class Parameters:
    """What a call was given.

    Parameters
    ----------
    pairs
        Names and values, in the order that they came in.
    binary
        The ``File`` or ``Pixels`` of an upload, where there is one.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], binary: BinaryIO | None = None) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            self._values.setdefault(name, value)
        self.binary = binary

    def text(self, name: str) -> str | None:
        """Return a parameter as it was given; None where it was not."""
        return self._values.get(name)

    @property
    def method(self) -> str:
        """The method that is called."""
        method = self._values.get("Method")
        if not method:
            raise MethodFailure("OMEIS", "Method parameter missing")
        return method

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a yes or no: 1, true, 0 or false in any case; anything else is the default, as it always was."""
        value = self._values.get(name, "").lower()
        return True if value in TRUE else False if value in FALSE else default

    def number(self, name: str) -> int | None:
        """Return a whole number; None where it was not given."""
        value = self._values.get(name)
        if value is None:
            return None
        found = _NUMBER.match(value)
        if found is None:
            raise MethodFailure(self.method, f"{name} must be a whole number, not {value[:40]!r}")
        return int(found.group(1))

    def numbers(self, name: str) -> list[int]:
        """Return the whole numbers at the start of a list; one that is none ends it, as for the original's sscanf."""
        found = []
        for part in self._values.get(name, "").split(","):
            match = _NUMBER.match(part)
            if match is None:
                break
            found.append(int(match.group(1)))
        return found

    def oid(self, name: str) -> int | None:
        """Return an id, a positive number of 64 bits; None where it was not given."""
        value = self.number(name)
        if value is not None and not 0 < value <= LARGEST:
            raise MethodFailure(self.method, f"{name} must be positive.")
        return value

    @property
    def pixels_id(self) -> int:
        """The PixelsID of a method that needs one."""
        pixels_id = self.oid("PixelsID")
        if pixels_id is None:
            raise MethodFailure(self.method, "PixelsID Parameter missing")
        return pixels_id

    @property
    def file_id(self) -> int:
        """The FileID of a method that needs one."""
        file_id = self.oid("FileID")
        if file_id is None:
            raise self.failure("FileID must be specified!")
        return file_id

    def failure(self, message: str, why: str | None = None, status: int = 400) -> MethodFailure:
        """Return the failure of this call, told with the ids that it was given."""
        for label in ("PixelsID", "FileID"):
            text = self._values.get(label)
            if text is not None and ID.fullmatch(text):
                return MethodFailure(self.method, message, f"{label}={int(text)}", why, status)
        return MethodFailure(self.method, message, None, why, status)

    def dims(self) -> ImageDescription:
        """Return the pixels that ``Dims``, ``IsSigned`` and ``IsFloat`` describe."""
        if self.text("Dims") is None:
            raise self.failure("Dims Parameter missing")
        dims = self.numbers("Dims")
        if len(dims) < 6 or min(dims[:6]) < 1 or max(dims[:6]) > LARGEST_SIZE:
            raise self.failure(
                "Dims improperly formed.  Expecting numX,numY,numZ,numC,numT,numB.  All positive integers."
            )
        is_float = self.flag("IsFloat")
        is_signed = self.flag("IsSigned", is_float)
        width = dims[5]
        if is_float and not is_signed:
            raise self.failure(f"IsSigned must be 1 for floating-point pixels, not {self.text('IsSigned')}")
        if width not in (1, 2, 4):
            raise self.failure(f"Bytes per pixel must be 1, 2 or 4, not {width}")
        if is_float and width != 4:
            raise self.failure(f"Bytes per pixel must be 4 for floating-point pixels, not {width}")
        return description_of(dims[:5], width, is_signed, is_float)

    def box(self, description: ImageDescription) -> Box:
        """Return the pixels that a method of ``Pixels``, ``Stack``, ``Plane``, ``Rows`` or ``ROI`` is about."""
        x, y, z, c, t = (size - 1 for size in description.sizes)
        unit = next(unit for unit in ("ROI", "Rows", "Plane", "TIFF", "Stack", "") if unit in self.method)
        if unit == "ROI":
            return self._roi(description)
        if unit == "Stack":
            the_c, the_t = self._coordinates("stacks", ("theC", c), ("theT", t))
            return Box(0, 0, 0, the_c, the_t, x, y, z, the_c, the_t)
        if unit in ("Plane", "TIFF"):
            the_z, the_c, the_t = self._coordinates("planes", ("theZ", z), ("theC", c), ("theT", t))
            return Box(0, 0, the_z, the_c, the_t, x, y, the_z, the_c, the_t)
        if unit == "Rows":
            the_y, the_z, the_c, the_t = self._coordinates("rows", ("theY", y), ("theZ", z), ("theC", c), ("theT", t))
            rows = self.number("nRows")
            rows = 1 if rows is None else rows
            if rows < 1 or the_y + rows - 1 > y:
                raise self.failure(f"Number of rows ({rows}) and theY ({the_y}) exceed maximum Y ({y}).")
            return Box(0, the_y, the_z, the_c, the_t, x, the_y + rows - 1, the_z, the_c, the_t)
        return Box(0, 0, 0, 0, 0, x, y, z, c, t)

    def _coordinates(self, what: str, *limits: tuple[str, int]) -> list[int]:
        found = [self.number(name) for name, _ in limits]
        names = [name for name, _ in limits]
        given = [value for value in found if value is not None and value >= 0]
        if len(given) < len(limits):
            together = f"{', '.join(names[:-1])} and {names[-1]}"
            raise self.failure(f"Parameters {together} must be specified to do operations on {what}.")
        if any(value > last for value, (_, last) in zip(given, limits, strict=True)):
            asked, allowed = (",".join(map(str, values)) for values in (given, [last for _, last in limits]))
            raise self.failure(f"Parameters {', '.join(names)} ({asked}) must be in range ({allowed}).")
        return given

    def _roi(self, description: ImageDescription) -> Box:
        if self.text("ROI") is None:
            raise self.failure(f"ROI Parameter required for the {self.method} method")
        numbers = self.numbers("ROI")
        if len(numbers) < 10:
            raise self.failure("ROI improperly formed.  Expected x0,y0,z0,c0,t0,x1,y1,z1,c1,t1")
        last = [size - 1 for size in description.sizes]
        for index, corner in ((0, numbers[:5]), (1, numbers[5:10])):
            if any(not 0 <= value <= limit for value, limit in zip(corner, last, strict=True)):
                names = ", ".join(f"{axis}{index}" for axis in "xyzct")
                asked, allowed = ",".join(map(str, corner)), ",".join(map(str, last))
                raise self.failure(f"Parameters {names} ({asked}) must be in range ({allowed}).")
        if any(first > final for first, final in zip(numbers[:5], numbers[5:10], strict=True)):
            raise self.failure(f"ROI improperly formed: its first corner lies behind the second, in {self.text('ROI')}")
        return Box(*numbers[:10])


def description_of(sizes: list[int], width: int, is_signed: bool, is_float: bool) -> ImageDescription:
    """Return what pixels of these sizes (X, Y, Z, C, T), bytes per pixel and kind are."""
    x, y, z, c, t = sizes
    kind = PixelType.of(f"{'f' if is_float else 'i' if is_signed else 'u'}{width}")
    return ImageDescription("", kind, size_x=x, size_y=y, size_z=z, size_c=c, size_t=t)
