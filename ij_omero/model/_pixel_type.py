"""The pixel types of the OME model, and what they are in numpy."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

from ij_omero.errors import UnsupportedPixelTypeError


class PixelType(str, enum.Enum):
    """A pixel type by its name in the OME model (``PixelsType`` on an OMERO.server).

    In memory a pixel is always in native byte order; ``bit`` is a numpy ``bool`` per pixel.
    """

    BIT = "bit"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    FLOAT = "float"
    DOUBLE = "double"
    COMPLEX = "complex"
    DOUBLE_COMPLEX = "double-complex"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The numpy dtype, in native byte order."""
        return _DTYPES[self]

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes of one pixel in memory."""
        return self.dtype.itemsize

    @property
    def is_complex(self) -> bool:
        """Whether pixels are complex numbers, which ImageJ cannot show."""
        return self.dtype.kind == "c"

    @classmethod
    def of(cls, dtype: npt.DTypeLike) -> PixelType:
        """Return the pixel type of a numpy dtype, whatever its byte order.

        Raises
        ------
        UnsupportedPixelTypeError
            The OME model has no such type (int64, float16, ...).
        """
        native = np.dtype(dtype).newbyteorder("=")
        for pixel_type, own in _DTYPES.items():
            if own == native:
                return pixel_type
        raise UnsupportedPixelTypeError(
            f"OME images cannot hold {native.name} pixels; convert to one of "
            f"{', '.join(d.name for d in _DTYPES.values())} first"
        )

    @classmethod
    def named(cls, name: str) -> PixelType:
        """Return the pixel type of an OME name, or raise UnsupportedPixelTypeError."""
        try:
            return cls(name)
        except ValueError:
            raise UnsupportedPixelTypeError(
                f"unknown pixel type {name!r}; expected one of {', '.join(t.value for t in cls)}"
            ) from None


_DTYPES: dict[PixelType, np.dtype[np.generic]] = {
    PixelType.BIT: np.dtype(np.bool_),
    PixelType.INT8: np.dtype(np.int8),
    PixelType.UINT8: np.dtype(np.uint8),
    PixelType.INT16: np.dtype(np.int16),
    PixelType.UINT16: np.dtype(np.uint16),
    PixelType.INT32: np.dtype(np.int32),
    PixelType.UINT32: np.dtype(np.uint32),
    PixelType.FLOAT: np.dtype(np.float32),
    PixelType.DOUBLE: np.dtype(np.float64),
    PixelType.COMPLEX: np.dtype(np.complex64),
    PixelType.DOUBLE_COMPLEX: np.dtype(np.complex128),
}
