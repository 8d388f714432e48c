"""Cells at home in Java: primitive arrays that imglib2 accesses without asking Python.

Java holds Python, never the other way round: image -> ``Get`` -> miss callback -> cache. The cache's side keeps the map
of cells and the arrays, neither of which leads back to the image, so an image that nobody uses is collected with all
that hangs on it.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import UnsupportedPixelTypeError
from ij_omero.model import PixelType

from ._cell_classes import compiled_classes
from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ij_omero.cells import CellGrid
    from ij_omero.model import Region

_ARRAYS = "net.imglib2.img.basictypeaccess.array."
_REAL = "net.imglib2.type.numeric."
# pixel type -> imglib2 type, imglib2 array access, JPype element, view of a ByteBuffer
_TYPES = {
    PixelType.BIT: ("net.imglib2.type.logic.NativeBoolType", "BooleanArray", "JBoolean", None),
    PixelType.INT8: (_REAL + "integer.ByteType", "ByteArray", "JByte", "slice"),
    PixelType.UINT8: (_REAL + "integer.UnsignedByteType", "ByteArray", "JByte", "slice"),
    PixelType.INT16: (_REAL + "integer.ShortType", "ShortArray", "JShort", "asShortBuffer"),
    PixelType.UINT16: (_REAL + "integer.UnsignedShortType", "ShortArray", "JShort", "asShortBuffer"),
    PixelType.INT32: (_REAL + "integer.IntType", "IntArray", "JInt", "asIntBuffer"),
    PixelType.UINT32: (_REAL + "integer.UnsignedIntType", "IntArray", "JInt", "asIntBuffer"),
    PixelType.FLOAT: (_REAL + "real.FloatType", "FloatArray", "JFloat", "asFloatBuffer"),
    PixelType.DOUBLE: (_REAL + "real.DoubleType", "DoubleArray", "JDouble", "asDoubleBuffer"),
    PixelType.COMPLEX: (_REAL + "complex.ComplexFloatType", "FloatArray", "JFloat", "asFloatBuffer"),
    PixelType.DOUBLE_COMPLEX: (_REAL + "complex.ComplexDoubleType", "DoubleArray", "JDouble", "asDoubleBuffer"),
}


class JavaCells:
    """Java's side of a cell cache: the map from which image accessors take cells.

    Implements `ij_omero.cells.ForeignCells`.

    Parameters
    ----------
    pixel_type
        The pixels' type.
    grid
        The cells.

    Raises
    ------
    UnsupportedPixelTypeError
        imglib2 has no such type.
    """

    def __init__(self, pixel_type: PixelType, grid: CellGrid) -> None:
        import jpype

        if pixel_type not in _TYPES:
            raise UnsupportedPixelTypeError(f"imglib2 has no cells of {pixel_type.value} pixels")
        type_name, access, element, self._view = _TYPES[pixel_type]
        self.type_class = java_class(type_name)
        self.grid = grid
        self.map = java_class("java.util.concurrent.ConcurrentHashMap")()
        self._access = java_class(_ARRAYS + access)
        self._cell = java_class("net.imglib2.img.cell.Cell")
        self._weak = java_class("java.lang.ref.WeakReference")
        self._queue = java_class("java.lang.ref.ReferenceQueue")
        self._thread = java_class("java.lang.Thread")
        self._object = java_class("java.lang.Object")
        self._long = java_class("java.lang.Long")
        self._system = java_class("java.lang.System")
        self._byte_order = java_class("java.nio.ByteOrder").nativeOrder()
        self._longs = jpype.JArray(jpype.JLong)
        self._ints = jpype.JArray(jpype.JInt)
        self._array = jpype.JArray(getattr(jpype, element))
        self._dtype = pixel_type.dtype
        self._elements_per_pixel = 2 if pixel_type.is_complex else 1
        self._staging = threading.local()
        self._staging_left: deque[tuple[npt.NDArray[Any], Any]] = deque()
        self._canary = self._weak(self._object())
        classes = compiled_classes()
        self._place = None if classes is None else classes[0].place

    def scratch(self, shape: tuple[int, int]) -> npt.NDArray[Any]:
        """Return this thread's staging array, as (Y, X): what is put into it is copied into Java without a detour."""
        if self._view is None:
            return np.empty(shape, self._dtype)
        return self._staged()[0][: shape[0] * shape[1]].reshape(shape)

    def take(self, index: int, region: Region, pixels: npt.NDArray[Any]) -> JavaHome:
        """Copy a cell into a new primitive array."""
        array = self._array(region.width * region.height * self._elements_per_pixel)
        home = JavaHome(self, index, region, array)
        self.copy_in(array, 0, pixels)
        return home

    def place(self, index: int, region: Region, access: Any) -> Any:
        """Put a ``Cell`` over an access object into the map and return it."""
        plane, _ = self.grid.locate(index)
        if self._place is not None:
            return self._place(
                self.map, index, access, region.width, region.height, region.x, region.y, plane.c, plane.z, plane.t
            )
        cell = self._cell(
            self._ints([region.width, region.height, 1, 1, 1]),
            self._longs([region.x, region.y, plane.c, plane.z, plane.t]),
            access,
        )
        self.map.put(self._long(index), cell)
        return cell

    def blank_cell(self) -> Any:
        """Return a ``Cell`` at the image's corner without content, which belongs to no image."""
        width, height = self.grid.cell_width, self.grid.cell_height
        array = self._array(width * height * self._elements_per_pixel)
        return self._cell(self._ints([width, height, 1, 1, 1]), self._longs([0] * 5), self._access(array))

    def collected(self) -> bool:
        """Tell whether Java's garbage collector ran since the last time."""
        if self._canary.get() is not None:
            return False
        self._canary = self._weak(self._object())
        return True

    def nudge(self) -> None:
        """Let Java's garbage collector run: nothing else can tell whether an accessor still holds a cell.

        JPype's own thread answers each of Java's collections with a full one of Python, which holds the interpreter
        for 10 ms and more; while Python's collector is off, it does not. Collections that Java begins are answered.
        """
        noticed = self._queue()
        witness = self._weak(self._object(), noticed)  # lives until the collection has told of it
        with _python_collector_off():
            self._system.gc()
            # references of this collection are handed over in one go, those that JPype waits for among them
            noticed.remove(_HAND_OVER_MS)
            self._thread.sleep(1)
        self._canary = self._weak(self._object())
        del witness

    def leave(self) -> None:
        """Detach this thread: Java keeps what it has of each thread until then, beyond the thread's own end."""
        staged = getattr(self._staging, "pair", None)
        if staged is not None:
            # a Java object that went with the thread would attach it again
            self._staging_left.append(staged)
            self._staging.pair = None
        self._thread.detach()

    def close(self) -> None:
        """Hand out nothing any more."""
        self.map.clear()

    def copy_in(self, array: Any, at: int, pixels: npt.NDArray[Any]) -> None:
        """Copy pixels, taken in C order, into a primitive array from element `at`."""
        if self._view is None:
            array[at : at + pixels.size] = pixels.reshape(-1)
            return
        staging, buffer = self._staged()
        if pixels.ctypes.data != staging.ctypes.data:
            np.copyto(staging[: pixels.size].reshape(pixels.shape), pixels)
        buffer.get(0, array, at, pixels.size * self._elements_per_pixel)

    def copy_out(self, array: Any, pixels: npt.NDArray[Any]) -> None:
        """Copy a whole primitive array into a contiguous array of its size."""
        if self._view is None:
            pixels.reshape(-1)[:] = np.asarray(memoryview(array))
            return
        staging, buffer = self._staged()
        buffer.put(0, array, 0, pixels.size * self._elements_per_pixel)
        np.copyto(pixels, staging[: pixels.size].reshape(pixels.shape))

    def copy_to_staging(self, array: Any, shape: tuple[int, int]) -> npt.NDArray[Any]:
        """Copy a whole primitive array to this thread's staging array and return that, as (Y, X)."""
        size = shape[0] * shape[1]
        if self._view is None:
            return np.array(memoryview(array)).view(self._dtype).reshape(shape)
        staging, buffer = self._staged()
        buffer.put(0, array, 0, size * self._elements_per_pixel)
        return staging[:size].reshape(shape)

    def _staged(self) -> tuple[npt.NDArray[Any], Any]:
        """Return this thread's array of a cell's size and Java's view of the same memory."""
        staged: tuple[npt.NDArray[Any], Any] | None = getattr(self._staging, "pair", None)
        if staged is None:
            with contextlib.suppress(IndexError):
                staged = self._staging.pair = self._staging_left.pop()
        if staged is None:
            import jpype.nio

            staging = np.empty(self.grid.cell_width * self.grid.cell_height, self._dtype)
            buffer = jpype.nio.convertToDirectBuffer(staging.view(np.uint8).data.cast("B"))
            staged = staging, getattr(buffer.order(self._byte_order), str(self._view))()
            self._staging.pair = staged
        return staged


