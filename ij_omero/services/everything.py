"""All interfaces together over one store: OMEIS, DVID's imageblk, and the viewer's page with its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ij_omero.stores import open_store

from ._core import ServiceSettings, build_app_of
from .dvid import dvid_part
from .omeis import Repository, omeis_part
from .viewer import viewer_part

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette

    from ij_omero.pixels import ImageStore

__all__ = ["make_app", "make_app_at"]


def make_app(
    store: ImageStore, omeis_folder: Path, dvid_folder: Path, settings: ServiceSettings | None = None
) -> Starlette:
    """Return an application with all interfaces.

    Parameters
    ----------
    store
        The images that all interfaces show; it stays its owner's.
    omeis_folder
        Where OMEIS keeps files and unfinished pixels.
    dvid_folder
        Where DVID's repositories are, beside the images, which are repositories that are only read.
    settings
        Who may ask for how much.
    """
    settings = settings or ServiceSettings()
    parts = [
        omeis_part(store, Repository(omeis_folder), settings),
        dvid_part(dvid_folder, images=store),
        viewer_part(store, settings),
    ]
    return build_app_of(parts, settings)


def make_app_at(address: str, omeis_folder: Path, dvid_folder: Path, settings: ServiceSettings) -> Starlette:
    """Return an application over the store at an address, opened in this process; see `make_app`."""
    return make_app(open_store(address), omeis_folder, dvid_folder, settings)
