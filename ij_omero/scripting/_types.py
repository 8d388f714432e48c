"""Which OMERO type stands for a Java type: the map of imagej-omero, less what `omero script launch` cannot take.

=====================================================  ==========  ==========================================
Java                                                   OMERO       the value is
=====================================================  ==========  ==========================================
boolean, Boolean                                       RBool
int, Integer / long, Long                              RInt/RLong
float, Float / double, Double                          RFloat/RDouble
byte, short, char, String, File, BigInteger, enum ...  RString     the text of the value
arrays, List, Set                                      RList       of the element type where that is known
Map                                                    RString     JSON; RMap as an output
Dataset, ImageDisplay, ImgPlus, ImagePlus ...          RLong       the id of an image
Table, ResultsTable ...                                RLong       the id of the table's original file
TreeNode, ROITree, Overlay ...                         RLong       an image's id, standing for all its ROIs
MaskPredicate, Roi ...                                 RLong       the id of an ROI
=====================================================  ==========  ==========================================

imagej-omero gives arrays as RArray and maps as RMap; `omero.scripts.parse_input` has no converter for either, and
OMERO.web has no field for RSet. Its NaN prototypes break minimum and maximum, so prototypes here are 0.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(str, enum.Enum):
    """The class of `omero.scripts` that declares a parameter."""

    BOOL = "Bool"
    INT = "Int"
    LONG = "Long"
    FLOAT = "Float"
    DOUBLE = "Double"
    STRING = "String"
    LIST = "List"
    MAP = "Map"

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers."""
        return self in (Kind.INT, Kind.LONG)

    @property
    def is_number(self) -> bool:
        """Whether values are numbers."""
        return self.is_integer or self in (Kind.FLOAT, Kind.DOUBLE)


class Role(str, enum.Enum):
    """What a value means, where it is more than itself."""

    VALUE = "value"
    IMAGE = "image"
    TABLE = "table"
    ROIS = "rois"
    ROI = "roi"


@dataclass(frozen=True)
class OmeroType:
    """What stands for a Java type; ``element`` is the kind of a list's elements where it is known."""

    kind: Kind
    role: Role = Role.VALUE
    element: Kind | None = None


_PLAIN = {
    "boolean": Kind.BOOL,
    "java.lang.Boolean": Kind.BOOL,
    "int": Kind.INT,
    "java.lang.Integer": Kind.INT,
    "long": Kind.LONG,
    "java.lang.Long": Kind.LONG,
    "float": Kind.FLOAT,
    "java.lang.Float": Kind.FLOAT,
    "double": Kind.DOUBLE,
    "java.lang.Double": Kind.DOUBLE,
}
_LISTS = {
    "java.util.List",
    "java.util.ArrayList",
    "java.util.LinkedList",
    "java.util.Collection",
    "java.util.Set",
    "java.util.HashSet",
    "java.util.LinkedHashSet",
    "java.util.TreeSet",
}
_MAPS = {"java.util.Map", "java.util.HashMap", "java.util.LinkedHashMap", "java.util.TreeMap"}
_IMAGES = {
    "net.imagej.Dataset",
    "net.imagej.DefaultDataset",
    "net.imagej.ImgPlus",
    "net.imagej.ImgPlusMetadata",
    "net.imagej.display.DatasetView",
    "net.imagej.display.ImageDisplay",
    "net.imglib2.img.Img",
    "net.imglib2.IterableInterval",
    "net.imglib2.RandomAccessibleInterval",
    "ij.ImagePlus",
    "ij.CompositeImage",
}
_TABLES = {"ij.measure.ResultsTable", "net.imagej.table.TableDisplay", "org.scijava.table.TableDisplay"}
_TABLE_PACKAGES = ("org.scijava.table.", "net.imagej.table.")
_ROI_TREES = {
    "org.scijava.util.TreeNode",
    "net.imagej.roi.ROITree",
    "net.imagej.roi.DefaultROITree",
    "ij.gui.Overlay",
    "ij.plugin.frame.RoiManager",
}
_ROIS = {"ij.gui.Roi", "net.imglib2.roi.MaskPredicate"}
_ROI_PACKAGES = ("net.imglib2.roi.",)


def omero_type(java_type: str) -> OmeroType:
    """Return what stands for a Java type in an OMERO script.

    Parameters
    ----------
    java_type
        A class name such as ``"java.lang.Double"`` or ``"net.imagej.Dataset"``; ``[]`` at its end for an array.
        Type arguments (``List<String>``) count for lists.
    """
    outer, _, inner = java_type.strip().partition("<")
    outer = outer.strip()
    if outer.endswith("[]"):
        return OmeroType(Kind.LIST, element=_element(outer[:-2]))
    if outer in _PLAIN:
        return OmeroType(_PLAIN[outer])
    if outer in _IMAGES:
        return OmeroType(Kind.LONG, Role.IMAGE)
    if outer in _TABLES or (outer.startswith(_TABLE_PACKAGES) and outer.endswith("Table")):
        return OmeroType(Kind.LONG, Role.TABLE)
    if outer in _ROI_TREES:
        return OmeroType(Kind.LONG, Role.ROIS)
    if outer in _ROIS or (outer.startswith(_ROI_PACKAGES) and "Mask" in outer):
        return OmeroType(Kind.LONG, Role.ROI)
    if outer in _LISTS:
        return OmeroType(Kind.LIST, element=_element(inner.rstrip("> ")) if inner else None)
    if outer in _MAPS:
        return OmeroType(Kind.MAP)
    return OmeroType(Kind.STRING)


def _element(java_type: str) -> Kind | None:
    element = omero_type(java_type)
    return None if element.kind in (Kind.LIST, Kind.MAP) else element.kind
