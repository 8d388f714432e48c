"""The demo's before/after picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ij_omero.model import Ellipse, Line, Mask, Polygon, Polyline, Rectangle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

    from ij_omero.model import Quantity, Roi, Shape

PANEL_SIDE = 1024  # pixels of a panel's longer side
_FINE = 2  # outlines are drawn at twice the size and then made smaller, which smooths them
_MARGIN = 28
_HEADER = 64
_FOOTER = 40
_PAPER, _INK, _FAINT = (255, 255, 255), (28, 32, 36), (104, 112, 120)
_OUTLINE = (0, 214, 255)
_SCALES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Panel(NamedTuple):
    """One half of the picture: a title, a line below it, (Y, X, 3) uint8 pixels and what to outline."""

    title: str
    caption: str
    pixels: npt.NDArray[np.uint8]
    rois: Sequence[Roi] = ()


def draw_before_after(path: Path, panels: Sequence[Panel], pixel_size: Quantity | None, footer: str) -> None:
    """Write panels side by side as a PNG.

    Parameters
    ----------
    path
        The file.
    panels
        From left to right.
    pixel_size
        The distance between pixels, for the scale bar; None draws none.
    footer
        A line below the panels.
    """
    from PIL import Image, ImageDraw

    shown = [_render(panel, pixel_size) for panel in panels]
    width = sum(one.width for one in shown) + _MARGIN * (len(shown) + 1)
    height = max(one.height for one in shown) + _HEADER + _FOOTER + _MARGIN
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    x = _MARGIN
    for panel, picture in zip(panels, shown, strict=True):
        draw.text((x, 14), panel.title, _INK, font=_font(22))
        draw.text((x, 41), panel.caption, _FAINT, font=_font(15))
        page.paste(picture, (x, _HEADER))
        x += picture.width + _MARGIN
    draw.text((_MARGIN, height - _FOOTER - 2), footer, _FAINT, font=_font(14))
    page.save(path, "PNG")


def _font(size: int) -> Any:
    """Return DejaVu Sans as matplotlib carries it, which knows µ; else Pillow's own font, which does not."""
    from PIL import ImageFont

    spec = importlib.util.find_spec("matplotlib")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


def _render(panel: Panel, pixel_size: Quantity | None) -> Picture:
    from PIL import Image, ImageDraw

    height, width = panel.pixels.shape[:2]
    zoom = PANEL_SIDE / max(height, width)
    size = (round(width * zoom), round(height * zoom))
    fine = (size[0] * _FINE, size[1] * _FINE)
    picture = Image.fromarray(panel.pixels).resize(fine, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for roi in panel.rois:
        for shape in roi.shapes:
            for outline in _outlines(shape):
                points = [(px * zoom * _FINE, py * zoom * _FINE) for px, py in outline]
                draw.line([*points, points[0]], fill=_OUTLINE, width=3 * _FINE, joint="curve")
    if pixel_size is not None:
        _scale_bar(draw, fine, zoom * _FINE, pixel_size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _outlines(shape: Shape) -> Iterable[list[tuple[float, float]]]:
    """Give a shape's outline as points."""
    if isinstance(shape, (Polygon, Polyline)):
        yield list(shape.points)
    elif isinstance(shape, (Rectangle, Mask)):
        right, bottom = shape.x + shape.width, shape.y + shape.height
        yield [(shape.x, shape.y), (right, shape.y), (right, bottom), (shape.x, bottom)]
    elif isinstance(shape, Ellipse):
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        yield [(shape.x + shape.radius_x * np.cos(a), shape.y + shape.radius_y * np.sin(a)) for a in angles]
    elif isinstance(shape, Line):
        yield [(shape.x1, shape.y1), (shape.x2, shape.y2)]


def _scale_bar(draw: ImageDraw, size: tuple[int, int], zoom: float, pixel_size: Quantity) -> None:
    """Draw a bar of a round length, about a fifth of the width, at the lower right."""
    wanted = size[0] / zoom * pixel_size.value / 5
    length = max((scale for scale in _SCALES if scale <= wanted), default=_SCALES[0])
    bar = length / pixel_size.value * zoom
    right, bottom = size[0] - 24 * _FINE, size[1] - 24 * _FINE
    text = f"{length} {pixel_size.unit}"
    font = _font(20 * _FINE)
    half = draw.textlength(text, font=font) / 2
    middle = right - bar / 2
    edge = 5 * _FINE
    left = min(right - bar, middle - half)
    box = (left - 2 * edge, bottom - 36 * _FINE, max(right, middle + half) + 2 * edge, bottom + 3 * edge)
    draw.rounded_rectangle(box, radius=2 * edge, fill=_PAPER)
    draw.rectangle((right - bar, bottom, right, bottom + edge), fill=_INK)
    draw.text((middle - half, bottom - 30 * _FINE), text, _INK, font=font)
