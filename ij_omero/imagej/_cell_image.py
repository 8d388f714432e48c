"""An imglib2 image over a cell cache: hits never leave Java, misses ask Python."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from ._cell_classes import compiled_classes
from ._java_cells import JavaCells
from ._runtime import java_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ij_omero.cells import CellCache


def cell_image(cache: CellCache) -> Any:
    """Return a ``net.imglib2.img.Img`` with the axes X, Y, C, Z, T over a cache; reads no pixels.

    Java and Python see each other's writes. Several images over one cache share its cells.

    Raises
    ------
    UnsupportedPixelTypeError
        imglib2 has no such pixels.
    """
    with cell_image_in_the_making(cache) as image:
        return image


@contextlib.contextmanager
def cell_image_in_the_making(cache: CellCache) -> Iterator[Any]:
    """Give an image as `cell_image` does that shows one blank cell everywhere until the context ends.

    For code that reads the first pixel of an image only to learn its type, as a new Dataset does.
    """
    side = _side(cache)
    classes = compiled_classes()
    if classes is None:
        site = java_class("java.lang.invoke.MutableCallSite")(_always(side.blank_cell()))
        yield _composed_image(side, site.dynamicInvoker())
        site.setTarget(_look_up(side, cache))
        return
    get_class, image_class = classes
    get = get_class(side.map, _miss_class()(cache), side.blank_cell())
    yield image_class(*_grid_and_type(side), get, _copies(side))
    get.blank = None


def _side(cache: CellCache) -> JavaCells:
    side = cache.attach(lambda: JavaCells(cache.description.pixel_type, cache.grid))
    if not isinstance(side, JavaCells):
        raise TypeError(f"the cells of {cache!r} are shared with something else than Java")
    return side


def _grid_and_type(side: JavaCells) -> tuple[Any, Any]:
    import jpype

    grid = java_class("net.imglib2.img.cell.CellGrid")(
        jpype.JArray(jpype.JLong)(side.grid.dimensions), jpype.JArray(jpype.JInt)(side.grid.cell_dimensions)
    )
    return grid, side.type_class()


def _copies(side: JavaCells) -> Any:
    """Return the factory of copies: in memory, in the same cells."""
    import jpype

    cell_dimensions = jpype.JArray(jpype.JInt)(side.grid.cell_dimensions)
    return java_class("net.imglib2.img.cell.CellImgFactory")(side.type_class(), cell_dimensions)


def _composed_image(side: JavaCells, look_up: Any) -> Any:
    get = java_class("java.lang.invoke.MethodHandleProxies").asInterfaceInstance(
        java_class("net.imglib2.img.cell.LazyCellImg$Get").class_, look_up
    )
    lazy = java_class("net.imglib2.img.cell.LazyCellImg")(*_grid_and_type(side), get)
    # the constructor: ImgView.wrap returns a LazyCellImg as it is, whose factory() and copy() throw
    return java_class("net.imglib2.img.ImgView")(lazy, _copies(side))


def _always(cell: Any) -> Any:
    """Return the method handle ``(long i) -> cell``."""
    handles = java_class("java.lang.invoke.MethodHandles")
    return handles.dropArguments(
        handles.constant(_object_class(), cell), 0, _classes([java_class("java.lang.Long").TYPE])
    )


def _look_up(side: JavaCells, cache: CellCache) -> Any:
    """Return the method handle ``(long i) -> (cell = map.get(i)) != null ? cell : miss.apply(i)``.

    Composed of method handles, because a Python callback for every border that a cursor crosses is 30 times slower.
    """
    import jpype

    handles = java_class("java.lang.invoke.MethodHandles")
    method_type = java_class("java.lang.invoke.MethodType").methodType
    anything = _object_class()
    function = java_class("java.util.function.Function")
    boolean = java_class("java.lang.Boolean").TYPE
    unary = method_type(anything, anything)
    lookup = handles.publicLookup()
    map_class = java_class("java.util.concurrent.ConcurrentHashMap").class_
    find = lookup.findVirtual(map_class, "get", unary).bindTo(side.map)
    miss = lookup.findVirtual(function.class_, "apply", unary).bindTo(jpype.JObject(_miss_class()(cache), function))
    found = lookup.findStatic(java_class("java.util.Objects").class_, "nonNull", method_type(boolean, anything))
    choose = handles.guardWithTest(
        handles.dropArguments(found, 1, _classes([anything])),
        handles.dropArguments(handles.identity(anything), 1, _classes([anything])),
        handles.dropArguments(miss, 0, _classes([anything])),
    )
    look_up = handles.foldArguments(choose, find)
    return look_up.asType(method_type(anything, java_class("java.lang.Long").TYPE))


def _object_class() -> Any:
    return java_class("java.lang.Object").class_


def _classes(classes: list[Any]) -> Any:
    import jpype

    return jpype.JArray(jpype.JClass("java.lang.Class"))(classes)


@functools.cache
def _miss_class() -> Any:
    """Return the class of callbacks; one for all caches, since JPype keeps the classes of its proxies for ever."""
    import jpype

    @jpype.JImplements("java.util.function.Function")
    class Miss:
        """Loads cells that the map lacks; Java holds it, and with it the cache."""

        def __init__(self, cache: CellCache) -> None:
            self._cache = cache

        @jpype.JOverride  # type: ignore[untyped-decorator]
        def apply(self, index: Any) -> Any:
            return self._cache.hand_out(int(index))

    return Miss
