"""The server's enumerations, which are asked for once per connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._session import Connection


def enumerations(connection: Connection, *kinds: str) -> dict[str, Any]:
    """Return the objects of some enumerations by their value, such as ``enumerations(connection, "PixelsType")``.

    They are references, for what is saved with whole ones has the server compare these, too.
    """
    known = connection.enumerations
    types = connection.service("Types")
    asked = {kind: types.begin_allEnumerations(f"omero.model.{kind}") for kind in kinds if kind not in known}
    for kind, answer in asked.items():
        known[kind] = {one.value.val: type(one)(one.id.val, False) for one in types.end_allEnumerations(answer)}
    return {value: stored for kind in kinds for value, stored in known[kind].items()}
