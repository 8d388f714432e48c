"""An imglib2 image over a cell cache: hits never leave Java, misses ask Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._java_cells import JavaCells
from ._runtime import java_class

if TYPE_CHECKING:
    from ij_omero.cells import CellCache


def cell_image(cache: CellCache) -> Any:
    """Return a ``net.imglib2.img.Img`` with the axes X, Y, C, Z, T over a cache; reads no pixels.

    Java and Python see each other's writes. Several images over one cache share its cells.

    Raises
    ------
    UnsupportedPixelTypeError
        imglib2 has no such pixels.
    """
    import jpype

    side = cache.attach(lambda: JavaCells(cache.description.pixel_type, cache.grid))
    if not isinstance(side, JavaCells):
        raise TypeError(f"the cells of {cache!r} are shared with something else than Java")
    grid = java_class("net.imglib2.img.cell.CellGrid")(
        jpype.JArray(jpype.JLong)(cache.grid.dimensions), jpype.JArray(jpype.JInt)(cache.grid.cell_dimensions)
    )
    pixel = side.type_class()
    lazy = java_class("net.imglib2.img.cell.LazyCellImg")(grid, pixel, _get(side, cache))
    # copies get the same cells
    factory = java_class("net.imglib2.img.cell.CellImgFactory")(
        pixel, jpype.JArray(jpype.JInt)(cache.grid.cell_dimensions)
    )
    # the constructor: ImgView.wrap returns a LazyCellImg as it is, whose factory() and copy() throw
    return java_class("net.imglib2.img.ImgView")(lazy, factory)


def _get(side: JavaCells, cache: CellCache) -> Any:
    """Return ``i -> (cell = map.get(i)) != null ? cell : miss.apply(i)`` as a ``LazyCellImg.Get``.

    Composed of method handles, because a Python callback for every border that a cursor crosses is 30 times slower.
    """
    import jpype

    handles = java_class("java.lang.invoke.MethodHandles")
    method_type = java_class("java.lang.invoke.MethodType").methodType
    anything = java_class("java.lang.Object").class_
    function = java_class("java.util.function.Function")
    boolean = java_class("java.lang.Boolean").TYPE
    classes = jpype.JArray(jpype.JClass("java.lang.Class"))
    unary = method_type(anything, anything)
    lookup = handles.publicLookup()
    map_class = java_class("java.util.concurrent.ConcurrentHashMap").class_
    find = lookup.findVirtual(map_class, "get", unary).bindTo(side.map)
    miss = lookup.findVirtual(function.class_, "apply", unary).bindTo(jpype.JObject(_miss(cache), function))
    found = lookup.findStatic(java_class("java.util.Objects").class_, "nonNull", method_type(boolean, anything))
    choose = handles.guardWithTest(
        handles.dropArguments(found, 1, classes([anything])),
        handles.dropArguments(handles.identity(anything), 1, classes([anything])),
        handles.dropArguments(miss, 0, classes([anything])),
    )
    look_up = handles.foldArguments(choose, find)
    by_number = look_up.asType(method_type(anything, java_class("java.lang.Long").TYPE))
    return java_class("java.lang.invoke.MethodHandleProxies").asInterfaceInstance(
        java_class("net.imglib2.img.cell.LazyCellImg$Get").class_, by_number
    )


def _miss(cache: CellCache) -> Any:
    """Return a ``java.util.function.Function`` that loads a cell; it is what keeps the cache alive."""
    import jpype

    @jpype.JImplements("java.util.function.Function")
    class Miss:
        @jpype.JOverride  # type: ignore[untyped-decorator]
        def apply(self, index: Any) -> Any:
            return cache.hand_out(int(index))

    return Miss()
