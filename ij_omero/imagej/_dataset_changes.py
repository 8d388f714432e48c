"""What was changed in ImageJ of what is said about an image: its name, calibration and channels, not its pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._calibration import quantity_of
from ._color_tables import TABLES_PROPERTY
from ._dataset_planes import dataset_description

if TYPE_CHECKING:
    from ij_omero.model import Channel, ImageDescription, Quantity

_SCALES = ("physical_size_x", "physical_size_y", "physical_size_z", "time_increment")


def described_in_imagej(dataset: Any, description: ImageDescription) -> ImageDescription:
    """Return the description of an image with what its Dataset says otherwise.

    A Dataset tells less than the description that it was made from (no wavelengths, no lookup tables), so only what
    differs from what `to_dataset` put there is taken from it.

    Parameters
    ----------
    dataset
        A ``net.imagej.Dataset`` of the same sizes.
    description
        What the image was when the Dataset was made.
    """
    shown = dataset_description(dataset)
    changes: dict[str, Any] = {}
    if shown.name != (description.name or "image"):
        changes["name"] = shown.name
    for field in _SCALES:
        if getattr(shown, field) != _as_shown(getattr(description, field)):
            changes[field] = getattr(shown, field)
    image = dataset.getImgPlus()
    channels = tuple(
        _channel(now, was, number, same_table=_has_its_table(image, number))
        for number, (now, was) in enumerate(zip(shown.channels, description.channels, strict=True))
    )
    if channels != description.channels:
        changes["channels"] = channels
    return description.replace(**changes) if changes else description


def _as_shown(size: Quantity | None) -> Quantity | None:
    """Return a size as it comes back from an axis that has it."""
    return quantity_of(1.0, None) if size is None else quantity_of(size.value, size.unit)


def _has_its_table(image: Any, number: int) -> bool:
    """Tell whether a channel is shown in the table that it was opened with, of which its colour says too little."""
    tables = image.getProperties().get(TABLES_PROPERTY)
    if tables is None or number >= min(int(tables.size()), int(image.getColorTableCount())):
        return False
    return bool(tables.get(number).equals(image.getColorTable(number)))


def _channel(now: Channel, was: Channel, number: int, *, same_table: bool) -> Channel:
    changes: dict[str, Any] = {}
    if now.name is not None and now.name != (was.name or f"Channel {number + 1}"):
        changes["name"] = now.name
    other_color = now.color is not None and now.color[:3] != (was.color or (255, 255, 255))[:3]
    if not same_table and (other_color or (was.lookup_table and now.color is not None)):
        changes.update(color=now.color, lookup_table=None)
    if now.window is not None and now.window != was.window:
        changes["window"] = now.window
    return replace(was, **changes)
