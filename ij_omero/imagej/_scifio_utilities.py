"""Which image SCIFIO's ``ImgSaver`` saves: it tells writers planes and axes, never the image."""

from __future__ import annotations

import functools
import math
from typing import Any

from ._java_proxies import FIRST
from ._runtime import java_class
from ._scifio_subclasses import subclass

_OWN = "io.scif.img.DefaultImgUtilityService"


def register_utilities(runtime: Any) -> None:
    """Let ``ImgSaver`` have what it saves wrapped by a service that notes it, before SCIFIO's own."""
    kind = _utilities_class()
    if kind is None:
        return
    service = kind()
    runtime.context.inject(service)
    service.setPriority(FIRST)
    runtime.context.getServiceIndex().add(service)


def image_in_saving(metadata: Any) -> Any:
    """Return the ImgPlus that this thread's ``ImgSaver`` began to save; None where SCIFIO's metadata fit none.

    Those who give an ``ImgSaver`` an image number as well as a ``SCIFIOImgPlus`` have nothing wrapped.
    """
    kind = _utilities_class()
    weak = None if kind is None else kind.begun.get()
    if weak is None:
        return None
    kind.begun.remove()
    image = weak.get()
    if not isinstance(image, java_class("net.imagej.ImgPlus")):
        return None
    told = metadata.get(0)
    pixels = math.prod(int(length) for length in told.getAxesLengths())
    same = str(told.getName()) == str(image.getName()) and pixels == math.prod(image.dimensionsAsLongArray())
    return image if same else None


@functools.cache
def _utilities_class() -> Any:
    """Return SCIFIO's ``ImgUtilityService`` with a note of the last image that each thread had wrapped.

    Compiled at run time: SCIFIO calls other methods of it for every pixel, too often for a proxy. None without
    javassist; ``ImgSaver`` saves bare planes then.
    """
    members = (
        ("Field", "public static final ThreadLocal begun = new ThreadLocal();"),
        ("Method",
         """public io.scif.img.SCIFIOImgPlus makeSCIFIOImgPlus(net.imglib2.img.Img image) {
            begun.set(new java.lang.ref.WeakReference(image)); return super.makeSCIFIOImgPlus(image); }"""),
    )  # fmt: skip
    return subclass(_OWN, "IjOmeroImgUtilityService", members, "ImgSaver saves bare planes")
