"""napari's reader for addresses; napari finds it by ``napari.yaml`` (entry point group ``napari.manifest``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.errors import IJOmeroError
from ij_omero.model import parse_address
from ij_omero.rendering import settings_for

from ._zarr_opening import open_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ij_omero.model import ImageDescription

    Layer = tuple[Any, dict[str, Any], str]


def napari_get_reader(path: str | Path | list[str]) -> Callable[[Any], list[Layer]] | None:
    """Return the reader where the path is an address of an image, or an image of a local store.

    Parameters
    ----------
    path
        ``omero://host/image/42``, ``~/images/3.ome.zarr``, or a list of them.
    """
    paths = path if isinstance(path, list) else [path]
    try:
        known = all(parse_address(one).image_id is not None for one in paths)
    except IJOmeroError:
        return None
    return read_layers if known and paths else None


def read_layers(path: str | Path | list[str]) -> list[Layer]:
    """Return one entry per image, which napari splits into a layer per channel; no pixel is read yet.

    Each is (arrays, options, "image"): dask arrays (T, C, Z, Y, X) of all resolution levels, full size first, with the
    colours, windows, names, visibility and physical scale that the image has.
    """
    return [_layer(one) for one in (path if isinstance(path, list) else [path])]


def _layer(path: str | Path) -> Layer:
    import dask.array

    group = open_zarr(path)
    store = group.store
    description: ImageDescription = (store.mapping if hasattr(store, "mapping") else store).description
    from_array: Any = dask.array.from_array
    arrays = [from_array(group[name], chunks=group[name].chunks, name=False) for name in _levels(group)]
    shown = settings_for(description).channels
    names = [channel.name or f"Channel {index}" for index, channel in enumerate(description.channels)]
    options: dict[str, Any] = {
        "channel_axis": 1,
        "name": [f"{description.name} - {name}" for name in names] if len(names) > 1 else [description.name],
        # napari makes a ramp from black of a colour
        "colormap": ["#{:02x}{:02x}{:02x}".format(*channel.color[:3]) for channel in shown],
        "visible": [channel.active for channel in shown],
        "blending": "additive",
        "scale": _scale(description),
        "metadata": {"address": str(path)},
        "multiscale": len(arrays) > 1,
    }
    if description.rendering is not None or any(channel.window is not None for channel in description.channels):
        # else napari finds limits in the pixels: the whole range of a 16-bit type would mostly be black
        options["contrast_limits"] = [_limits(*channel.window) for channel in shown]
    return (arrays if len(arrays) > 1 else arrays[0], options, "image")


def _levels(group: Any) -> list[str]:
    return [dataset["path"] for dataset in group.attrs["multiscales"][0]["datasets"]]


def _limits(start: float, end: float) -> tuple[float, float]:
    return (start, end) if end > start else (start, start + 1)


def _scale(description: ImageDescription) -> tuple[float, ...]:
    """Return the distances of T, Z, Y and X, in seconds and micrometres where they are known."""
    steps = {
        "t": description.time_increment,
        "z": description.physical_size_z,
        "y": description.physical_size_y,
        "x": description.physical_size_x,
    }
    scale = []
    for axis, step in steps.items():
        try:
            scale.append(step.to("SECOND" if axis == "t" else "MICROMETER") if step is not None else 1.0)
        except IJOmeroError:  # sizes in pixels
            scale.append(1.0)
    return tuple(value if value > 0 else 1.0 for value in scale)
