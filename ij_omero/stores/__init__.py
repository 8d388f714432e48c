"""Image stores, one private module per backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._registry import find_image, open_store

if TYPE_CHECKING:
    from ._dvid import DvidClient, DvidStore
    from ._importing import import_picture
    from ._local import LocalStore
    from ._memory import MemoryStore
    from ._omeis import OmeisStore
    from ._omero import OmeroStore
    from ._picture_reading import read_picture
    from ._picture_writing import export_picture

__all__ = [
    "DvidClient",
    "DvidStore",
    "LocalStore",
    "MemoryStore",
    "OmeisStore",
    "OmeroStore",
    "export_picture",
    "find_image",
    "import_picture",
    "open_store",
    "read_picture",
]

_MODULES = {
    "DvidClient": "_dvid",
    "DvidStore": "_dvid",
    "LocalStore": "_local",
    "MemoryStore": "_memory",
    "OmeisStore": "_omeis",
    "OmeroStore": "_omero",
    "export_picture": "_picture_writing",
    "import_picture": "_importing",
    "read_picture": "_picture_reading",
}

_GROUPS = {"DvidClient": "serve", "DvidStore": "serve", "OmeisStore": "serve"}


def __getattr__(name: str) -> Any:
    """Load a store's class when it is first asked for: Ice and Zarr are not cheap."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        from ij_omero.errors import MissingDependencyError

        raise MissingDependencyError(
            f"{name} needs {error.name}, which is not installed; pip install 'ij-omero[{_GROUPS.get(name, 'omero')}]'"
        ) from error
