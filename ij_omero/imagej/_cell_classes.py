"""Two small Java classes for cell images, compiled at run time where javassist is on the class path.

ImageJ's class paths have it (ij1-patcher needs it). Without it `_cell_image` composes the same from what the JDK and
imglib2 have, whose images iterate by random access, in rows instead of cells.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from ._runtime import java_class

_log = logging.getLogger(__name__)
_PACKAGE = "net.imglib2.img.cell."
_GET = (
    ["public final java.util.concurrent.ConcurrentHashMap map;", "public java.util.function.Function miss;",
     "public Object blank;"],
    ["""public IjOmeroGet(java.util.concurrent.ConcurrentHashMap map, java.util.function.Function miss, Object blank) {
        this.map = map; this.miss = miss; this.blank = blank; }"""],
    ["""public Object get(long index) {
        if (blank != null) return blank;
        Long number = Long.valueOf(index);
        Object cell = map.get(number);
        return cell != null ? cell : miss.apply(number); }""",
     """public static Object place(java.util.concurrent.ConcurrentHashMap map, long index, Object access,
            int width, int height, long x, long y, long c, long z, long t) {
        Object cell = new net.imglib2.img.cell.Cell(
            new int[] {width, height, 1, 1, 1}, new long[] {x, y, c, z, t}, access);
        map.put(Long.valueOf(index), cell);
        return cell; }"""],
)  # fmt: skip
_IMAGE = (
    ["public final net.imglib2.img.ImgFactory copies;"],
    ["""public IjOmeroImg(net.imglib2.img.cell.CellGrid grid, net.imglib2.type.NativeType type,
            net.imglib2.img.cell.LazyCellImg.Get get, net.imglib2.img.ImgFactory copies) {
        super(grid, type, get); this.copies = copies; }"""],
    ["public net.imglib2.img.ImgFactory factory() { return copies; }",
     """public net.imglib2.img.Img copy() {
        net.imglib2.img.Img copy = copies.create((net.imglib2.Dimensions) this);
        net.imglib2.util.ImgUtil.copy(this, copy);
        return copy; }"""],
)  # fmt: skip


@functools.cache
def compiled_classes() -> tuple[Any, Any] | None:
    """Return the classes of a ``LazyCellImg.Get`` over a map and of a ``LazyCellImg`` that can be copied.

    The first also has ``place``, which makes a ``Cell`` over an access and puts it into the map.

    None where they cannot be made: no javassist, or a class path on which they do not compile.
    """
    import jpype

    try:
        pool_class = jpype.JClass("javassist.ClassPool")
    except TypeError:
        return None
    lazy = java_class(_PACKAGE + "LazyCellImg")
    pool = pool_class(True)
    pool.appendClassPath(jpype.JClass("javassist.ClassClassPath")(lazy.class_))
    try:
        get = pool.makeClass(_PACKAGE + "IjOmeroGet")
        get.addInterface(pool.get(_PACKAGE + "LazyCellImg$Get"))
        image = pool.makeClass(_PACKAGE + "IjOmeroImg", pool.get(_PACKAGE + "LazyCellImg"))
        return _define(get, _GET, lazy), _define(image, _IMAGE, lazy)
    except jpype.JException as error:
        _log.info("cell images are composed of method handles, their classes do not compile here: %s", error)
        return None


def _define(made: Any, source: tuple[list[str], list[str], list[str]], neighbour: Any) -> Any:
    import jpype

    kinds = ("javassist.CtField", "javassist.CtNewConstructor", "javassist.CtNewMethod")
    adders = (made.addField, made.addConstructor, made.addMethod)
    for kind, add, texts in zip(kinds, adders, source, strict=True):
        for text in texts:
            add(jpype.JClass(kind).make(text, made))
    # beside its neighbour: needs no --add-opens
    return jpype.JClass(made.toClass(neighbour.class_))
