"""The writer of image addresses in SCIFIO: what ``ImgSaver`` saves becomes one new image."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import InvalidInputError
from ij_omero.model import ImageDescription, PixelType

from ._addresses import address_or_error, location_of
from ._calibration import quantity_of
from ._dataset_planes import axis_letters
from ._image_array import ImageArray
from ._primitive_arrays import from_java_array
from ._runtime import java_class, start
from ._scifio_format import PIXEL_TYPES, FormatPart
from ._scifio_utilities import image_in_saving

if TYPE_CHECKING:
    import numpy.typing as npt

    from ij_omero.model import ImageAddress

    from ._addresses import Doors


class AddressWriter(FormatPart):
    """``io.scif.Writer``: saves the image when it is closed.

    ``ImgSaver`` pushes bare planes, but `AddressUtilities` learns which image it saves. That image is saved whole, with
    its channels and what it was made from. Where only planes are known they gather in a temporary file, since they come
    in the order of the image's own axes and stores take them in another.
    """

    def __init__(self, image_format: Any, doors: Doors) -> None:
        FormatPart.__init__(self, image_format, doors)
        self.metadata: Any = None
        self.address: ImageAddress | None = None
        self.planes: _Planes | None = None
        self.image: Any = None
        self.pushed = 0

    def setMetadata(self, metadata: Any) -> None:
        """Take what the image is."""
        self.metadata = metadata
        self.image = image_in_saving(metadata)
        self.pushed = 0

    def getMetadata(self) -> Any:
        """Return what the image is."""
        return self.metadata

    def setDest(self, where: Any, *arguments: Any) -> None:
        """Take the address to save at."""
        self.address = address_or_error(where)

    def savePlane(self, image_index: int, plane_index: int, plane: Any, *bounds: Any) -> None:
        """Take a whole plane."""
        self.pushed += 1
        if self.image is not None:
            return
        if bounds and list(bounds[0].dimensionsAsLongArray()) != list(self.metadata.get(0).getAxesLengthsPlanar()):
            raise java_class("io.scif.FormatException")("a part of a plane cannot be saved; save whole planes")
        if self.planes is None:
            self.planes = _Planes(self.metadata.get(image_index))
        self.planes.put(int(plane_index), from_java_array(plane.getBytes(), np.uint8))

    def close(self, *arguments: Any) -> None:
        """Save the image; what was not given any plane saves nothing."""
        planes, address, image = self.planes, self.address, self.image
        self.planes = self.address = self.image = None
        if address is None or not self.pushed:
            return
        if planes is not None:
            whole = planes.image(str(self.metadata.get(0).getName() or "image"))
        else:
            whole = start().service("net.imagej.DatasetService").create(image)
        self.metadata.setSourceLocation(location_of(self.doors.save(whole, address)))

    def canDoStacks(self) -> bool:
        """Tell that images have many planes."""
        return True

    def isSupportedType(self, pixel_type: int, *codec: Any) -> bool:
        """Tell whether pixels of a type can be saved."""
        return int(pixel_type) in _pixel_types()

    def getPixelTypes(self, *codec: Any) -> Any:
        """Return what pixels can be saved."""
        import jpype

        return jpype.JArray(jpype.JInt)(sorted(_pixel_types()))

    def getCompressionTypes(self) -> Any:
        """Return nothing: the store decides."""
        import jpype

        return jpype.JArray(jpype.JString)(0)

    def isSupportedCompression(self, compression: Any) -> bool:
        """Tell that none is chosen here."""
        return False

    def isInitialized(self, image_index: int, plane_index: int) -> bool:
        """Tell whether planes came already."""
        return self.pushed > 0

    def writeSequential(self) -> bool:
        """Tell that planes may come in any order."""
        return False

    def getHandle(self) -> Any:
        """Return None: there is no stream of bytes."""
        return None

    def getColorModel(self) -> Any:
        """Return None: colours are the channels'."""
        return None

    def setColorModel(self, model: Any) -> None:
        """Do nothing: colours are the channels'."""

    def getCompression(self) -> Any:
        """Return None: the store decides."""
        return None

    def getCodecOptions(self) -> Any:
        """Return None: the store decides."""
        return None

    def getFramesPerSecond(self) -> int:
        """Return a number that nothing asks for here."""
        return 1

    def getValidBits(self) -> int:
        """Return how many bits of a pixel count."""
        return int(self.metadata.get(0).getBitsPerPixel())


