"""Ice and omero-py, or one error that says how to get them."""

from __future__ import annotations

from ij_omero.errors import MissingDependencyError

try:
    import Glacier2
    import Ice
    import omero
    import omero.callbacks
    import omero.clients
    import omero.cmd
    import omero.grid
    import omero.model
    import omero.model.enums
    import omero.rtypes
    import omero.sys
    import omero.util.sessions
except ImportError as error:
    raise MissingDependencyError(
        f"an OMERO.server is reached through omero-py and Ice, and {error.name or 'one of them'} is not installed; "
        "get both with: ij-omero setup omero"
    ) from error

__all__ = ["Glacier2", "Ice", "omero"]
