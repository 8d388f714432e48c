"""What the demo does with an image, whatever store it lies in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError, InvalidInputError
from ij_omero.model import KeyValue, Roi, Table

from ._demo_picture import PANEL_SIDE, Panel, draw_before_after

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from ij_omero.images import Connection, Image
    from ij_omero.model import ImageDescription, ImageId, Quantity

    from ._demo import Story

SIGMA = 2.0
_WHITE = 180
MACRO = """
setAutoThreshold("Otsu{dark}");
run("Set Measurements...", "area mean centroid perimeter shape redirect=None decimal=4");
run("Analyze Particles...", "size={smallest}-Infinity pixel show=Nothing display {edge} clear add");
"""


@dataclass(frozen=True)
class DemoReport:
    """Where the demo left what it made."""

    original: str
    original_id: ImageId
    result: str
    result_id: ImageId
    figure: Path
    blurred: npt.NDArray[Any]


@dataclass(frozen=True)
class _Particles:
    table: Table
    rois: tuple[Roi, ...]
    darker: bool


def run_demo(
    connection: Connection, picture: Path, assumed: Quantity | None, results: Path, story: Story
) -> DemoReport:
    """Do the main job and check what came of it.

    Parameters
    ----------
    connection
        The store to work in.
    picture
        The picture to import.
    assumed
        The distance between pixels where the picture does not say.
    results
        The folder for the before/after picture; made where missing.
    story
        Told of every step.

    Raises
    ------
    CorruptedDataError
        What was read back is not what was saved.
    """
    original = _import(connection, picture, assumed, story)
    imported = original.cache.saved_view.read(original.description.plane_indices()[0])
    _look(original, story)
    blurred = _blur(original, story)
    particles = _particles(blurred, original, story)
    expected = _edit(original, blurred, particles.darker, story)
    result = _save(connection, original, particles, story)
    _compare(connection, original, result.image_id, expected, particles, imported, story)
    figure = _draw(connection, original, result, particles, results, story)
    original.discard_edits()
    return DemoReport(str(original.address), original.image_id, str(result.address), result.image_id, figure, blurred)


def _import(connection: Connection, picture: Path, assumed: Quantity | None, story: Story) -> Image:
    from ij_omero.stores import read_picture

    description, pixels = read_picture(picture)
    pixels.close()
    changes: dict[str, Any] = {}
    if assumed is not None and description.physical_size_x is None:
        changes = {"physical_size_x": assumed, "physical_size_y": assumed}
        story.tell(f"{picture.name} does not say its pixel size: {assumed} is assumed")
    image = connection.import_picture(picture, **changes)
    image.close()
    story.tell(f"imported {picture} as {image.address}", original=str(image.address))
    return connection.open_image(image.image_id)


def _look(image: Image, story: Story) -> None:
    """Open the image in ImageJ and see what that loads."""
    facts = image.description
    x, y, z, c, t = facts.sizes
    story.tell(f"opened it by its address: X {x}, Y {y}, Z {z}, C {c}, T {t}, {image.dtype.name}; {_cells(image)}")
    dataset = image.to_dataset()
    story.tell(f"as a Dataset in ImageJ: {_cells(image)}")
    access = dataset.randomAccess()
    access.setPosition(x // 2, 0)
    access.setPosition(y // 2, 1)
    access.setPosition(c - 1, 2)
    seen = access.get().getRealDouble()
    story.tell(f"ImageJ touched the pixel in the middle of the last channel, {seen:g}: {_cells(image)}")
    if not np.isclose(seen, float(image[0, c - 1, 0, y // 2, x // 2])):
        raise CorruptedDataError(f"Java sees {seen:g} where Python sees {image[0, c - 1, 0, y // 2, x // 2]}")


def _cells(image: Image) -> str:
    states = image.cache.load_states
    return f"{states.loaded} of {states.total} cells loaded, {states.edited} edited"


def _blur(image: Image, story: Story) -> npt.NDArray[Any]:
    """Blur with ImageJ; (T, C, Z, Y, X)."""
    import ij_omero

    result = ij_omero.run("Gaussian Blur...", image, sigma=SIGMA, stack=True)
    if result.image is None:
        raise CorruptedDataError("ImageJ's Gaussian Blur gave no image")
    story.tell(f"ImageJ's Gaussian Blur with sigma {SIGMA:g} on {image.shape[1]} channels: {_cells(image)}")
    pixels: npt.NDArray[Any] = result.image.pixels
    return pixels


def _stained(pixels: npt.NDArray[Any]) -> tuple[int, bool]:
    """Choose the channel to look for particles in, and whether they are darker than what is around them.

    A stained section in white light is bright in red, green and blue; nuclei are darkest in its red channel. Otherwise
    it is the channel with the most contrast, whose background is what most of it is.
    """
    _, channels, sections, _, _ = pixels.shape
    planes = [pixels[0, channel, sections // 2].astype(np.float64) for channel in range(channels)]
    if channels == 3 and pixels.dtype == np.uint8 and min(np.percentile(plane, 95) for plane in planes) > _WHITE:
        return 0, True
    channel = max(range(channels), key=lambda c: float(planes[c].std()))
    return channel, bool(np.median(planes[channel]) > planes[channel].mean())


def _particles(blurred: npt.NDArray[Any], image: Image, story: Story) -> _Particles:
    """Threshold a plane and analyse particles with ImageJ."""
    from ij_omero.imagej import ImageArray, run_macro

    channel, darker = _stained(blurred)
    section = image.description.size_z // 2
    plane = blurred[0, channel, section]
    description = _of_plane(image.description, channel)
    # Particles that the edge cuts are left out, unless there are no others.
    for edge in ("exclude", ""):
        macro = MACRO.format(dark="" if darker else " dark", smallest=max(20, plane.size // 6000), edge=edge)
        result = run_macro(macro, ImageArray(plane[None, None, None], description))
        table = next((table for table in result.tables if table.row_count), None)
        if table is not None:
            break
    else:
        raise InvalidInputError("ImageJ found no particles in this picture; try another one")
    rois = tuple(
        Roi(tuple(replace(shape, z=section, c=None, t=0) for shape in roi.shapes), f"particle {number}")
        for number, roi in enumerate(result.rois, 1)
    )
    table = Table("particles", table.columns)
    name = description.channels[0].name or f"channel {channel}"
    story.tell(
        f"ImageJ's Otsu threshold ({name}, {'dark' if darker else 'bright'} particles) and Analyze Particles: "
        f"{len(rois)} particles, measured {', '.join(table.column_names)}",
        particles=len(rois),
    )
    return _Particles(table, rois, darker)


def _of_plane(description: ImageDescription, channel: int) -> ImageDescription:
    return description.replace(size_c=1, size_z=1, size_t=1, channels=(description.channels[channel],))


def _edit(image: Image, blurred: npt.NDArray[Any], darker: bool, story: Story) -> npt.NDArray[Any]:
    """Write the blurred pixels from Python and a bar from Java into the same cells; return what is expected."""
    expected = _as_pixels(blurred, image.dtype)
    image[...] = expected
    _, c, _, y, x = image.shape
    ink = float(expected.min() if darker else expected.max())
    height, width = max(2, y // 80), max(4, x // 5)
    top, left = y - 4 * height, 3 * height
    access = image.to_dataset().randomAccess()
    for channel in range(c):
        access.setPosition(channel, 2)
        for row in range(top, top + height):
            access.setPosition(row, 1)
            for column in range(left, left + width):
                access.setPosition(column, 0)
                access.get().setReal(ink)
    expected[0, :, 0, top : top + height, left : left + width] = expected.dtype.type(ink)
    image.flush()
    story.tell(f"edited in place, the blur through numpy and a bar through ImageJ's Dataset: {_cells(image)}")
    return expected


def _as_pixels(pixels: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Convert what ImageJ 1 made, which knows 8, 16 and 32 bits, to the image's own type."""
    if dtype.kind in "iu" and pixels.dtype != dtype:
        limits = np.iinfo(dtype)
        pixels = np.clip(np.rint(pixels.astype(np.float64)), limits.min, limits.max)
    return pixels.astype(dtype)