_HAND_OVER_MS = 20
_switching = threading.Lock()


@contextlib.contextmanager
def _python_collector_off() -> Iterator[None]:
    with _switching:
        if not gc.isenabled():
            yield
            return
        gc.disable()
        try:
            yield
        finally:
            gc.enable()


class JavaHome:
    """One cell's pixels in a Java primitive array; implements `ij_omero.cells.ForeignHome`.

    While the map hands the cell out, its access object lives. Afterwards the weak reference tells whether an accessor
    still has it.
    """

    __slots__ = ("_array", "_index", "_region", "_side", "_weak_access")

    def __init__(self, side: JavaCells, index: int, region: Region, array: Any) -> None:
        self._side = side
        self._index = index
        self._region = region
        self._array = array
        self._weak_access: Any = None

    def read(self, out: npt.NDArray[Any]) -> None:
        """Copy the whole cell into a contiguous (Y, X) array."""
        self._side.copy_out(self._array, out)

    def glance(self) -> npt.NDArray[Any]:
        """Return a copy of the whole cell, (Y, X), that this thread's next copy in or out overwrites."""
        return self._side.copy_to_staging(self._array, self._region.shape)

    def write(self, region: Region, pixels: npt.NDArray[Any]) -> None:
        """Copy pixels to a rectangle; Java threads may write to the rest of the cell meanwhile."""
        per_pixel = self._side._elements_per_pixel
        if region.width == self._region.width:
            self._side.copy_in(self._array, region.y * region.width * per_pixel, pixels)
            return
        for row in range(region.height):
            at = (region.y + row) * self._region.width + region.x
            self._side.copy_in(self._array, at * per_pixel, pixels[row])

    def retire(self) -> None:
        """Take the cell out of the map."""
        self._side.map.remove(self._side._long(self._index))

    def hand_out(self) -> Any:
        """Return the ``net.imglib2.img.cell.Cell``, with the access that its holders have, and put it into the map."""
        side, weak = self._side, self._weak_access
        access = None
        if weak is not None:
            cell = side.map.get(side._long(self._index))
            if cell is not None:
                return cell
            access = weak.get()
        if access is None:
            access = side._access(self._array)
            self._weak_access = side._weak(access)
        return side.place(self._index, self._region, access)

    def in_use(self) -> bool:
        """Tell whether an accessor may still hold the cell."""
        return self._weak_access is not None and self._weak_access.get() is not None
