"""ImageJ 1's ``Calibration`` <-> the description of an image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import Quantity

if TYPE_CHECKING:
    from ij_omero.model import ImageDescription

_log = logging.getLogger(__name__)
_NO_UNIT = {"", "pixel", "pixels", "null", " ", "-"}
# spellings of ImageJ 1 that the OME model does not share
_IMAGEJ_UNITS = {
    "inches": "in",
    "inch": "in",
    "angstrom": "Å",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "micrometer": "µm",
    "msec": "ms",
    "usec": "µs",
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
    "hr": "h",
    "seconds": "s",
}


def quantity_of(value: float, unit: str | None) -> Quantity | None:
    """Return a number of ImageJ with its unit, or None where it means nothing (pixels, 0, a unit unknown to OME)."""
    text = (unit or "").strip()
    if text.lower() in _NO_UNIT or not np.isfinite(value) or value <= 0:
        return None
    try:
        return Quantity(float(value), _IMAGEJ_UNITS.get(text.lower(), text))
    except InvalidInputError:
        _log.warning("the calibration of %g %s is dropped: the OME model has no such unit", value, text)
        return None


def write_calibration(imp: Any, description: ImageDescription) -> None:
    """Give an ImagePlus the physical sizes, time increment and units of a description."""
    calibration = imp.getCalibration()
    for axis, attribute in (("X", "pixelWidth"), ("Y", "pixelHeight"), ("Z", "pixelDepth")):
        size = getattr(description, f"physical_size_{axis.lower()}")
        if size is not None:
            setattr(calibration, attribute, size.value)
            getattr(calibration, f"set{axis}Unit")(size.unit)
    if description.time_increment is not None:
        calibration.frameInterval = description.time_increment.value
        calibration.setTimeUnit(description.time_increment.unit)


def read_calibration(imp: Any) -> dict[str, Quantity | None]:
    """Return an ImagePlus' calibration as fields of an image description."""
    calibration = imp.getCalibration()
    x_unit = str(calibration.getXUnit())
    return {
        "physical_size_x": quantity_of(calibration.pixelWidth, x_unit),
        "physical_size_y": quantity_of(calibration.pixelHeight, str(calibration.getYUnit())),
        "physical_size_z": quantity_of(calibration.pixelDepth, str(calibration.getZUnit())),
        "time_increment": quantity_of(calibration.frameInterval, str(calibration.getTimeUnit())),
    }