def _save(connection: Connection, image: Image, particles: _Particles, story: Story) -> Image:
    result = connection.save_image(
        image,
        name=f"{image.name} - particles",
        description=f"Gaussian Blur with sigma {SIGMA:g}, Otsu threshold, Analyze Particles",
        key_values=(KeyValue("Made by", "ij-omero demo"), KeyValue("Gaussian Blur sigma", f"{SIGMA:g}")),
        tables=[particles.table],
        rois=particles.rois,
    )
    story.tell(
        f"saved as the new image {result.address} with a table of {particles.table.row_count} rows "
        f"and {len(particles.rois)} ROIs",
        result=str(result.address),
    )
    return result


def _compare(
    connection: Connection,
    original: Image,
    result_id: ImageId,
    expected: npt.NDArray[Any],
    particles: _Particles,
    imported: npt.NDArray[Any],
    story: Story,
) -> None:
    """Read everything back on a cache of its own and compare."""
    with connection.open_image(result_id, share=False) as again:
        _check("pixels", np.array_equal(again.to_numpy(), expected))
        before, after = original.description, again.description
        _check("pixel sizes", before.physical_size_x == after.physical_size_x)
        _check("channel names", [c.name for c in before.channels] == [c.name for c in after.channels])
        (summary,) = again.tables()
        table = connection.read_table(summary.table_id)
        _check("column names", table.column_names == particles.table.column_names)
        for column in particles.table.columns:
            same = (
                np.allclose(table[column.name], column.values, equal_nan=True)
                if column.values.dtype.kind in "fiu"
                else list(table[column.name]) == list(column.values)
            )
            _check(f"column {column.name}", bool(same))
        rois = again.rois()
        _check("ROIs", [_geometry(roi) for roi in rois] == [_geometry(roi) for roi in particles.rois])
    with connection.open_image(original.image_id, share=False) as untouched:
        _check("the original", np.array_equal(untouched.cache.read(original.description.plane_indices()[0]), imported))
    story.tell("read back pixels, pixel size, channel names, table and ROIs, and the untouched original: all the same")