class _Planes:
    """Planes of SCIFIO, put in their places of a (T, C, Z, Y, X) array in a temporary file.

    Parameters
    ----------
    metadata
        SCIFIO's ``ImageMetadata``.
    """

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata
        self._pixel_type = _pixel_types()[int(metadata.getPixelType())]
        self._lengths = [int(length) for length in metadata.getAxesLengths()]
        self._planar = len(metadata.getAxesPlanar())
        self._letters = _letters([str(axis.type().getLabel()) for axis in metadata.getAxes()], self._lengths)
        sizes = dict.fromkeys("XYZCT", 1)
        for letter, length in zip(self._letters, self._lengths, strict=True):
            sizes[letter] *= length
        self._sizes = sizes
        shape = tuple(sizes[letter] for letter in "TCZYX")
        # unlinked already: the file goes with the array, also when the process is killed
        file = tempfile.TemporaryFile(prefix="ij-omero-")
        self._pixels: npt.NDArray[Any] = np.memmap(file, self._pixel_type.dtype, "w+", shape=shape)
        file.close()

    def put(self, index: int, data: npt.NDArray[np.uint8]) -> None:
        """Take one plane's bytes."""
        dtype = self._pixel_type.dtype
        dtype = dtype.newbyteorder("<") if self._metadata.isLittleEndian() else dtype.newbyteorder(">")
        planar = self._lengths[: self._planar]
        block = data.view(dtype).reshape(planar[::-1])
        position = list(np.unravel_index(index, self._lengths[self._planar :][::-1], order="C"))[::-1]
        within = self._letters[: self._planar]
        spread = [place for place, letter in enumerate(within) if letter not in "XY"]
        for offsets in np.ndindex(*(planar[place] for place in spread)):
            at = dict(zip(spread, offsets, strict=True))
            # the array's axes are those of SCIFIO backwards
            key = tuple(at.get(place, slice(None)) for place in reversed(range(self._planar)))
            plane = block[key]
            if within.index("X") > within.index("Y"):
                plane = plane.T
            place = self._place({**at, **{self._planar + number: int(one) for number, one in enumerate(position)}})
            self._pixels[place] = plane

    def _place(self, at: dict[int, int]) -> tuple[int, int, int]:
        """Return (t, c, z) of a position by number of axis; axes that share a letter count like digits."""
        found, weight = dict.fromkeys("ZCT", 0), dict.fromkeys("ZCT", 1)
        for number, letter in enumerate(self._letters):
            if letter in found:
                found[letter] += weight[letter] * at[number]
                weight[letter] *= self._lengths[number]
        return found["T"], found["C"], found["Z"]

    def image(self, name: str) -> ImageArray:
        """Return the image with what SCIFIO knows of it."""
        scales: dict[str, Any] = {}
        for letter, field in zip("XYZT", _FIELDS, strict=True):
            if self._letters.count(letter) != 1:
                continue
            axis = self._metadata.getAxis(self._letters.index(letter))
            unit = axis.unit()
            scales[field] = quantity_of(float(axis.averageScale(0.0, 1.0)), None if unit is None else str(unit))
        x, y, z, c, t = (self._sizes[letter] for letter in "XYZCT")
        description = ImageDescription(name, self._pixel_type, x, y, z, c, t)
        return ImageArray(self._pixels, description.replace(**scales))


_FIELDS = ("physical_size_x", "physical_size_y", "physical_size_z", "time_increment")


def _letters(labels: list[str], lengths: list[int]) -> list[str]:
    """Return a letter of XYZCT for each axis."""
    # ImgSaver splits an axis of channels into "Channel" and "Channel-planes"
    split = [label for label in labels if label != "Channel" and label.startswith("Channel")]
    kept = [(label, length) for label, length in zip(labels, lengths, strict=True) if label not in split]
    try:
        found = iter(axis_letters([label for label, _ in kept], [length for _, length in kept], "the image"))
    except InvalidInputError as error:
        raise java_class("io.scif.FormatException")(str(error)) from error
    # what is left is of length 1, so it counts for nothing
    return ["C" if label in split else next(found) or "C" for label in labels]


def _pixel_types() -> dict[int, PixelType]:
    """Return the pixel types by SCIFIO's numbers."""
    tools = java_class("io.scif.util.FormatTools")
    return {
        int(getattr(tools, name)): pixel_type
        for pixel_type, name in PIXEL_TYPES.items()
        if pixel_type is not PixelType.BIT
    }