def _geometry(roi: Roi) -> tuple[Any, ...]:
    """Return a ROI's name and shapes without what a store adds (ids, colours)."""
    plain: dict[str, Any] = {
        "shape_id": None,
        "stroke_color": None,
        "fill_color": None,
        "stroke_width": None,
        "font_size": None,
    }
    return roi.name, tuple(replace(shape, **plain) for shape in roi.shapes)


def _check(what: str, same: bool) -> None:
    if not same:
        raise CorruptedDataError(f"what was read back differs from what was saved: {what}")


def _draw(
    connection: Connection, original: Image, result: Image, particles: _Particles, results: Path, story: Story
) -> Path:
    results.mkdir(parents=True, exist_ok=True)
    # ids of a server and of a folder both begin at 1
    where = "" if connection.address.scheme == "file" else f"{connection.address.scheme}-"
    path = results / f"{original.name.rsplit('.', 1)[0]}-{where}{original.image_id}-before-after.png"
    size = original.description.physical_size_x
    with connection.open_image(original.image_id, share=False) as untouched:
        before = untouched.thumbnail(PANEL_SIDE)
    after = result.thumbnail(PANEL_SIDE)
    if before is None or after is None:
        story.tell("the picture is too large to draw")
        return path
    draw_before_after(
        path,
        [
            Panel("Before", f"{original.name}  ·  {original.address}", before),
            Panel(
                "After",
                f"blurred, {len(particles.rois)} particles  ·  {result.address}",
                after,
                result.rois(),
            ),
        ],
        size,
        "Gaussian Blur, Otsu threshold and Analyze Particles by ImageJ; the outlines are the saved ROIs, read back",
    )
    story.tell(f"drew {path}", figure=str(path))
    return path
